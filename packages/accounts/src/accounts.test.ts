import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { AppError } from '@bascule/errors/app-error.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { testContext } from '@bascule/store/testing.ts';
import { openKeyWrap } from './key-wrap.ts';
import { DEFAULT_ACCOUNT_RULES } from '@bascule/protocol/api/security.ts';
import { ACCOUNT_LOCK_FIRST_MS, ADDRESS_FAILURES_FREE } from './lock-out.ts';
import { PENDING_LOGINS_LIMIT, SECOND_FACTOR_WAIT_MS, type LoginSessionsEnded } from './login-sessions.ts';
import { newOneTimePassword, ONE_TIME_PASSWORD_BITS } from './one-time-password.ts';
import { HASHES_AT_ONCE, HASHES_WAITING, PasswordHasher } from './password-hash.ts';
import { openTestAccounts, VISITOR } from './testing.ts';

const ATTEMPTS = DEFAULT_ACCOUNT_RULES.lockOut.attempts;

const PASSWORD = 'correct horse battery';
const MINUTE_MS = 60_000;
const code = (expected: string) => (error: unknown) => error instanceof AppError && error.code === expected;

test('the first administrator gets a one-time password, which is good for one login and must be changed', async () => {
  using env = openTestAccounts();
  const { accounts } = env;
  const oneTime = await accounts.ensureFirstAdministrator();
  assert.ok(oneTime);
  assert.ok(ONE_TIME_PASSWORD_BITS >= 80);
  assert.equal(await accounts.ensureFirstAdministrator(), undefined);

  const { principal, cookie } = await accounts.logins.withPassword('admin', oneTime, VISITOR);
  assert.equal(principal.state, 'change-password');
  await assert.rejects(accounts.logins.withPassword('admin', oneTime, VISITOR), code('ACCOUNT_LOGIN_FAILED'));
  await accounts.logins.changePassword(testContext, principal, { next: PASSWORD });
  assert.equal(accounts.authenticate(cookie)?.state, 'ok');
  assert.equal((await accounts.logins.withPassword('admin', PASSWORD, VISITOR)).principal.state, 'ok');
});

test('a one-time password used twice at the same moment lets one in', async () => {
  using env = openTestAccounts();
  const oneTime = (await env.accounts.ensureFirstAdministrator())!;
  const both = await Promise.allSettled([1, 2].map(() => env.accounts.logins.withPassword('admin', oneTime, VISITOR)));
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected']);
});

test('one-time passwords do not repeat', () => {
  const made = new Set(Array.from({ length: 1000 }, newOneTimePassword));
  assert.equal(made.size, 1000);
  for (const password of made) assert.match(password, /^([2-9A-HJKMNP-TV-Z]{4}-){4}[2-9A-HJKMNP-TV-Z]{4}$/);
});

test('an unknown name, a wrong password, a disabled and a locked account are answered alike', async () => {
  using env = openTestAccounts();
  await env.addUser('ann', PASSWORD);
  const disabled = await env.addUser('off', PASSWORD);
  env.accounts.users.change(testContext, disabled, { disabled: true });
  const answers: unknown[] = [];
  const attempt = async (name: string, password: string) =>
    assert.rejects(env.accounts.logins.withPassword(name, password, VISITOR), (error: AppError) => {
      answers.push([error.code, error.message, error.kind, error.retryAfterSeconds, error.params]);
      return true;
    });
  await attempt('nobody', PASSWORD);
  await attempt('ann', 'wrong');
  await attempt('off', PASSWORD);
  for (let i = 1; i < ATTEMPTS; i++) await attempt('ann', 'wrong');
  await attempt('ann', PASSWORD);
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
});

test('an account locks for a time that grows, and opens by time, unlock or reset', async () => {
  using env = openTestAccounts();
  const id = await env.addUser('ann', PASSWORD);
  const { logins, users } = env.accounts;
  const fail = () => assert.rejects(logins.withPassword('ann', 'wrong', VISITOR), code('ACCOUNT_LOGIN_FAILED'));
  const lockedForMs = () => (users.row(id).lockedUntilMs ?? env.clock.nowMs) - env.clock.nowMs;
  for (let i = 0; i < ATTEMPTS; i++) await fail();
  assert.equal(lockedForMs(), ACCOUNT_LOCK_FIRST_MS);
  await assert.rejects(logins.withPassword('ann', PASSWORD, VISITOR), code('ACCOUNT_LOGIN_FAILED'));
  assert.equal(lockedForMs(), ACCOUNT_LOCK_FIRST_MS, 'a try at a locked account does not lock it for longer');
  env.clock.nowMs += ACCOUNT_LOCK_FIRST_MS;
  await fail();
  assert.equal(lockedForMs(), 2 * ACCOUNT_LOCK_FIRST_MS);
  users.change(testContext, id, { unlock: true });
  assert.equal((await logins.withPassword('ann', PASSWORD, VISITOR)).principal.state, 'ok');
  assert.ok(env.auditCodes().includes('ACCOUNT_LOCKED') && env.auditCodes().includes('ACCOUNT_UNLOCKED'));
});

test('an address that fails too often waits, whatever the name; another address does not', async () => {
  using env = openTestAccounts();
  await env.addUser('ann', PASSWORD);
  for (let i = 0; i < ADDRESS_FAILURES_FREE; i++) env.accounts.logins.noteFailure(undefined, VISITOR.address, 'password');
  await assert.rejects(env.accounts.logins.withPassword('ann', PASSWORD, VISITOR), code('ACCOUNT_TOO_MANY_FAILURES'));
  await env.accounts.logins.withPassword('ann', PASSWORD, { ...VISITOR, address: '192.0.2.2' });
});

test('hashes run a bounded number at once; more than may wait are refused', async () => {
  const hasher = new PasswordHasher();
  const places = HASHES_AT_ONCE + HASHES_WAITING;
  const results = await Promise.allSettled(Array.from({ length: places + 3 }, () => hasher.verify(undefined, 'x')));
  const refused = results.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 3);
  assert.ok(refused.every((result) => result.status === 'rejected' && code('ACCOUNT_LOGIN_BUSY')(result.reason)));
  assert.equal(await hasher.verify(await hasher.hash('x'), 'x'), true);
});

test('a login session ends by its idle limit and by its absolute limit', async () => {
  using env = openTestAccounts();
  await env.addUser('ann', PASSWORD);
  const { accounts, clock, limits } = env;
  const idle = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  clock.nowMs += limits.idleMinutes * MINUTE_MS - 1;
  assert.ok(accounts.authenticate(idle.cookie));
  clock.nowMs += limits.idleMinutes * MINUTE_MS - 1;
  assert.ok(accounts.authenticate(idle.cookie), 'the request before counted');
  clock.nowMs += limits.idleMinutes * MINUTE_MS;
  assert.equal(accounts.authenticate(idle.cookie), undefined);

  const refreshing = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  clock.nowMs += limits.idleMinutes * MINUTE_MS - 1;
  assert.ok(accounts.authenticate(refreshing.cookie, true));
  clock.nowMs += 1;
  assert.equal(accounts.authenticate(refreshing.cookie), undefined, "a page's own refreshing is no sign of life");

  const { cookie, principal } = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const startMs = clock.nowMs;
  const ended: LoginSessionsEnded[] = [];
  accounts.onLoginSessionsEnded((event) => ended.push(event));
  while (clock.nowMs + 10 * MINUTE_MS < startMs + limits.maxHours * 60 * MINUTE_MS) {
    clock.nowMs += 10 * MINUTE_MS;
    assert.ok(accounts.authenticate(cookie));
    accounts.sessions.sweep();
  }
  clock.nowMs = startMs + limits.maxHours * 60 * MINUTE_MS;
  assert.equal(accounts.authenticate(cookie), undefined);
  accounts.sessions.sweep();
  assert.ok(ended.some(({ loginSessions }) => loginSessions.includes(principal.loginSession)));
});

test('a cookie is not in the database, and last-seen times are written once a turn', async () => {
  using env = openTestAccounts();
  await env.addUser('ann', PASSWORD);
  const { cookie } = await env.accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const stored = JSON.stringify(env.store.all('SELECT * FROM login_sessions'));
  assert.ok(!stored.includes(cookie));
  const before = env.auditCodes().length;
  for (let i = 0; i < 100; i++) env.accounts.authenticate(cookie);
  assert.equal(env.auditCodes().length, before);
  env.accounts.sessions.sweep();
  env.accounts.sessions.sweep();
  assert.equal(env.auditCodes().length, before + 1);
});

test('a one-time code works once, a step early or late, and its secret is stored wrapped', async () => {
  using env = openTestAccounts();
  const id = await env.addUser('ann', PASSWORD);
  const { accounts, clock } = env;
  const first = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  await assert.rejects(accounts.totp.begin(testContext, first.principal, 'wrong'), code('ACCOUNT_PASSWORD_WRONG'));
  const failures = () => env.store.get<{ failures: number }>('SELECT failures FROM accounts WHERE id = ?', id)?.failures;
  assert.equal(failures(), 1, 'a wrong password counts as a failed login');
  const { secret } = await accounts.totp.begin(testContext, first.principal, PASSWORD);
  const codeAt = (atMs: number) => new TOTP({ secret }).generate({ timestamp: atMs });
  assert.throws(() => accounts.totp.confirm(testContext, first.principal, '000000'), code('ACCOUNT_CODE_WRONG'));
  accounts.totp.confirm(testContext, first.principal, codeAt(clock.nowMs));
  const { wrapped } = env.store.get<{ wrapped: Uint8Array }>('SELECT totp_secret AS wrapped FROM accounts WHERE id = ?', id)!;
  assert.ok(!Buffer.from(wrapped).includes(Buffer.from(secret)));

  const pending = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  assert.equal(pending.principal.state, 'second-factor');
  const finish = (atMs: number) => accounts.totp.finishLogin(pending.principal, codeAt(atMs), VISITOR.address);
  assert.throws(() => finish(clock.nowMs), code('ACCOUNT_LOGIN_FAILED'), 'the code of the set-up was used');
  assert.throws(() => finish(clock.nowMs + 90_000), code('ACCOUNT_LOGIN_FAILED'), 'three steps early');
  clock.nowMs += 60_000;
  const done = finish(clock.nowMs + 30_000);
  assert.equal(done.principal.state, 'ok');
  assert.equal(accounts.authenticate(pending.cookie), undefined, 'the cookie of the half login is worth nothing now');
  assert.ok(accounts.authenticate(done.cookie));

  const again = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  assert.throws(
    () => accounts.totp.finishLogin(again.principal, codeAt(clock.nowMs + 30_000), VISITOR.address),
    code('ACCOUNT_LOGIN_FAILED'),
  );
  clock.nowMs += SECOND_FACTOR_WAIT_MS;
  assert.equal(accounts.authenticate(again.cookie), undefined, 'a login does not wait for ever for its second factor');
});

test('wrong codes lock the account even when the password is given again and again', async () => {
  using env = openTestAccounts();
  const id = await env.addUser('ann', PASSWORD);
  const { accounts } = env;
  const { principal } = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const { secret } = await accounts.totp.begin(testContext, principal, PASSWORD);
  accounts.totp.confirm(testContext, principal, new TOTP({ secret }).generate({ timestamp: env.clock.nowMs }));
  for (let i = 0; i < ATTEMPTS; i++) {
    const pending = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
    assert.throws(() => accounts.totp.finishLogin(pending.principal, '000000', VISITOR.address), code('ACCOUNT_LOGIN_FAILED'));
  }
  assert.notEqual(accounts.users.row(id).lockedUntilMs, null);
});

test('the command line removes a second factor: the password alone is enough again, logins end, and it is audited', async () => {
  using env = openTestAccounts();
  await env.addUser('ann', PASSWORD);
  const { accounts } = env;
  const { principal } = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const { secret } = await accounts.totp.begin(testContext, principal, PASSWORD);
  accounts.totp.confirm(testContext, principal, new TOTP({ secret }).generate({ timestamp: env.clock.nowMs }));
  const ended: LoginSessionsEnded[] = [];
  accounts.onLoginSessionsEnded((event) => ended.push(event));
  assert.equal((await accounts.logins.withPassword('ann', PASSWORD, VISITOR)).principal.state, 'second-factor');
  accounts.resetSecondFactor(testContext, ' Ann ');
  assert.equal((await accounts.logins.withPassword('ann', PASSWORD, VISITOR)).principal.state, 'ok');
  assert.equal(ended[0]?.loginSessions.length, 2);
  assert.ok(readAudit(env.store, { limit: 5 }).some((event) => event.code === 'ACCOUNT_SECOND_FACTOR_RESET'));
  assert.throws(() => accounts.resetSecondFactor(testContext, 'nobody'), code('ACCOUNT_UNKNOWN'));
});

const TYPED: ((made: string) => string)[] = [
  (made) => made,
  (made) => made.toLowerCase(),
  (made) => made.replaceAll('-', ''),
  (made) => ` ${made.replaceAll('-', '\u2013 ').toLowerCase()}\n`,
];
test('a one-time password fits however it was typed; another password only as it is', async () => {
  using env = openTestAccounts();
  const { accounts } = env;
  const id = await env.addUser('ann', PASSWORD);
  await assert.rejects(accounts.logins.withPassword('ann', PASSWORD.toUpperCase(), VISITOR), code('ACCOUNT_LOGIN_FAILED'));
  for (const typed of TYPED) {
    const made = await accounts.users.resetPassword(testContext, id);
    const mistyped = typed(`${made.slice(0, -1)}${made.endsWith('A') ? 'B' : 'A'}`);
    await assert.rejects(accounts.logins.withPassword('ann', mistyped, VISITOR), code('ACCOUNT_LOGIN_FAILED'));
    const login = await accounts.logins.withPassword('ann', typed(made), VISITOR);
    assert.equal(login.principal.state, 'change-password');
    await assert.rejects(
      accounts.logins.withPassword('ann', typed(made), VISITOR),
      code('ACCOUNT_LOGIN_FAILED'),
      'it works once',
    );
  }
});

test('password change, reset and disabling end login sessions, and say so', async () => {
  using env = openTestAccounts();
  const { accounts } = env;
  const id = await env.addUser('ann', PASSWORD);
  const ended: LoginSessionsEnded[] = [];
  accounts.onLoginSessionsEnded((event) => ended.push(event));
  const own = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const other = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  await assert.rejects(
    accounts.logins.changePassword(testContext, own.principal, { current: 'wrong', next: 'another long one' }),
    code('ACCOUNT_PASSWORD_WRONG'),
  );
  await assert.rejects(
    accounts.logins.changePassword(testContext, own.principal, { current: PASSWORD, next: PASSWORD }),
    code('ACCOUNT_PASSWORD_UNCHANGED'),
  );
  await accounts.logins.changePassword(testContext, own.principal, { current: PASSWORD, next: 'another long one' });
  assert.ok(accounts.authenticate(own.cookie));
  assert.equal(accounts.authenticate(other.cookie), undefined);
  assert.deepEqual(ended, [{ user: id, loginSessions: [other.principal.loginSession], disabled: false }]);

  const oneTime = await accounts.resetPassword(testContext, 'ann');
  assert.equal(accounts.authenticate(own.cookie), undefined);
  const again = await accounts.logins.withPassword('ann', oneTime, VISITOR);
  accounts.users.change(testContext, id, { disabled: true });
  assert.equal(accounts.authenticate(again.cookie), undefined);
  assert.equal(ended.at(-1)?.disabled, true);
  await assert.rejects(accounts.resetPassword(testContext, 'nobody'), code('ACCOUNT_UNKNOWN'));
});

test('nobody shuts out themselves or the last administrator', async () => {
  using env = openTestAccounts();
  const { users } = env.accounts;
  const ann = await env.addUser('ann', PASSWORD, 'administrator');
  const asAnn = { actor: { kind: 'user' as const, id: ann, name: 'ann' }, address: '' };
  for (const change of [{ disabled: true }, { role: 'user' as const }]) {
    assert.throws(() => users.change(asAnn, ann, change), code('ACCOUNT_OWN'));
    assert.throws(() => users.change(testContext, ann, change), code('ACCOUNT_LAST_ADMINISTRATOR'));
  }
  const bob = await env.addUser('bob', PASSWORD, 'administrator');
  users.change(testContext, ann, { role: 'user' });
  assert.throws(() => users.change(testContext, bob, { disabled: true }), code('ACCOUNT_LAST_ADMINISTRATOR'));
  await assert.rejects(users.create(testContext, { name: 'bob', displayName: '', role: 'user' }), code('ACCOUNT_NAME_TAKEN'));
});

test('box administrators are administrators', async () => {
  using env = openTestAccounts('boxAdministrator');
  await assert.rejects(
    env.accounts.users.create(testContext, { name: 'ann', displayName: '', role: 'user' }),
    code('ACCOUNT_ROLE_UNKNOWN'),
  );
  await env.accounts.ensureFirstAdministrator();
  assert.match(env.accounts.users.list()[0]!.id, /^box_/);
});

test('refusals are in the audit at a bounded rate', () => {
  using env = openTestAccounts();
  const context = { actor: { kind: 'user' as const, id: 'usr_1', name: 'ann' }, address: '' };
  for (let i = 0; i < 100; i++) env.accounts.noteAccessRefused(context, { action: 'users.manage', what: 'GET /users' });
  const count = env.auditCodes().filter((name) => name === 'ACCESS_REFUSED').length;
  assert.ok(count >= 1 && count <= 5, String(count));
});

test('logins without their second factor never push out whole ones, and end when the last factor is removed', async () => {
  using test = openTestAccounts();
  const { accounts, clock } = test;
  await test.addUser('ada', 'correct horse battery');
  const owner = await accounts.logins.withPassword('ada', 'correct horse battery', VISITOR);
  const { uri } = await accounts.totp.begin(testContext, owner.principal, 'correct horse battery');
  const secret = new URL(uri).searchParams.get('secret')!;
  accounts.totp.confirm(
    testContext,
    owner.principal,
    TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: clock.nowMs }),
  );
  const pending: { cookie: string }[] = [];
  for (let count = 0; count < 55; count += 1) {
    clock.nowMs += 1000;
    pending.push(await accounts.logins.withPassword('ada', 'correct horse battery', VISITOR));
  }
  assert.ok(accounts.authenticate(owner.cookie), 'the whole login is still there');
  const alive = () => pending.filter(({ cookie }) => accounts.authenticate(cookie) !== undefined);
  assert.deepEqual(alive(), pending.slice(-PENDING_LOGINS_LIMIT));
  await accounts.totp.remove(testContext, owner.principal, 'correct horse battery');
  assert.deepEqual(alive(), []);
  assert.ok(accounts.authenticate(owner.cookie));
});

test('a second factor that no key here opens refuses the login with a reason, locks nobody, and can be reset', async () => {
  using test = openTestAccounts();
  const { accounts, clock } = test;
  const id = await test.addUser('ada', PASSWORD);
  const owner = await accounts.logins.withPassword('ada', PASSWORD, VISITOR);
  const { secret } = await accounts.totp.begin(testContext, owner.principal, PASSWORD);
  const codeNow = () => new TOTP({ secret }).generate({ timestamp: clock.nowMs });
  accounts.totp.confirm(testContext, owner.principal, codeNow());
  const read = () =>
    test.store.get<{ wrapped: Uint8Array; failures: number }>(
      'SELECT totp_secret AS wrapped, failures FROM accounts WHERE id = ?',
      id,
    )!;
  const lost = openKeyWrap(join(test.directory, 'lost.key')).wrap(Buffer.from('lost'), `totp/${id}`);
  test.store.transact(testContext, { code: 'TEST_KEY_LOST', summary: '', details: {} }, (tx) =>
    tx.run('UPDATE accounts SET totp_secret = ? WHERE id = ?', lost, id),
  );
  clock.nowMs += 60_000;
  const pending = await accounts.logins.withPassword('ada', PASSWORD, VISITOR);
  for (let tries = 0; tries < 20; tries += 1)
    assert.throws(
      () => accounts.totp.finishLogin(pending.principal, codeNow(), VISITOR.address),
      code('ACCOUNT_SECOND_FACTOR_UNREADABLE'),
    );
  assert.equal(read().failures, 0);
  assert.equal(test.auditCodes().filter((one) => one === 'ACCOUNT_SECOND_FACTOR_UNREADABLE').length, 3, 'not without limit');
  accounts.resetSecondFactor(testContext, 'ada');
  const again = await accounts.logins.withPassword('ada', PASSWORD, VISITOR);
  assert.equal(again.principal.state, 'ok');
});
