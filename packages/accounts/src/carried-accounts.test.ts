import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Store } from '@bascule/store/store.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { accountMigrations } from './accounts.ts';
import { carriedLoginMigrations, carryLogins, copyAccounts, raiseSteps, usedSteps } from './carried-accounts.ts';
import { openTestAccounts, VISITOR } from './testing.ts';

const tested = defineAuditEvent('CARRIED_ACCOUNTS_TESTED', 'A test changed a row');
const PASSWORD = 'a good long password';

/** A primary with the user ann, and a backup that has her account, where she has logged in too. */
async function openPair() {
  const primary = openTestAccounts();
  const id = await primary.addUser('ann', PASSWORD);
  const backup = openTestStore([...accountMigrations, ...carriedLoginMigrations], {});
  copyAccounts(primary.store, backup.store);
  logIn(backup.store, id);
  return {
    primary,
    backup: backup.store,
    id,
    logins: () => backup.store.all('SELECT id FROM login_sessions').length,
    [Symbol.dispose]() {
      backup[Symbol.dispose]();
      primary[Symbol.dispose]();
    },
  };
}

function stepOf(store: Store, account: string): number | undefined {
  return store.get<{ step: number }>('SELECT totp_last_step AS step FROM accounts WHERE id = ?', account)?.step;
}

function logIn(store: Store, account: string): void {
  store.transact(testContext, tested({}), (tx) =>
    tx.run(
      `INSERT INTO login_sessions (id, account_id, token_sha256, second_factor_done, created_at_ms, last_seen_at_ms, address, user_agent)
       VALUES ('own', ?, 'abc', 1, 1, 1, '', '')`,
      account,
    ),
  );
}

test('another password at the primary ends logins at the backup, also when the first try of copying was cut', async () => {
  using pair = await openPair();
  const { primary, backup, id, logins } = pair;
  copyAccounts(primary.store, backup);
  assert.equal(logins(), 1, 'nothing has changed');
  const { principal } = await primary.accounts.logins.withPassword('ann', PASSWORD, VISITOR);
  await primary.accounts.logins.changePassword(testContext, principal, { current: PASSWORD, next: 'another long password' });
  // Cut behind its first transaction, whatever that is.
  const transact = backup.transact.bind(backup);
  let left = 1;
  backup.transact = ((...args: Parameters<typeof transact>) => {
    if (left-- <= 0) throw new Error('cut');
    return transact(...args);
  }) as typeof backup.transact;
  assert.throws(() => copyAccounts(primary.store, backup), /cut/);
  backup.transact = transact;
  copyAccounts(primary.store, backup);
  assert.equal(logins(), 0);
  const hash = (store: Store) => store.get('SELECT password_hash FROM accounts WHERE id = ?', id);
  assert.deepEqual(hash(backup), hash(primary.store));
});

test('a code that was used at the backup is not good once more when it has become primary', async () => {
  using pair = await openPair();
  const { primary, backup, id } = pair;
  const step = (store: Store, value: number) =>
    store.transact(testContext, tested({}), (tx) => tx.run('UPDATE accounts SET totp_last_step = ? WHERE id = ?', value, id));
  step(primary.store, 50);
  step(backup, 60);
  assert.equal(await carryLogins(backup, primary.store), 1);
  assert.equal(stepOf(primary.store, id), 60);
  step(primary.store, 70);
  await carryLogins(backup, primary.store);
  assert.equal(stepOf(primary.store, id), 70);
});

test('a one-time code that was used at the backup is used at the primary too, and no mark is ever lowered', async () => {
  using pair = await openPair();
  const { primary, backup, id } = pair;
  const set = (store: Store, step: number) =>
    store.transact(testContext, tested({}), (tx) => tx.run('UPDATE accounts SET totp_last_step = ? WHERE id = ?', step, id));
  set(backup, 100);
  assert.deepEqual(usedSteps(backup, 101, 50), []);
  assert.equal(raiseSteps(primary.store, usedSteps(backup, 99, 50)), 1);
  assert.equal(stepOf(primary.store, id), 100);
  set(primary.store, 105);
  assert.equal(
    raiseSteps(primary.store, [
      [id, 100],
      ['of nobody', 200],
    ]),
    0,
  );
  assert.equal(stepOf(primary.store, id), 105);
});
