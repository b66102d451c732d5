/** Accounts and login sessions of the primary at its backup: copies, so that people log in there without a write into site.db (docs/decisions/0200). */
import { copyRows } from '@bascule/store/copy-rows.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { unionRows } from '@bascule/store/history-union.ts';
import { SYSTEM, type Reader, type Store } from '@bascule/store/store.ts';
import type { Migration } from '@bascule/store/store.ts';

/** Tables of accounts that a backup has copies of. */
export const COPIED_TABLES = ['accounts', 'passkeys', 'api_tokens'];
export const LOGIN_TABLE = 'login_sessions';
/** What counts here what happened here: failed logins, and codes and signatures that were used, which are good once. */
const KEPT = {
  accounts: ['failures', 'locked_until_ms', 'last_login_at_ms', 'totp_last_step'],
  passkeys: ['counter', 'last_used_at_ms'],
};

const usedNoted = defineAuditEvent<{ rows: number }>(
  'ACCOUNT_USED_NOTED',
  'Noted what {rows:second factor,second factors} was used for elsewhere',
  {
    housekeeping: true,
  },
);
const loginsEnded = defineAuditEvent<{ count: number }>(
  'ACCOUNT_COPIES_LOGGED_OUT',
  'Ended {count:login session,login sessions} here: their accounts were changed at the primary',
);
const loginsCopied = defineAuditEvent<{ added: number; removed: number }>(
  'ACCOUNT_LOGINS_COPIED',
  'Followed the login sessions of the primary: {added} more, {removed} less',
  { housekeeping: true },
);

/** The table in which a backup keeps which of its login sessions are the primary's; version 19, of pair.db alone. */
export const carriedLoginMigrations: Migration[] = [
  {
    version: 19,
    name: 'carried logins',
    up: `
      CREATE TABLE carried_logins (
        id TEXT PRIMARY KEY NOT NULL
      ) STRICT;
    `,
  },
];

interface Guard {
  id: string;
  passwordHash: string;
  disabled: number;
}
const GUARDS = 'SELECT id, password_hash AS passwordHash, disabled FROM accounts';

/**
 * Makes the accounts of `to` those of `from`, but for what counts failed logins and used codes at `to`. Who got another password, or was disabled, is logged out at `to`. Throws as
 * `transact`.
 */
export function copyAccounts(from: Reader, to: Store): void {
  // First: after a cut between the two nothing would tell any more who is to be logged out.
  logOut(to, lockedOut(from, to));
  copyRows(from, to, COPIED_TABLES, KEPT);
  raiseUsed(from, to);
}

function lockedOut(from: Reader, to: Reader): string[] {
  const here = new Map(to.all<Guard>(GUARDS).map((guard) => [guard.id, guard]));
  return from
    .all<Guard>(GUARDS)
    .filter(({ id, passwordHash, disabled }) => {
      const own = here.get(id);
      return own !== undefined && (own.passwordHash !== passwordHash || (disabled === 1 && own.disabled === 0));
    })
    .map(({ id }) => id);
}

/** What was used at the primary is used here too: a code or signature is good once, wherever. */
function raiseUsed(from: Reader, to: Store): void {
  const steps = later(from, to, 'accounts', 'totp_last_step');
  const counters = later(from, to, 'passkeys', 'counter');
  if (steps.length + counters.length === 0) return;
  to.transact(SYSTEM, usedNoted({ rows: steps.length + counters.length }), (tx) => {
    for (const { id, value } of steps) tx.run('UPDATE accounts SET totp_last_step = ? WHERE id = ?', value, id);
    for (const { id, value } of counters) tx.run('UPDATE passkeys SET counter = ? WHERE id = ?', value, id);
  });
}

/** Which one-time codes were used here: account and time step, of steps from `fromStep` on; the newest `limit`. */
export function usedSteps(reader: Reader, fromStep: number, limit: number): [account: string, step: number][] {
  return reader
    .all<{
      id: string;
      step: number;
    }>(
      'SELECT id, totp_last_step AS step FROM accounts WHERE totp_last_step >= ? ORDER BY totp_last_step DESC LIMIT ?',
      fromStep,
      limit,
    )
    .map(({ id, step }) => [id, step]);
}

/** What was used at the backup is used at the primary too. Returns how many codes that were good here until now are so no more. */
export function raiseSteps(to: Store, used: readonly (readonly [account: string, step: number])[]): number {
  const last = (id: string) => to.get<{ step: number }>('SELECT totp_last_step AS step FROM accounts WHERE id = ?', id)?.step;
  const higher = used.filter(([id, step]) => step > (last(id) ?? step));
  if (higher.length === 0) return 0;
  to.transact(SYSTEM, usedNoted({ rows: higher.length }), (tx) => {
    for (const [id, step] of higher) tx.run('UPDATE accounts SET totp_last_step = ? WHERE id = ?', step, id);
  });
  return higher.length;
}

function later(
  from: Reader,
  to: Reader,
  table: 'accounts' | 'passkeys',
  column: 'totp_last_step' | 'counter',
): { id: string; value: number }[] {
  const values = (reader: Reader) => reader.all<{ id: string; value: number }>(`SELECT id, ${column} AS value FROM ${table}`);
  const here = new Map(values(to).map(({ id, value }) => [id, value]));
  return values(from).filter(({ id, value }) => value > (here.get(id) ?? value));
}

function logOut(store: Store, accounts: string[]): void {
  const ids = accounts.flatMap((account) =>
    store.all<{ id: string }>('SELECT id FROM login_sessions WHERE account_id = ?', account).map(({ id }) => id),
  );
  if (ids.length === 0) return;
  store.transact(SYSTEM, loginsEnded({ count: ids.length }), (tx) => {
    for (const id of ids) tx.run('DELETE FROM login_sessions WHERE id = ?', id);
  });
}

interface Login {
  id: string;
  accountId: string;
  tokenSha256: string;
  secondFactorDone: number;
  createdAtMs: number;
  lastSeenAtMs: number;
  address: string;
  userAgent: string;
}
const LOGINS = `SELECT id, account_id AS accountId, token_sha256 AS tokenSha256, second_factor_done AS secondFactorDone, created_at_ms AS createdAtMs,
  last_seen_at_ms AS lastSeenAtMs, address, user_agent AS userAgent FROM login_sessions`;

/** Whoever is logged in at the primary (`from`) is so at the backup (`to`, with `carriedLoginMigrations`), and whoever is not any more neither; logins of the backup's own stay. */
export function followLogins(from: Reader, to: Store): void {
  const theirs = new Map(from.all<Login>(LOGINS).map((login) => [login.id, login]));
  const carried = new Set(to.all<{ id: string }>('SELECT id FROM carried_logins').map(({ id }) => id));
  const here = new Set(to.all<{ id: string }>('SELECT id FROM login_sessions').map(({ id }) => id));
  const added = [...theirs.values()].filter(({ id }) => !carried.has(id) && !here.has(id));
  const removed = [...carried].filter((id) => !theirs.has(id));
  if (added.length + removed.length === 0) return;
  to.transact(SYSTEM, loginsCopied({ added: added.length, removed: removed.length }), (tx) => {
    for (const id of removed) {
      tx.run('DELETE FROM login_sessions WHERE id = ?', id);
      tx.run('DELETE FROM carried_logins WHERE id = ?', id);
    }
    for (const login of added) {
      tx.run(
        `INSERT INTO login_sessions (id, account_id, token_sha256, second_factor_done, created_at_ms, last_seen_at_ms, address, user_agent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        login.id,
        login.accountId,
        login.tokenSha256,
        login.secondFactorDone,
        login.createdAtMs,
        login.lastSeenAtMs,
        login.address,
        login.userAgent,
      );
      tx.run('INSERT INTO carried_logins (id) VALUES (?) ON CONFLICT DO NOTHING', login.id);
    }
  });
}

/**
 * The backup became primary: who is logged in at it (`from`) is so at the site (`to`), and a code or signature that was used there is not good once more. Resolves with how many
 * login sessions went over.
 */
export async function carryLogins(from: Reader, to: Store): Promise<number> {
  raiseUsed(from, to);
  return await unionRows(to, SYSTEM, from, [LOGIN_TABLE]);
}
