import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramFolder } from './program-folder.ts';
import { settingsFile } from './installed.ts';
import { SiteVersionGate } from './site-version-gate.ts';
import { newHomeDirectory } from './testing.ts';

function folderThatWaits(waitsForVersion: string | null): ProgramFolder {
  const folder = new ProgramFolder(newHomeDirectory());
  folder.storeSettings(settingsFile.parse({ site: 'https://appliance.example', mode: 'passive', waitsForVersion }));
  return folder;
}

test('a client that was installed ahead says no hello to an older site, or one that does not tell its version (B97)', () => {
  const gate = new SiteVersionGate(folderThatWaits('0.3.0'));
  for (const version of [undefined, '0.2.9', 'checkout', '0.2.10']) {
    const refusal = gate.refusal(version);
    assert.equal(refusal?.code, 'busy');
    assert.match(refusal?.message ?? '', /installed for version 0\.3\.0/);
    assert.ok((refusal?.retryAfterMs ?? 0) > 0, 'it waits before it looks again');
  }
});

test('once the site has the version, the client stays with it, even when the site goes back', () => {
  const folder = folderThatWaits('0.3.0');
  assert.equal(new SiteVersionGate(folder).refusal('0.10.0'), undefined);
  assert.equal(new SiteVersionGate(folder).refusal('0.2.0'), undefined, 'kept over a start');
  assert.equal(folder.settings().mode, 'passive', 'other settings stay');
});

test('clients of any other installer wait for nothing', () => {
  assert.equal(new SiteVersionGate(folderThatWaits(null)).refusal(undefined), undefined);
  assert.equal(new SiteVersionGate(undefined).refusal(undefined), undefined);
});
