import { setTimeout as sleep } from 'node:timers/promises';
import { addressKey } from '@bascule/core/address-key.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import type { Context, Tx } from '@bascule/store/store.ts';
import * as errors from './account-errors.ts';
import * as events from './account-events.ts';
import {
  contextOf,
  secondFactorsOf,
  strangerAt,
  whoIs,
  type AccountParts,
  type SecondFactor,
  type Visitor,
} from './account-parts.ts';
import * as rows from './account-store.ts';
import type { AccountRow } from './account-store.ts';
import { accountLockedUntil, AddressFailures } from './lock-out.ts';
import type { LoginSessions, NewLogin } from './login-sessions.ts';
import { asMade } from './one-time-password.ts';

/** A failed login is answered at a multiple of this, so that its time does not tell why it failed. */
export const FAILURE_STEP_MS = 250;
/** Audit events of failed logins: so many at once, so many a second, of all addresses together. The rest is in the log. */
const FAILURE_AUDIT = { burst: 60, perSecond: 0.2, keysLimit: 1 };
const MINIMUM_NAME_IN_PASSWORD = 3;

/** Logins with a password, their failures and locks, and changes of the own password. */
export class Logins {
  readonly #parts: AccountParts;
  readonly #sessions: LoginSessions;
  readonly #addresses = new AddressFailures();
  readonly #auditLimit: RateLimit;

  constructor(parts: AccountParts, sessions: LoginSessions) {
    this.#parts = parts;
    this.#sessions = sessions;
    this.#auditLimit = new RateLimit({ ...FAILURE_AUDIT, now: parts.now });
  }

  /**
   * Logs in. Throws ACCOUNT_LOGIN_FAILED whatever was wrong, after a time that does not tell; ACCOUNT_TOO_MANY_FAILURES for an address that
   * failed too often; ACCOUNT_LOGIN_BUSY when too many wait. A one-time password is spent by this; its case, spaces and dashes do not matter.
   */
  async withPassword(name: string, password: string, visitor: Visitor): Promise<NewLogin> {
    this.assertAddressFree(visitor.address);
    const startedAtMs = performance.now();
    const found = rows.accountByName(this.#parts.store, name);
    const typed = found?.mustChangePassword === 1 ? asMade(password) : password;
    const fits = await this.#parts.hasher.verify(this.#mayTry(found) ? found.passwordHash : undefined, typed);
    // Read anew: while the hash was computed the account may have been locked, disabled or given another password.
    const account = rows.accountByName(this.#parts.store, name);
    const login =
      fits && this.#mayTry(account) && account.passwordHash === found?.passwordHash ? this.#logIn(account, visitor) : undefined;
    if (login !== undefined) return login;
    this.noteFailure(account, visitor.address, 'password');
    await untilStep(startedAtMs);
    throw errors.loginFailed();
  }

  /** Whether the account exists and is neither disabled nor locked. */
  #mayTry(account: AccountRow | undefined): account is AccountRow {
    return account !== undefined && this.maySignIn(account);
  }

  maySignIn(account: AccountRow): boolean {
    return account.disabled === 0 && (account.lockedUntilMs ?? 0) <= this.#parts.now();
  }

  #logIn(account: AccountRow, visitor: Visitor): NewLogin | undefined {
    const { store, kind } = this.#parts;
    const event = (login: NewLogin | undefined) =>
      login === undefined
        ? events.loginFailed({ account: account.id, name: account.name, reason: 'one-time password used twice' })
        : events.loggedIn({ ...whoIs(account), loginSession: login.principal.loginSession, by: 'password' });
    return store.transact(contextOf(kind, account, visitor.address), event, (tx) => {
      if (account.mustChangePassword === 1 && !rows.spendPassword(tx, account.id, account.passwordHash)) return undefined;
      const isComplete = secondFactorsOf(account).length === 0;
      // With a second factor outstanding failures stay counted: a known password must not give endless tries at codes.
      if (isComplete) this.#complete(tx, account, visitor.address);
      return this.#sessions.start(tx, account, visitor, isComplete);
    });
  }

  /** The second factor fitted: the login is complete. To be called inside the transaction that spends the factor. */
  passSecondFactor(tx: Tx, account: AccountRow, principal: Principal, address: string): NewLogin {
    this.#complete(tx, account, address);
    return this.#sessions.passSecondFactor(tx, account, principal.loginSession);
  }

  /** A passkey that verified the person: a whole login. */
  startVerified(tx: Tx, account: AccountRow, visitor: Visitor): NewLogin {
    this.#complete(tx, account, visitor.address);
    return this.#sessions.start(tx, account, visitor, true);
  }

  /** A console that the account confirmed from a whole login session: it gets one of its own. Undefined when the account may not log in any more. */
  startGranted(id: string, visitor: Visitor): NewLogin | undefined {
    const { store, kind } = this.#parts;
    const account = rows.accountById(store, id);
    if (account === undefined || !this.maySignIn(account) || account.mustChangePassword === 1) return undefined;
    const event = (login: NewLogin) =>
      events.loggedIn({ ...whoIs(account), loginSession: login.principal.loginSession, by: 'the browser, for a console' });
    return store.transact(contextOf(kind, account, visitor.address), event, (tx) =>
      this.#sessions.start(tx, account, visitor, true),
    );
  }

  /** To be called inside the transaction that removes a second factor. */
  factorRemoved(tx: Tx, account: AccountRow): void {
    this.#sessions.endPendingWithoutFactor(tx, account);
  }

  #complete(tx: Tx, account: AccountRow, address: string): void {
    rows.noteLogin(tx, account.id, this.#parts.now());
    tx.afterCommit(() => this.#addresses.forget(addressKey(address)));
  }

  assertAddressFree(address: string): void {
    const waitMs = this.#addresses.waitMs(addressKey(address), this.#parts.now());
    if (waitMs > 0) throw errors.tooManyFailures(Math.ceil(waitMs / 1000));
  }

  /** Counts a failure against the address and, unless it is locked anyhow, the account. */
  noteFailure(account: AccountRow | undefined, address: string, reason: 'password' | SecondFactor): void {
    const { store, kind, log } = this.#parts;
    const nowMs = this.#parts.now();
    this.#addresses.note(addressKey(address), nowMs);
    const isAudited = this.#auditLimit.take('') === 0;
    if (account === undefined || !this.maySignIn(account)) {
      // The name is not noted: people type their password into the wrong field.
      const named = account === undefined ? { account: null, name: 'unknown' } : whoIs(account);
      const event = events.loginFailed({ ...named, reason: account === undefined ? 'no such account' : 'locked or disabled' });
      if (isAudited) store.transact(strangerAt(address), event, () => undefined);
      else log.warn({ address }, 'accounts.login-failed');
      return;
    }
    const failures = account.failures + 1;
    const lockedUntilMs = accountLockedUntil(failures, nowMs, this.#parts.rules().lockOut);
    const event =
      lockedUntilMs === null
        ? events.loginFailed({ ...whoIs(account), reason: `wrong ${reason}` })
        : events.locked({ ...whoIs(account), failures, seconds: Math.round((lockedUntilMs - nowMs) / 1000) });
    store.transact(contextOf(kind, account, address), event, (tx) =>
      rows.updateFailures(tx, account.id, failures, lockedUntilMs),
    );
  }

  /** Asks for the own password again. Throws ACCOUNT_PASSWORD_WRONG naming `field`; counts as a failed login. */
  async confirmPassword(principal: Principal, password: string, field: string, address: string): Promise<AccountRow> {
    const found = this.account(principal.id);
    const fits = await this.#parts.hasher.verify(this.#mayTry(found) ? found.passwordHash : undefined, password);
    const account = this.account(principal.id);
    if (fits && this.#mayTry(account) && account.passwordHash === found.passwordHash) return account;
    this.noteFailure(account, address, 'password');
    throw errors.wrongPassword(field);
  }

  /** Changes the own password; `current` is not asked for after a login with a one-time password. Ends the other login sessions. */
  async changePassword(context: Context, principal: Principal, change: { current?: string; next: string }): Promise<void> {
    const { hasher, store } = this.#parts;
    const before = this.account(principal.id);
    const holdsName = before.name.length >= MINIMUM_NAME_IN_PASSWORD && change.next.toLowerCase().includes(before.name);
    if (holdsName) throw errors.passwordIsName();
    const { minCharacters, history } = this.#parts.rules().passwords;
    if (change.next.length < minCharacters) throw errors.passwordShort(minCharacters);
    if (before.mustChangePassword === 0) {
      if (change.current === undefined) throw errors.wrongPassword('body.current');
      await this.confirmPassword(principal, change.current, 'body.current', context.address);
      if (change.current === change.next) throw errors.passwordUnchanged();
    }
    await this.#refuseFormer(before, change.next, history);
    const passwordHash = await hasher.hash(change.next);
    // A reset by an administrator in the meantime wins.
    if (this.account(principal.id).passwordHash !== before.passwordHash) throw notFound();
    store.transact(context, events.passwordChanged(whoIs(before)), (tx) => {
      const nowMs = this.#parts.now();
      rows.keepFormerPassword(tx, before, history, nowMs);
      rows.updatePassword(tx, before.id, passwordHash, false, nowMs);
      this.#sessions.endAllOf(tx, before, { keep: principal.loginSession });
    });
  }

  /** Throws ACCOUNT_PASSWORD_FORMER when `next` is one of the last `most` passwords. */
  async #refuseFormer({ id }: AccountRow, next: string, most: number): Promise<void> {
    for (const { passwordHash } of rows.formerPasswords(this.#parts.store, id).slice(0, most))
      if (await this.#parts.hasher.verify(passwordHash, next)) throw errors.passwordFormer(most);
  }

  /** The account `id`. Throws NOT_FOUND. */
  account(id: string): AccountRow {
    const account = rows.accountById(this.#parts.store, id);
    if (account === undefined) throw notFound();
    return account;
  }
}

async function untilStep(startedAtMs: number): Promise<void> {
  const elapsedMs = performance.now() - startedAtMs;
  await sleep(Math.ceil(elapsedMs / FAILURE_STEP_MS) * FAILURE_STEP_MS - elapsedMs);
}
