import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openKeyWrap } from './key-wrap.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-key-'));
const path = join(directory, 'keys', 'site.key');
after(() => rmSync(directory, { recursive: true }));

test('what was wrapped opens with the same key and purpose, also after a restart, and with nothing else', () => {
  const secret = Buffer.from('a secret of some length');
  const wrapped = Buffer.from(openKeyWrap(path).wrap(secret, 'totp/usr_1'));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const again = openKeyWrap(path);
  assert.deepEqual(Buffer.from(again.unwrap(wrapped, 'totp/usr_1')), secret);
  assert.notDeepEqual(again.wrap(secret, 'totp/usr_1'), wrapped);
  assert.throws(() => again.unwrap(wrapped, 'totp/usr_2'), { code: 'KEY_WRAP_FAILED' });
  for (let at = 0; at < wrapped.length; at++) {
    const changed = Buffer.from(wrapped);
    changed[at]! ^= 1;
    assert.throws(() => again.unwrap(changed, 'totp/usr_1'), { code: 'KEY_WRAP_FAILED' }, `byte ${at}`);
  }
  assert.throws(() => openKeyWrap(join(directory, 'other.key')).unwrap(wrapped, 'totp/usr_1'), { code: 'KEY_WRAP_FAILED' });
});

test('a damaged key file is not replaced', () => {
  truncateSync(path, 5);
  assert.throws(() => openKeyWrap(path), { code: 'KEY_FILE_BROKEN' });
  assert.equal(statSync(path).size, 5);
});
