import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { siteKeys } from '@bascule/protocol/pair-establish.ts';
import { collectSiteKeys, vaultKeysFingerprint, writeSiteKeys } from './sealed-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-sealed-'));
after(() => rmSync(directory, { recursive: true }));

/** A folder with the keys of a site. */
function keysOf(name: string): { folder: string; ring: KeyRing } {
  const folder = join(directory, name);
  const ring = KeyRing.open(join(folder, 'site.key'));
  for (const file of ['identity.key', 'identity.crt']) writeFileSync(join(folder, file), `${file} of ${name}`);
  return { folder, ring };
}

test('former vault keys go over with the rest, and those of another site go away', () => {
  const alpha = keysOf('alpha');
  const secret = alpha.ring.wrap(Buffer.from('secret'), 'purpose');
  alpha.ring.prepareNext();
  alpha.ring.useNext();
  const beta = keysOf('beta');
  beta.ring.prepareNext();
  assert.equal(vaultKeysFingerprint(join(directory, 'nowhere')), undefined);
  const sent = siteKeys.parse(JSON.parse(JSON.stringify(collectSiteKeys(alpha.folder, null))));
  writeSiteKeys(beta.folder, sent);
  assert.equal(vaultKeysFingerprint(beta.folder), vaultKeysFingerprint(alpha.folder));
  assert.equal(Buffer.from(beta.ring.unwrap(secret, 'purpose')).toString(), 'secret');
  assert.equal(beta.ring.currentId, alpha.ring.currentId);
  // A site that never rotated sends no ring: what another site has left is not taken for its own.
  const gamma = keysOf('gamma');
  writeSiteKeys(beta.folder, collectSiteKeys(gamma.folder, null));
  assert.ok(!existsSync(join(beta.folder, 'site.keyring')));
  assert.equal(beta.ring.currentId, gamma.ring.currentId);
  assert.equal(beta.ring.open(secret, 'purpose'), undefined);
});

test('the software before passes over the ring, and takes the rest', () => {
  const { folder, ring } = keysOf('delta');
  ring.prepareNext();
  const before = siteKeys.omit({ ring: true });
  const { files } = before.parse(JSON.parse(JSON.stringify(collectSiteKeys(folder, null))));
  assert.deepEqual(
    files.map(({ name }) => name),
    ['identity.key', 'identity.crt', 'site.key'],
  );
});
