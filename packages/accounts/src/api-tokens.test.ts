import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { testContext } from '@bascule/store/testing.ts';
import { API_TOKENS_LIMIT } from './api-tokens.ts';
import { openTestAccounts } from './testing.ts';

const ADDRESS = '192.0.2.1';
const DAY_MS = 86_400_000;

/** An account `ann` with one token for seven days. */
async function withToken(role: 'administrator' | 'user' = 'administrator') {
  const opened = openTestAccounts();
  const id = await opened.addUser('ann', 'a good long password', role);
  const ann = { id, name: 'ann' };
  const made = opened.accounts.apiTokens.create(testContext, ann, { name: 'load balancer', scopes: ['failover:read'], days: 7 });
  return { ...opened, ann, made, ask: (text: string) => opened.accounts.authenticateToken(text, ADDRESS) };
}

test('a token stands for its account with its scopes, and its secret is nowhere in the database', async () => {
  using opened = await withToken();
  const { made, ask, store } = opened;
  assert.match(made.secret, /^bat1\.[\w-]{16}\.[\w-]{43}$/);
  const principal = ask(made.secret);
  assert.deepEqual(
    [principal?.name, principal?.role, principal?.token],
    ['ann', 'administrator', { name: 'load balancer', scopes: ['failover:read'] }],
  );
  const rows = JSON.stringify([store.all('SELECT * FROM api_tokens'), store.all('SELECT * FROM audit_event')]);
  assert.ok(!rows.includes(made.secret.split('.')[2] ?? '?'), 'only a hash is kept');
});

test('anything else than exactly the token is refused, with an audit event at a bounded rate', async () => {
  using opened = await withToken();
  const { made, ask, auditCodes } = opened;
  const [, lookup = '', secret = ''] = made.secret.split('.');
  const other = `${secret.slice(0, -4)}AAAA`;
  for (const text of [
    '',
    'bat1',
    made.secret.slice(0, -1),
    `bat1.${lookup}.${other}`,
    `bat1.${'A'.repeat(16)}.${secret}`,
    secret,
  ])
    assert.equal(ask(text), undefined, text);
  assert.equal(auditCodes().filter((code) => code === 'API_TOKEN_REFUSED').length, 5);
});

test('who has a whole network of addresses fills no audit with refused tokens', async () => {
  using opened = await withToken();
  const { accounts, auditCodes } = opened;
  for (let host = 1; host <= 50; host++) accounts.authenticateToken('bat1.guess', `2001:db8::${host.toString(16)}`);
  assert.equal(auditCodes().filter((code) => code === 'API_TOKEN_REFUSED').length, 5);
});

test('a token ends by its date, by revoking, and with the disabling of its account; enabling does not bring it back', async () => {
  using opened = await withToken();
  const { accounts, ann, made, ask, clock, auditCodes, addUser } = opened;
  const second = accounts.apiTokens.create(testContext, ann, { name: 'second', scopes: ['failover:change'], days: 30 });
  clock.nowMs += 7 * DAY_MS - 1;
  assert.ok(ask(made.secret));
  clock.nowMs += 1;
  assert.equal(ask(made.secret), undefined);
  assert.ok(ask(second.secret));
  accounts.apiTokens.revoke(testContext, ann, made.id);
  assert.deepEqual(
    accounts.apiTokens.own(ann).map(({ name }) => name),
    ['second'],
  );
  await addUser('second', 'another good password', 'administrator');
  accounts.users.change(testContext, ann.id, { disabled: true });
  assert.equal(ask(second.secret), undefined);
  accounts.users.change(testContext, ann.id, { disabled: false });
  assert.equal(ask(second.secret), undefined);
  assert.deepEqual(
    auditCodes().filter((code) => /^API_TOKEN_(CREATED|REVOKED)$/.test(code)),
    ['API_TOKEN_CREATED', 'API_TOKEN_CREATED', 'API_TOKEN_REVOKED'],
  );
});

test('nobody revokes the token of somebody else', async () => {
  using opened = await withToken();
  const { accounts, made, ask, addUser } = opened;
  const bob = { id: await addUser('bob', 'another good password'), name: 'bob' };
  assert.throws(() => accounts.apiTokens.revoke(testContext, bob, made.id), { code: 'NOT_FOUND' });
  assert.ok(ask(made.secret));
  assert.deepEqual(accounts.apiTokens.own(bob), []);
});

test('a one-time password that is still to be changed holds back the tokens, too', async () => {
  using opened = await withToken();
  const { accounts, ann, made, ask } = opened;
  await accounts.users.resetPassword(testContext, ann.id);
  assert.equal(ask(made.secret), undefined);
});

test('the last use is shown at once, and written later', async () => {
  using opened = await withToken();
  const { accounts, ann, made, ask, clock, store } = opened;
  const written = () => store.get<{ at: number | null }>('SELECT last_used_at_ms AS at FROM api_tokens')?.at;
  clock.nowMs += 5000;
  ask(made.secret);
  assert.deepEqual([accounts.apiTokens.own(ann)[0]?.lastUsedAtMs, written()], [clock.nowMs, null]);
  accounts.apiTokens.noteUses();
  assert.equal(written(), clock.nowMs);
});

test('an account has a bounded number of tokens; box administrators have none', async () => {
  using opened = await withToken();
  const { accounts, ann } = opened;
  const more = () => accounts.apiTokens.create(testContext, ann, { name: 'more', scopes: ['failover:read'], days: 1 });
  for (let made = 1; made < API_TOKENS_LIMIT; made += 1) more();
  assert.throws(more, (error) => error instanceof AppError && error.code === 'API_TOKENS_LIMIT');
  using box = openTestAccounts('boxAdministrator');
  assert.equal(box.accounts.authenticateToken(opened.made.secret, ADDRESS), undefined);
});
