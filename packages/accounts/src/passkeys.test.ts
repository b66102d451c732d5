import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { testContext } from '@bascule/store/testing.ts';
import { CHALLENGE_LIFE_MS, CHALLENGES_LIMIT, CHALLENGES_PER_ADDRESS_LIMIT, PasskeyChallenges } from './passkey-challenges.ts';
import { SoftAuthenticator } from './soft-authenticator.ts';
import { openTestAccounts, VISITOR } from './testing.ts';

const PASSWORD = 'correct horse battery';
const SITE = { origin: 'https://bascule.example:8443', hostName: 'bascule.example' };
const code = (expected: string) => (error: unknown) => error instanceof AppError && error.code === expected;
const failed = code('ACCOUNT_PASSKEY_FAILED');

/** Ann, with a password and a passkey. */
async function withPasskey(env: ReturnType<typeof openTestAccounts>) {
  const { accounts } = env;
  const id = await env.addUser('ann', PASSWORD);
  const { principal } = await accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  const key = new SoftAuthenticator();
  const options = await accounts.passkeys.beginAdding(testContext, principal, PASSWORD, SITE);
  await accounts.passkeys.finishAdding(
    testContext,
    principal,
    { name: 'laptop', response: key.create(options, SITE.origin) },
    SITE,
  );
  return { id, principal, key };
}

test('a passkey that verified the person is a whole login', async () => {
  using env = openTestAccounts();
  const { key, id, principal } = await withPasskey(env);
  const { passkeys } = env.accounts;
  const { principal: entered } = await passkeys.finishLogin(
    undefined,
    key.get(await passkeys.beginLogin(undefined, '', SITE), SITE.origin),
    VISITOR,
    SITE,
  );
  assert.deepEqual([entered.id, entered.state], [id, 'ok']);
  assert.deepEqual(
    passkeys.own(principal).map(({ name, lastUsedAtMs }) => [name, lastUsedAtMs]),
    [['laptop', env.clock.nowMs]],
  );
});

test('without verification of the person it is no login of its own, but a second factor', async () => {
  using env = openTestAccounts();
  const { key } = await withPasskey(env);
  const { passkeys, logins } = env.accounts;
  key.verifies = false;
  await assert.rejects(
    passkeys.finishLogin(undefined, key.get(await passkeys.beginLogin(undefined, '', SITE), SITE.origin), VISITOR, SITE),
    failed,
  );
  const pending = await logins.withPassword('ann', PASSWORD, VISITOR);
  assert.equal(pending.principal.state, 'second-factor');
  const options = await passkeys.beginLogin(pending.principal, '', SITE);
  const done = await passkeys.finishLogin(pending.principal, key.get(options, SITE.origin), VISITOR, SITE);
  assert.equal(done.principal.state, 'ok');
});

test('a challenge works once, for a while, and only for what it was made for', async () => {
  using env = openTestAccounts();
  const { key } = await withPasskey(env);
  const { passkeys, logins } = env.accounts;
  const answer = key.get(await passkeys.beginLogin(undefined, '', SITE), SITE.origin);
  await passkeys.finishLogin(undefined, answer, VISITOR, SITE);
  await assert.rejects(passkeys.finishLogin(undefined, answer, VISITOR, SITE), failed, 'replayed');

  const late = key.get(await passkeys.beginLogin(undefined, '', SITE), SITE.origin);
  env.clock.nowMs += CHALLENGE_LIFE_MS;
  await assert.rejects(passkeys.finishLogin(undefined, late, VISITOR, SITE), failed, 'too late');

  const own = await logins.withPassword('ann', PASSWORD, VISITOR);
  const other = await logins.withPassword('ann', PASSWORD, VISITOR);
  const second = key.get(await passkeys.beginLogin(own.principal, '', SITE), SITE.origin);
  await assert.rejects(passkeys.finishLogin(other.principal, second, VISITOR, SITE), failed, 'of another login session');
  const again = key.get(await passkeys.beginLogin(own.principal, '', SITE), SITE.origin);
  await assert.rejects(passkeys.finishLogin(undefined, again, VISITOR, SITE), failed, 'as a login of its own');
});

test('another origin, another key, a counter that went back and a shut account are refused', async () => {
  using env = openTestAccounts();
  const { key, id } = await withPasskey(env);
  const { passkeys, users } = env.accounts;
  const finish = async (make: (options: object) => Record<string, unknown>) =>
    passkeys.finishLogin(undefined, make(await passkeys.beginLogin(undefined, '', SITE)), VISITOR, SITE);
  await assert.rejects(
    finish((options) => key.get(options, 'https://evil.example')),
    failed,
  );
  const stranger = new SoftAuthenticator();
  await assert.rejects(
    finish((options) => ({ ...stranger.get(options, SITE.origin), id: Buffer.from(key.id).toString('base64url') })),
    failed,
  );
  await finish((options) => key.get(options, SITE.origin));
  key.counter -= 2;
  await assert.rejects(
    finish((options) => key.get(options, SITE.origin)),
    failed,
  );
  key.counter += 10;
  await assert.rejects(
    finish(() => ({ nonsense: true })),
    failed,
  );
  users.change(testContext, id, { unlock: true, disabled: true });
  await assert.rejects(
    finish((options) => key.get(options, SITE.origin)),
    failed,
  );
});

test('adding and removing take the password; addresses are no names', async () => {
  using env = openTestAccounts();
  const { principal, key } = await withPasskey(env);
  const { passkeys } = env.accounts;
  await assert.rejects(passkeys.beginAdding(testContext, principal, 'wrong', SITE), code('ACCOUNT_PASSWORD_WRONG'));
  await assert.rejects(
    passkeys.beginAdding(testContext, principal, PASSWORD, { ...SITE, hostName: '192.0.2.1' }),
    code('ACCOUNT_PASSKEY_NEEDS_NAME'),
  );
  const options = await passkeys.beginAdding(testContext, principal, PASSWORD, SITE);
  const twice = { name: 'again', response: key.create(options, SITE.origin) };
  await assert.rejects(passkeys.finishAdding(testContext, principal, twice, SITE), code('ACCOUNT_PASSKEY_REFUSED'));
  const [row] = passkeys.own(principal);
  await assert.rejects(passkeys.remove(testContext, principal, row!.id, 'wrong'), code('ACCOUNT_PASSWORD_WRONG'));
  await passkeys.remove(testContext, principal, row!.id, PASSWORD);
  assert.deepEqual(passkeys.own(principal), []);
});

test('challenges are bounded; who opens many loses their own', () => {
  let nowMs = 0;
  const challenges = new PasskeyChallenges(() => nowMs);
  const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  const others = textOf(challenges.make({ kind: 'login' }, '192.0.2.1'));
  const first = textOf(challenges.make({ kind: 'login' }, '192.0.2.2'));
  for (let i = 0; i < CHALLENGES_PER_ADDRESS_LIMIT; i++) challenges.make({ kind: 'login' }, '192.0.2.2');
  assert.equal(challenges.take(first), undefined);
  assert.deepEqual(challenges.take(others), { kind: 'login' });
  const fill = () => {
    for (let i = 0; i <= CHALLENGES_LIMIT; i++) challenges.make({ kind: 'login' }, `10.0.${i >> 8}.${i & 255}`);
  };
  assert.throws(fill, code('ACCOUNT_CHALLENGES_LIMIT'));
  nowMs += CHALLENGE_LIFE_MS + 1;
  challenges.make({ kind: 'login' }, '192.0.2.9');
});
