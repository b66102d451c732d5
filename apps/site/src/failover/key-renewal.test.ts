/** Site keys that came from the primary are put in place whole, whatever is cut (I5, I6; docs/decisions/0203). */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { archiveKeys } from './key-archive.ts';
import { writeValue } from './pair-store.ts';
import { PAIR_WRAP_KEY_FILE } from './pre-shared-key.ts';
import { collectSiteKeys } from './sealed-keys.ts';
import { ADA, inSync, startPair } from './testing.ts';

test('a cut between two files of the new keys is finished at the next start, and the former keys are in the archive whole', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  const { keys: folder, archive } = other.config.paths;
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  const former = { 'identity.key': read('identity.key'), 'identity.crt': read('identity.crt') };
  other.cut(true);
  one.cut(true);
  await one.program.site!.parts.trust.rotate(ADA);
  const keys = collectSiteKeys(one.config.paths.keys, null);
  const wrapped = openKeyWrap(join(folder, PAIR_WRAP_KEY_FILE)).wrap(
    Buffer.from(JSON.stringify(keys)),
    'site keys of the primary',
  );
  const pending = { wrapped: Buffer.from(wrapped).toString('base64'), folder: 'kept-keys', primary: 'alpha' };
  other.pair.parts.records.store.transact(ADA, { code: 'TEST_RECEIVED', summary: '', details: {} }, (tx) =>
    writeValue(tx, 'pendingKeys', pending),
  );
  // The power goes when the former keys are archived, and one of two files is replaced.
  archiveKeys(folder, join(archive, 'kept-keys'));
  await other.end();
  writeFileSync(join(folder, 'identity.crt'), readFileSync(join(one.config.paths.keys, 'identity.crt')));
  other.cut(false);
  one.cut(false);
  await other.begin();
  assert.deepEqual(collectSiteKeys(folder, null), keys);
  for (const [name, text] of Object.entries(former))
    assert.equal(readFileSync(join(archive, 'kept-keys', name), 'utf8'), text, name);
  await inSync(one, other);
});

test('a backup fetches rotated keys, and keeps the former ones for nobody else to read', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  const { keys: folder, archive } = other.config.paths;
  const former = readFileSync(join(folder, 'identity.crt'), 'utf8');
  await one.program.site!.parts.trust.rotate(ADA);
  await waitUntil('the backup has the new identity', () => readFileSync(join(folder, 'identity.crt'), 'utf8') !== former);
  await inSync(one, other);
  const kept = readdirSync(archive).filter((name) => name.includes('Z-keys-'));
  assert.equal(kept.length, 1);
  assert.equal(readFileSync(join(archive, kept[0]!, 'identity.crt'), 'utf8'), former);
  assert.ok(!readdirSync(join(archive, kept[0]!)).includes('pair.key'));
});
