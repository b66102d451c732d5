import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { PRE_SHARED, TestSide, ADMINISTRATOR } from './pair-testing.ts';

const request = (primary: TestSide, backup: TestSide) => ({
  primary: primary.endpoint,
  backup: backup.endpoint,
  withCertificate: true,
  mode: 'async' as const,
});

test('two strangers with the same pre-shared key become a pair; every key goes over, and never the pair key', async (t) => {
  const primary = await TestSide.open({ name: 'north', preSharedKey: PRE_SHARED });
  const backup = await TestSide.open({ name: 'south', preSharedKey: PRE_SHARED });
  t.after(() => Promise.all([primary.close(), backup.close()]));
  const preview = await primary.establishing.preview(request(primary, backup));
  console.log(preview);
  assert.deepEqual(
    preview.checks.filter(({ outcome }) => outcome !== 'green'),
    [],
  );
  assert.ok(preview.firstCopy.seconds !== null && preview.firstCopy.seconds >= 1);
  const ownKey = readFileSync(join(backup.keysDir, 'pair.key'), 'utf8');
  const peer = await primary.establishing.establish(ADMINISTRATOR, request(primary, backup));
  assert.equal(peer.keySha256, backup.key.sha256);
  for (const name of ['identity.key', 'identity.crt', 'site.key'])
    assert.deepEqual(readFileSync(join(backup.keysDir, name)), readFileSync(join(primary.keysDir, name)), name);
  assert.equal(readFileSync(join(backup.keysDir, 'pair.key'), 'utf8'), ownKey);
  assert.equal(backup.certificateTaken?.keyPem, 'its key');
  assert.equal((await backup.dial.request('GET', '/state')).status, 200);
  assert.equal((await primary.dial.request('GET', '/state')).status, 200);
  assert.deepEqual(primary.establishing.unfinished(), null);
});
