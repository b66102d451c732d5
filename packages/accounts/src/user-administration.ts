import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Role, UserRow } from '@bascule/protocol/api/auth.ts';
import type { Language } from '@bascule/protocol/api/common.ts';
import type { Context } from '@bascule/store/store.ts';
import * as errors from './account-errors.ts';
import * as events from './account-events.ts';
import { secondFactorsOf, whoIs, type AccountParts } from './account-parts.ts';
import * as rows from './account-store.ts';
import type { AccountRow } from './account-store.ts';
import { deleteTokensOf } from './api-token-store.ts';
import type { LoginSessions } from './login-sessions.ts';
import { newOneTimePassword } from './one-time-password.ts';

export const ACCOUNTS_LIMIT = 10_000;

export interface AccountChange {
  displayName?: string;
  role?: Role;
  disabled?: boolean;
  unlock?: true;
}

/** Making, changing and resetting accounts. One administrator who can log in always remains, and nobody shuts out themselves. */
export class UserAdministration {
  readonly #parts: AccountParts;
  readonly #sessions: LoginSessions;
  readonly #roleListeners: (() => void)[] = [];

  constructor(parts: AccountParts, sessions: LoginSessions) {
    this.#parts = parts;
    this.#sessions = sessions;
  }

  /** Heard after an account got another role, or was disabled or enabled. */
  onRoleChanged(listener: () => void): void {
    this.#roleListeners.push(listener);
  }

  list(): UserRow[] {
    return rows.allAccounts(this.#parts.store).map((account) => this.#toRow(account));
  }

  /** Makes an account with a one-time password. Throws ACCOUNT_NAME_TAKEN, ACCOUNT_ROLE_UNKNOWN, ACCOUNTS_LIMIT. */
  async create(
    context: Context,
    account: { name: string; displayName: string; role: Role },
  ): Promise<{ user: UserRow; oneTimePassword: string }> {
    const { store, kind, hasher } = this.#parts;
    if (kind === 'boxAdministrator' && account.role !== 'administrator') throw errors.roleNotHere();
    if (rows.accountByName(store, account.name) !== undefined) throw errors.nameTaken(account.name);
    const oneTimePassword = newOneTimePassword();
    const passwordHash = await hasher.hash(oneTimePassword);
    const createdAtMs = this.#parts.now();
    const id = newId(kind, createdAtMs);
    const event = events.created({ account: id, name: account.name, role: account.role });
    store.transact(context, event, (tx) => {
      if (rows.accountByName(tx, account.name) !== undefined) throw errors.nameTaken(account.name);
      if (rows.countAccounts(tx) >= ACCOUNTS_LIMIT) throw errors.tooManyAccounts(ACCOUNTS_LIMIT);
      rows.insertAccount(tx, { ...account, id, displayName: account.displayName || account.name, passwordHash, createdAtMs });
    });
    return { user: this.row(id), oneTimePassword };
  }

  /** Changes an account. Throws NOT_FOUND, ACCOUNT_OWN, ACCOUNT_LAST_ADMINISTRATOR, ACCOUNT_ROLE_UNKNOWN. */
  change(context: Context, id: string, change: AccountChange): UserRow {
    const account = this.#account(id);
    const role = change.role ?? account.role;
    const disabled = change.disabled ?? account.disabled === 1;
    const losesPower = account.role === 'administrator' && account.disabled === 0 && (role !== 'administrator' || disabled);
    if (this.#parts.kind === 'boxAdministrator' && role !== 'administrator') throw errors.roleNotHere();
    if (context.actor.id === id && (losesPower || disabled)) throw errors.ownAccount();
    const onlyUnlocks = change.unlock === true && Object.keys(change).length === 1;
    const event = onlyUnlocks ? events.unlocked(whoIs(account)) : events.changed({ ...whoIs(account), role, disabled });
    this.#parts.store.transact(context, event, (tx) => {
      if (losesPower && rows.countOtherAdministrators(tx, id) === 0) throw errors.lastAdministrator();
      const profile = {
        displayName: change.displayName ?? account.displayName,
        role,
        language: account.language,
        disabled: disabled ? 1 : 0,
      };
      rows.updateProfile(tx, id, profile);
      if (change.unlock === true) rows.updateFailures(tx, id, 0, null);
      if (disabled && account.disabled === 0) {
        this.#sessions.endAllOf(tx, account, { disabled: true });
        deleteTokensOf(tx, id);
      }
      if (role !== account.role || disabled !== (account.disabled === 1))
        tx.afterCommit(() => {
          for (const listener of this.#roleListeners) listener();
        });
    });
    return this.row(id);
  }

  changeOwn(context: Context, id: string, change: { displayName?: string; language?: Language }): void {
    const account = this.#account(id);
    this.#parts.store.transact(context, events.ownChanged(whoIs(account)), (tx) => {
      rows.updateProfile(tx, id, {
        displayName: change.displayName ?? account.displayName,
        role: account.role,
        language: account.language,
        disabled: account.disabled,
      });
      if (change.language !== undefined) rows.updateLanguage(tx, id, change.language);
    });
  }

  /** Gives the account a one-time password, unlocks it and ends its login sessions. Not for one's own. */
  async resetPassword(context: Context, id: string): Promise<string> {
    if (context.actor.id === id) throw errors.ownAccount();
    const { store, hasher } = this.#parts;
    const oneTimePassword = newOneTimePassword();
    const passwordHash = await hasher.hash(oneTimePassword);
    const account = this.#account(id);
    store.transact(context, events.passwordReset(whoIs(account)), (tx) => {
      const nowMs = this.#parts.now();
      rows.keepFormerPassword(tx, account, this.#parts.rules().passwords.history, nowMs);
      rows.updatePassword(tx, id, passwordHash, true, nowMs);
      this.#sessions.endAllOf(tx, account);
    });
    return oneTimePassword;
  }

  /** Removes one-time codes and passkeys, and ends the login sessions. Not for one's own. */
  resetSecondFactor(context: Context, id: string): void {
    if (context.actor.id === id) throw errors.ownAccount();
    const account = this.#account(id);
    this.#parts.store.transact(context, events.secondFactorReset(whoIs(account)), (tx) => {
      rows.updateTotp(tx, id, null, 0);
      rows.deletePasskeysOf(tx, id);
      this.#sessions.endAllOf(tx, account);
    });
  }

  /** Ends the account's login sessions, but not the one (`keep`) that asks. */
  endLoginSessions(context: Context, id: string, keep: string): void {
    const account = this.#account(id);
    const loginSessions = rows
      .sessionsOf(this.#parts.store, id)
      .map((session) => session.id)
      .filter((session) => session !== keep);
    const event = events.loginSessionsEnded({ ...whoIs(account), loginSessions, reason: 'by an administrator' });
    this.#parts.store.transact(context, event, (tx) => this.#sessions.endAllOf(tx, account, { keep }));
  }

  row(id: string): UserRow {
    return this.#toRow(this.#account(id));
  }

  #account(id: string): AccountRow {
    const account = rows.accountById(this.#parts.store, id);
    if (account === undefined) throw notFound();
    return account;
  }

  #toRow(account: AccountRow): UserRow {
    const isLocked = account.lockedUntilMs !== null && account.lockedUntilMs > this.#parts.now();
    return {
      id: account.id,
      name: account.name,
      displayName: account.displayName,
      role: account.role,
      disabled: account.disabled === 1,
      lockedUntilMs: isLocked ? account.lockedUntilMs : null,
      mustChangePassword: account.mustChangePassword === 1,
      secondFactors: secondFactorsOf(account),
      createdAtMs: account.createdAtMs,
      lastLoginAtMs: account.lastLoginAtMs,
    };
  }
}
