import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@bascule/log/log.ts';
import { Site } from '../compose.ts';
import { completeConfig, type SiteConfig } from '../config/config.ts';

/**
 * Builds a site of nobody's in a scratch directory of its own and throws it away, so that what becomes active later finds its code compiled: that is most of the time for which
 * people wait at a switch. A machine without room for it is only slower.
 */
export async function warmUp(config: SiteConfig, log: Log): Promise<void> {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'bascule-warm-up-'));
    const site = await Site.open({
      config: completeConfig({ ...config, siteDir: directory, runDir: undefined }),
      log,
      isTrial: true,
    });
    // What it still writes must not find its folder gone.
    await site.parts.programs.settled();
    await site.close();
  } catch (error) {
    log.info({ err: error }, 'site.not-warmed-up');
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}
