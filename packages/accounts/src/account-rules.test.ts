import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret, TOTP } from 'otpauth';
import { testContext } from '@bascule/store/testing.ts';
import { openTestAccounts, VISITOR } from './testing.ts';

const DAY_MS = 24 * 60 * 60_000;
const FIRST = 'the first long password';

describe('rules for accounts', () => {
  it('lock after as many failures as they say, for at most as long as they say', async () => {
    using test = openTestAccounts();
    const { accounts, rules, clock } = test;
    await test.addUser('ann', FIRST);
    rules.lockOut = { attempts: 3, longestMinutes: 1 };
    const lockedForMs = (): number => (accounts.users.list()[0]?.lockedUntilMs ?? clock.nowMs) - clock.nowMs;
    for (const lockMs of [0, 0, 30_000, 60_000, 60_000]) {
      await assert.rejects(accounts.logins.withPassword('ann', 'wrong', VISITOR), { code: 'ACCOUNT_LOGIN_FAILED' });
      assert.equal(lockedForMs(), lockMs);
      clock.nowMs += lockMs;
    }
  });

  it('refuse a short password, and one of the last ones', async () => {
    using test = openTestAccounts();
    const { accounts, rules, clock } = test;
    await test.addUser('ann', FIRST);
    rules.passwords = { minCharacters: 20, history: 2, expiryDays: null };
    const { principal } = await accounts.logins.withPassword('ann', FIRST, VISITOR);
    let current = FIRST;
    const change = async (next: string): Promise<void> => {
      await accounts.logins.changePassword(testContext, principal, { current, next });
      current = next;
      clock.nowMs += 1;
    };
    await assert.rejects(change('nineteen characters'), { code: 'ACCOUNT_PASSWORD_SHORT', params: { least: 20 } });
    await change('the second long password');
    await assert.rejects(change(FIRST), { code: 'ACCOUNT_PASSWORD_FORMER' });
    await change('the third long password');
    await change('the fourth long password');
    await assert.rejects(change('the second long password'), { code: 'ACCOUNT_PASSWORD_FORMER' });
    await change(FIRST);
    rules.passwords.history = 0;
    await change('the fourth long password');
    assert.deepEqual(test.store.all('SELECT * FROM former_passwords'), []);
  });

  it('remember what an administrator’s reset has replaced, and no one-time password', async () => {
    using test = openTestAccounts();
    const { accounts, rules } = test;
    const id = await test.addUser('ann', FIRST);
    rules.passwords.history = 5;
    const oneTime = await accounts.users.resetPassword(testContext, id);
    const { principal } = await accounts.logins.withPassword('ann', oneTime, VISITOR);
    await assert.rejects(accounts.logins.changePassword(testContext, principal, { next: FIRST }), {
      code: 'ACCOUNT_PASSWORD_FORMER',
    });
    await accounts.logins.changePassword(testContext, principal, { next: 'the second long password' });
    assert.equal(test.store.all('SELECT * FROM former_passwords').length, 1);
  });

  it('have a password changed that is too old, the present one given again', async () => {
    using test = openTestAccounts();
    const { accounts, rules, clock } = test;
    await test.addUser('ann', FIRST);
    rules.passwords.expiryDays = 90;
    clock.nowMs += 90 * DAY_MS - 1;
    const before = await accounts.logins.withPassword('ann', FIRST, VISITOR);
    assert.equal(before.principal.state, 'ok');
    clock.nowMs += 1;
    const { state } = accounts.authenticate(before.cookie)!;
    assert.equal(state, 'change-password');
    const next = 'the second long password';
    await assert.rejects(accounts.logins.changePassword(testContext, before.principal, { next }), {
      code: 'ACCOUNT_PASSWORD_WRONG',
    });
    await accounts.logins.changePassword(testContext, before.principal, { current: FIRST, next });
    assert.equal(accounts.authenticate(before.cookie)?.state, 'ok');
  });

  it('have administrators set up a second factor before anything else works, and others not', async () => {
    using test = openTestAccounts();
    const { accounts, rules, clock } = test;
    await test.addUser('ada', FIRST, 'administrator');
    await test.addUser('ann', FIRST);
    rules.secondFactorRequired = true;
    const logIn = (name: string) => accounts.logins.withPassword(name, FIRST, VISITOR);
    assert.equal((await logIn('ann')).principal.state, 'ok');
    const { principal, cookie } = await logIn('ada');
    assert.equal(principal.state, 'set-up-factor');
    const { secret } = await accounts.totp.begin(testContext, principal, FIRST);
    accounts.totp.confirm(
      testContext,
      principal,
      new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: clock.nowMs }),
    );
    assert.equal(accounts.authenticate(cookie)?.state, 'ok');
    await accounts.totp.remove(testContext, principal, FIRST);
    assert.equal(accounts.authenticate(cookie)?.state, 'set-up-factor');
  });
});
