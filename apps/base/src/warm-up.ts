import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, type Log } from '@bascule/log/log.ts';
import { openBoxStore } from './box-store.ts';
import type { BaseConfig } from './config/config.ts';
import { openBoxInterface } from './http/http.ts';
import { openBoxAdministrators } from './identity/identity.ts';
import { Clock, networkRoutes } from './network/network.ts';
import { boxMailRoutes, openBoxMail } from './support/support.ts';

/**
 * Opens a box of nobody's in a scratch directory of its own and throws it away, so that a base that takes over finds its code compiled: people wait while
 * it opens (docs/decisions/0124). A machine without room for it is only slower.
 */
export async function warmUpBase(config: BaseConfig, log: Log): Promise<void> {
  let directory: string | undefined;
  try {
    directory = mkdtempSync(join(tmpdir(), 'bascule-base-warm-up-'));
    const silent = createLog('base', 'silent');
    using store = openBoxStore({ path: join(directory, 'box.db'), appliance: config.applianceName, log: silent });
    const accounts = openBoxAdministrators(store, directory, config.applianceName, silent);
    const clock = new Clock({ store, log: silent });
    const mailer = openBoxMail(store, directory, silent, config.applianceName);
    const web = await openBoxInterface({
      config,
      accounts,
      routes: [...networkRoutes(clock), ...boxMailRoutes(mailer)],
      peerOf: () => ({ address: '', port: 0 }),
      log: silent,
    });
    await web.close();
    clock.close();
    await mailer.close();
  } catch (error) {
    log.info({ err: error }, 'base.not-warmed-up');
  } finally {
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  }
}
