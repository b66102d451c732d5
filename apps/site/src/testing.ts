import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { raiseGeneration } from '@bascule/store/generation-file.ts';
import { Site } from './compose.ts';
import { completeConfig, type SiteConfig } from './config/config.ts';

const checkout = join(import.meta.dirname, '..', '..', '..');

/** A configuration in a directory of its own, its generation raised as base does at a start. */
export function testSiteConfig(home = mkdtempSync(join(tmpdir(), 'bascule-site-'))): SiteConfig {
  const siteDir = join(home, 'site');
  mkdirSync(siteDir, { recursive: true, mode: 0o700 });
  return completeConfig({
    siteDir,
    generation: raiseGeneration(join(siteDir, 'generation')),
    applianceName: 'test appliance',
    publicHost: 'bascule.example',
    publicPort: 8443,
    hosts: ['localhost'],
    version: '0.0.0',
    softwareDir: checkout,
    runtimeDir: dirname(dirname(process.execPath)),
    webKeyPin: '',
  });
}

/** Site main in this process, not listening; its directory goes with it. The clock stands until it is moved. */
export async function openTestSite() {
  const config = testSiteConfig();
  const clock = { nowMs: Date.now() };
  const site = await Site.open({ config, log: createLog('test', 'silent'), now: () => clock.nowMs });
  return {
    site,
    config,
    clock,
    async [Symbol.asyncDispose]() {
      await site.close();
      rmSync(dirname(config.siteDir), { recursive: true, force: true });
    },
  };
}
