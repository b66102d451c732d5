import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Store } from '@bascule/store/store.ts';
import type { SiteConfig } from '../../config/config.ts';
import { testSiteConfig } from '../../testing.ts';
import { PAIR_KEY_FILE } from '../pair-key.ts';
import { eraseScratch, eraseScratchKeys, makeScratch, scratchPaths, scratchStart } from './rehearsal-scratch.ts';

const NAMES = { publicHost: 'primary.example', publicPort: 443, hosts: ['other.example'] };

let config: SiteConfig;
beforeEach(() => {
  config = testSiteConfig();
  mkdirSync(config.paths.keys, { mode: 0o700 });
  for (const file of [PAIR_KEY_FILE, 'site.key']) writeFileSync(join(config.paths.keys, file), 'secret', { mode: 0o600 });
});
afterEach(() => rmSync(dirname(config.siteDir), { recursive: true, force: true }));

/** As much of a store as is asked of it here. */
function storeOf(fileBytes: number): Store {
  return { fileBytes, snapshot: async (target: string) => writeFileSync(target, 'a database') } as unknown as Store;
}

test('a copy for which there is no room is refused before a byte of it is written', async () => {
  await assert.rejects(makeScratch(config, storeOf(2 ** 60)), { code: 'STORE_DISK_FULL' });
  assert.equal(existsSync(config.paths.rehearsal), false);
});

test('it has the keys of the site without those of the appliance, is opened under the names of the primary, and goes as a whole', async () => {
  await makeScratch(config, storeOf(1000));
  const scratch = scratchPaths(config);
  assert.deepEqual(readdirSync(scratch.keys), ['site.key']);
  assert.equal(statSync(config.paths.rehearsal).mode & 0o777, 0o700);
  const start = scratchStart(config, NAMES);
  assert.deepEqual(
    [start.siteDir, start.generation, start.publicHost, start.publicPort, start.hosts],
    [config.paths.rehearsal, config.generation, NAMES.publicHost, NAMES.publicPort, NAMES.hosts],
  );
  assert.ok(scratch.relayControlSocket.length <= config.paths.relayControlSocket.length + 2, 'paths of sockets are short');
  mkdirSync(scratch.run, { recursive: true });
  await eraseScratch(config);
  assert.deepEqual([existsSync(config.paths.rehearsal), existsSync(scratch.run)], [false, false]);
  assert.ok(existsSync(config.paths.keys));
});

test('of keys nothing is left, also when their copy was cut in the middle', async () => {
  await makeScratch(config, storeOf(1000));
  const { keys } = scratchPaths(config);
  mkdirSync(`${keys}.part`);
  eraseScratchKeys(config);
  assert.deepEqual(
    readdirSync(config.paths.rehearsal).filter((name) => name.startsWith('keys')),
    [],
  );
});
