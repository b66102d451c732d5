import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { destinationPurpose } from './backup-wrapped.ts';
import { unwrapSecret, wrapSecret } from './destination-secret.ts';

const PLACE = { host: 'vault.example', port: 22, account: 'bascule', hostKey: `SHA256:${'A'.repeat(43)}` };
const SECRETS = [
  { kind: 'password', password: 'correct horse' },
  { kind: 'private-key', privateKey: 'a key', passphrase: 'of it' },
] as const;

describe('the secret of a destination', () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-secret-'));
  let keyWrap: KeyWrap;
  before(() => {
    keyWrap = openKeyWrap(join(home, 'site.key'));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  it('is given for its own server alone, whatever the row of the database says', () => {
    for (const secret of SECRETS) {
      const wrapped = wrapSecret(keyWrap, 'one', PLACE, secret);
      assert.deepEqual(unwrapSecret(keyWrap, 'one', PLACE, wrapped), secret);
      const others = [{ host: 'evil.example' }, { port: 2222 }, { account: 'mallory' }, { hostKey: `SHA256:${'B'.repeat(43)}` }];
      for (const other of others)
        assert.throws(() => unwrapSecret(keyWrap, 'one', { ...PLACE, ...other }, wrapped), { code: 'BACKUP_SECRET_NEEDED' });
    }
  });

  it('that was stored before it was bound goes on working', () => {
    for (const secret of SECRETS) {
      const wrapped = keyWrap.wrap(Buffer.from(JSON.stringify(secret)), destinationPurpose('one'));
      assert.deepEqual(unwrapSecret(keyWrap, 'one', PLACE, wrapped), secret);
    }
  });
});
