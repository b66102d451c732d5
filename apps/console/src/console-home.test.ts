import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { consoleFolder, ConsoleHome } from './console-home.ts';

const SITE = 'https://access.example.net';
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bascule-console-home-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('logins are the user’s alone, apart from what is no secret', () => {
  const home = new ConsoleHome(join(folder, 'new'));
  assert.equal(home.login(SITE), undefined);
  home.storeLogin(SITE, { user: 'ann', cookie: 'name=secret', csrf: 'token' });
  home.remember(SITE, { keySha256: 'ab'.repeat(32) });
  assert.equal(home.currentSite(), SITE);
  assert.equal(home.login(SITE)?.user, 'ann');
  for (const name of readdirSync(home.folder)) assert.equal(statSync(join(home.folder, name)).mode & 0o777, 0o600, name);
  assert.doesNotMatch(readFileSync(join(home.folder, 'settings.json'), 'utf8'), /secret|token/);
  home.forgetLogin(SITE);
  assert.equal(home.login(SITE), undefined);
  assert.equal(home.known(SITE).keySha256, 'ab'.repeat(32), 'the certificate stays confirmed');
});

test('a damaged file is named', () => {
  writeFileSync(join(folder, 'logins.json'), '{"half');
  assert.throws(() => new ConsoleHome(folder).login(SITE), { exitCode: 64, message: /logins\.json is damaged/ });
});

test('settings lie where the system keeps them', () => {
  assert.equal(consoleFolder({ BASCULE_CONSOLE_HOME: '/x' }), '/x');
  assert.equal(consoleFolder({ XDG_CONFIG_HOME: '/y' }), '/y/bascule');
  assert.match(consoleFolder({}), /\/\.config\/bascule$/);
});
