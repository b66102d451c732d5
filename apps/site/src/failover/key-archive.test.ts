import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { archiveKeys } from './key-archive.ts';

function openFolders(t: TestContext): { keys: string; to: string } {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-key-archive-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const keys = join(folder, 'keys');
  mkdirSync(keys);
  for (const name of ['identity.key', 'site.key', 'pair.key', 'pair-wrap.key'])
    writeFileSync(join(keys, name), `the ${name}`, { mode: 0o644 });
  return { keys, to: join(folder, 'archive', 'replaced', 'keys') };
}

test('keys of the site are archived for nobody else to read; those of the appliance stay with it', (t) => {
  const { keys, to } = openFolders(t);
  archiveKeys(keys, to);
  assert.deepEqual(readdirSync(to).toSorted(), ['identity.key', 'site.key']);
  assert.equal(readFileSync(join(to, 'site.key'), 'utf8'), 'the site.key');
  assert.equal(statSync(to).mode & 0o777, 0o700);
  assert.equal(statSync(join(to, 'site.key')).mode & 0o777, 0o600);
});

test('a copy that was cut in the middle is begun anew; a whole one stays, also when other keys have come meanwhile (I5)', (t) => {
  const { keys, to } = openFolders(t);
  mkdirSync(`${to}.part`, { recursive: true });
  writeFileSync(join(`${to}.part`, 'identity.key'), 'half');
  archiveKeys(keys, to);
  assert.equal(readFileSync(join(to, 'identity.key'), 'utf8'), 'the identity.key');
  assert.ok(!existsSync(`${to}.part`));
  writeFileSync(join(keys, 'site.key'), 'of another site');
  archiveKeys(keys, to);
  assert.equal(readFileSync(join(to, 'site.key'), 'utf8'), 'the site.key');
});
