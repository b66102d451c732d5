/** All SQL of accounts. */
import { uuidv7 } from '@bascule/core/ids.ts';
import type { Role } from '@bascule/protocol/api/auth.ts';
import type { Language } from '@bascule/protocol/api/common.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';

export interface AccountRow {
  id: string;
  name: string;
  displayName: string;
  role: Role;
  language: Language;
  /** 0 until the person has chosen a language. */
  languageChosen: number;
  disabled: number;
  /** Empty: no password fits (a one-time password that was used). */
  passwordHash: string;
  mustChangePassword: number;
  /** Null: before this was noted. */
  passwordChangedAtMs: number | null;
  failures: number;
  lockedUntilMs: number | null;
  totpSecret: Uint8Array | null;
  totpLastStep: number;
  createdAtMs: number;
  lastLoginAtMs: number | null;
  passkeys: number;
}

export interface SessionRow {
  id: string;
  accountId: string;
  secondFactorDone: number;
  createdAtMs: number;
  lastSeenAtMs: number;
  address: string;
  userAgent: string;
}

export interface PasskeyRow {
  id: string;
  accountId: string;
  credentialId: string;
  publicKey: Uint8Array;
  counter: number;
  transports: string;
  name: string;
  createdAtMs: number;
  lastUsedAtMs: number | null;
}

const ACCOUNT = `SELECT id, name, display_name AS displayName, role, language, language_chosen AS languageChosen, disabled, password_hash AS passwordHash,
  must_change_password AS mustChangePassword, password_changed_at_ms AS passwordChangedAtMs, failures, locked_until_ms AS lockedUntilMs, totp_secret AS totpSecret, totp_last_step AS totpLastStep,
  created_at_ms AS createdAtMs, last_login_at_ms AS lastLoginAtMs,
  (SELECT count(*) FROM passkeys WHERE account_id = accounts.id) AS passkeys FROM accounts`;
const SESSION = `SELECT id, account_id AS accountId, second_factor_done AS secondFactorDone, created_at_ms AS createdAtMs,
  last_seen_at_ms AS lastSeenAtMs, address, user_agent AS userAgent FROM login_sessions`;
const PASSKEY = `SELECT id, account_id AS accountId, credential_id AS credentialId, public_key AS publicKey, counter, transports, name,
  created_at_ms AS createdAtMs, last_used_at_ms AS lastUsedAtMs FROM passkeys`;

export const accountById = (reader: Reader, id: string) => reader.get<AccountRow>(`${ACCOUNT} WHERE id = ?`, id);
export const accountByName = (reader: Reader, name: string) => reader.get<AccountRow>(`${ACCOUNT} WHERE name = ?`, name);
export const allAccounts = (reader: Reader) => reader.all<AccountRow>(`${ACCOUNT} ORDER BY name`);
export const countAccounts = (reader: Reader) =>
  reader.get<{ count: number }>('SELECT count(*) AS count FROM accounts')?.count ?? 0;

/** How many administrators may log in, apart from `exceptId`. */
export function countOtherAdministrators(reader: Reader, exceptId: string): number {
  const sql = "SELECT count(*) AS count FROM accounts WHERE role = 'administrator' AND disabled = 0 AND id <> ?";
  return reader.get<{ count: number }>(sql, exceptId)?.count ?? 0;
}

export function insertAccount(
  tx: Tx,
  row: Pick<AccountRow, 'id' | 'name' | 'displayName' | 'role' | 'passwordHash' | 'createdAtMs'>,
): void {
  tx.run(
    `INSERT INTO accounts (id, name, display_name, role, language, disabled, password_hash, must_change_password, failures, totp_last_step, created_at_ms)
     VALUES (?, ?, ?, ?, 'en', 0, ?, 1, 0, 0, ?)`,
    row.id,
    row.name,
    row.displayName,
    row.role,
    row.passwordHash,
    row.createdAtMs,
  );
}

export function updateProfile(tx: Tx, id: string, row: Pick<AccountRow, 'displayName' | 'role' | 'language' | 'disabled'>): void {
  const sql = 'UPDATE accounts SET display_name = ?, role = ?, language = ?, disabled = ? WHERE id = ?';
  tx.run(sql, row.displayName, row.role, row.language, row.disabled, id);
}

/** The language that the person has chosen. */
export function updateLanguage(tx: Tx, id: string, language: Language): void {
  tx.run('UPDATE accounts SET language = ?, language_chosen = 1 WHERE id = ?', language, id);
}

/** Sets the password and forgets failures and lock. */
export function updatePassword(tx: Tx, id: string, passwordHash: string, mustChange: boolean, nowMs: number): void {
  const sql =
    'UPDATE accounts SET password_hash = ?, must_change_password = ?, password_changed_at_ms = ?, failures = 0, locked_until_ms = NULL WHERE id = ?';
  tx.run(sql, passwordHash, mustChange ? 1 : 0, nowMs, id);
}

/** Keeps the hash of the password that `account` chose and now gives up, and of those before it the newest, `most` together; one-time passwords are none. */
export function keepFormerPassword(tx: Tx, account: AccountRow, most: number, nowMs: number): void {
  if (most > 0 && account.mustChangePassword === 0 && account.passwordHash !== '')
    tx.run(
      'INSERT INTO former_passwords (id, account_id, password_hash) VALUES (?, ?, ?)',
      uuidv7(nowMs),
      account.id,
      account.passwordHash,
    );
  for (const { id } of formerPasswords(tx, account.id).slice(most)) tx.run('DELETE FROM former_passwords WHERE id = ?', id);
}

/** Of passwords that the account had, the newest first. */
export const formerPasswords = (reader: Reader, accountId: string) =>
  reader.all<{ id: string; passwordHash: string }>(
    'SELECT id, password_hash AS passwordHash FROM former_passwords WHERE account_id = ? ORDER BY id DESC',
    accountId,
  );

/** Takes back a one-time password that has just been used; false when it was used meanwhile. */
export function spendPassword(tx: Tx, id: string, passwordHash: string): boolean {
  return tx.run("UPDATE accounts SET password_hash = '' WHERE id = ? AND password_hash = ?", id, passwordHash).changes === 1;
}

export function updateFailures(tx: Tx, id: string, failures: number, lockedUntilMs: number | null): void {
  tx.run('UPDATE accounts SET failures = ?, locked_until_ms = ? WHERE id = ?', failures, lockedUntilMs, id);
}

export function noteLogin(tx: Tx, id: string, nowMs: number): void {
  tx.run('UPDATE accounts SET failures = 0, locked_until_ms = NULL, last_login_at_ms = ? WHERE id = ?', nowMs, id);
}

export function updateTotp(tx: Tx, id: string, wrappedSecret: Uint8Array | null, lastStep: number): void {
  tx.run('UPDATE accounts SET totp_secret = ?, totp_last_step = ? WHERE id = ?', wrappedSecret, lastStep, id);
}

/** Marks a time step as used; false when it, or a later one, was used before. */
export function spendTotpStep(tx: Tx, id: string, step: number): boolean {
  return tx.run('UPDATE accounts SET totp_last_step = ? WHERE id = ? AND totp_last_step < ?', step, id, step).changes === 1;
}

export const sessionByToken = (reader: Reader, tokenSha256: string) =>
  reader.get<SessionRow>(`${SESSION} WHERE token_sha256 = ?`, tokenSha256);
export const sessionById = (reader: Reader, id: string) => reader.get<SessionRow>(`${SESSION} WHERE id = ?`, id);
export const sessionsOf = (reader: Reader, accountId: string) =>
  reader.all<SessionRow>(`${SESSION} WHERE account_id = ? ORDER BY last_seen_at_ms DESC, id DESC`, accountId);
export const allSessions = (reader: Reader) => reader.all<SessionRow>(SESSION);

export function insertSession(tx: Tx, row: SessionRow, tokenSha256: string): void {
  tx.run(
    `INSERT INTO login_sessions (id, account_id, token_sha256, second_factor_done, created_at_ms, last_seen_at_ms, address, user_agent)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.accountId,
    tokenSha256,
    row.secondFactorDone,
    row.createdAtMs,
    row.lastSeenAtMs,
    row.address,
    row.userAgent,
  );
}

/** The second factor was given: the login session gets a new secret, too. */
export function passSecondFactor(tx: Tx, id: string, tokenSha256: string): void {
  tx.run('UPDATE login_sessions SET second_factor_done = 1, token_sha256 = ? WHERE id = ?', tokenSha256, id);
}

export const noteSeen = (tx: Tx, id: string, atMs: number) =>
  tx.run('UPDATE login_sessions SET last_seen_at_ms = ? WHERE id = ?', atMs, id);
export const deleteSession = (tx: Tx, id: string) => tx.run('DELETE FROM login_sessions WHERE id = ?', id).changes === 1;

export const passkeysOf = (reader: Reader, accountId: string) =>
  reader.all<PasskeyRow>(`${PASSKEY} WHERE account_id = ? ORDER BY id`, accountId);
export const passkeyByCredential = (reader: Reader, credentialId: string) =>
  reader.get<PasskeyRow>(`${PASSKEY} WHERE credential_id = ?`, credentialId);

export function insertPasskey(tx: Tx, row: PasskeyRow): void {
  tx.run(
    `INSERT INTO passkeys (id, account_id, credential_id, public_key, counter, transports, name, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.accountId,
    row.credentialId,
    row.publicKey,
    row.counter,
    row.transports,
    row.name,
    row.createdAtMs,
  );
}

/** Notes a use; false when the counter has moved since it was read: somebody used the passkey, or a copy of it, at the same time. */
export function spendPasskeyCounter(tx: Tx, id: string, before: number, after: number, nowMs: number): boolean {
  const sql = 'UPDATE passkeys SET counter = ?, last_used_at_ms = ? WHERE id = ? AND counter = ?';
  return tx.run(sql, after, nowMs, id, before).changes === 1;
}

export const deletePasskey = (tx: Tx, id: string) => tx.run('DELETE FROM passkeys WHERE id = ?', id);
export const deletePasskeysOf = (tx: Tx, accountId: string) => tx.run('DELETE FROM passkeys WHERE account_id = ?', accountId);
