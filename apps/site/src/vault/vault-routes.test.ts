import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { VAULT_FILE_MAX_BYTES, vaultKeyState, type VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { openTestSite } from '../testing.ts';
import { ADA, addSecrets } from './testing.ts';

const PASSWORD = 'correct horse battery';

/** A site with secrets, and an administrator's browser. */
async function openSite() {
  const test = await openTestSite();
  const { http, accounts, store, vault } = test.site.parts;
  addSecrets(store, KeyRing.open(test.config.keyFile), 3);
  vault.start();
  const { oneTimePassword } = await accounts.users.create(ADA, { name: 'ann', displayName: '', role: 'administrator' });
  const login = await accounts.logins.withPassword('ann', oneTimePassword, { address: '192.0.2.1', userAgent: '' });
  await accounts.logins.changePassword(ADA, login.principal, { next: PASSWORD });
  return {
    test,
    store,
    call: (method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) =>
      http.app.inject({
        method,
        url: `/api/vault-key${url}`,
        headers: {
          host: 'localhost',
          origin: 'https://localhost',
          cookie: `__Host-bascule-site=${login.cookie}`,
          'x-bascule-csrf': login.principal.csrf,
        },
        ...(payload !== undefined && { payload }),
      }),
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
  };
}

test('over HTTP: state, download with a password that is long enough, look, restore, rotation, and no page without a limit', async () => {
  await using site = await openSite();
  const { call } = site;
  const state = async () => vaultKeyState.parse((await call('GET', '')).json()) satisfies VaultKeyState;
  const { keyId, readable, unreadable } = await state();
  assert.deepEqual([readable, unreadable], [5, 0]);
  assert.equal((await call('POST', '/download', { password: 'too short' })).statusCode, 400);
  const answer = await call('POST', '/download', { password: PASSWORD });
  assert.equal(answer.statusCode, 200, answer.body);
  assert.match(
    String(answer.headers['content-disposition']),
    /^attachment; filename="test_appliance-[\d-]+\.bascule-vault-key\.age"$/,
  );
  assert.equal(answer.headers['cache-control'], 'no-store');
  const body = { file: answer.rawPayload.toString('base64'), password: PASSWORD };
  const look = await call('POST', '/restore/look', body);
  assert.deepEqual((look.json() as { newKeyIds: string[]; keyIds: string[] }).keyIds, [keyId], look.body);
  const wrong = await call('POST', '/restore', { ...body, password: 'another password' });
  assert.equal((wrong.json() as { error: { code: string } }).error.code, 'VAULT_FILE_PASSWORD_WRONG', wrong.body);
  const large = Buffer.alloc(VAULT_FILE_MAX_BYTES + 3).toString('base64');
  assert.equal((await call('POST', '/restore/look', { file: large, password: PASSWORD })).statusCode, 400);
  const larger = Buffer.alloc(4 * VAULT_FILE_MAX_BYTES).toString('base64');
  assert.equal((await call('POST', '/restore/look', { file: larger, password: PASSWORD })).statusCode, 413);
  assert.equal((await call('DELETE', '/rotation')).statusCode, 409);
  assert.equal((await call('POST', '/rotation')).statusCode, 200);
  const after = await waitUntil('the rotation is done', async () => {
    const now = await state();
    return now.rotation === null && now;
  });
  assert.notEqual(after.keyId, keyId);
  assert.equal(after.download?.isOutdated, true);
  const audit = site.store.all<{ line: string }>("SELECT summary || details AS line FROM audit_event WHERE code LIKE 'VAULT_%'");
  assert.ok(audit.length > 3);
  assert.ok(audit.every(({ line }) => !line.includes(PASSWORD)));
});

test('secrets are listed page by page, each once', async () => {
  await using site = await openSite();
  site.store.transact(ADA, { code: 'TEST_MORE', summary: '', details: {} }, (tx) => {
    for (let index = 0; index < 450; index += 1)
      tx.run(
        `INSERT INTO installers (id, token_id, program, name, mode, tags, comment, is_generic, version, created_by, created_at_ms, wrapped_key)
         VALUES (?, ?, 'jump-client', ?, 'normal', '[]', '', 0, '1', 'ada', 0, ?)`,
        `ist_${index + 10}`,
        `tok_${index + 10}`,
        `installer ${index}`,
        Buffer.from('not ours'),
      );
  });
  const found: string[] = [];
  for (let after: string | null = ''; after !== null;) {
    const answer = await site.call('GET', `/secrets?show=unreadable${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`);
    const page = answer.json() as { secrets: { words: string; keyId: string | null }[]; next: string | null };
    found.push(...page.secrets.map(({ words }) => words));
    after = page.next;
  }
  assert.equal(found.length, 450);
  assert.equal(new Set(found).size, 450);
});
