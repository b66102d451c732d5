import { createHash, randomBytes } from 'node:crypto';
import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { LoginState, Principal } from '@bascule/http/principal.ts';
import type { AccountRules } from '@bascule/protocol/api/security.ts';
import { SYSTEM, type Context, type Tx } from '@bascule/store/store.ts';
import * as events from './account-events.ts';
import { secondFactorsOf, whoIs, type AccountParts, type Visitor } from './account-parts.ts';
import * as rows from './account-store.ts';
import type { AccountRow, SessionRow } from './account-store.ts';

const TOKEN_BYTES = 32;
const TOKEN_TEXT = /^[A-Za-z0-9_-]{43}$/;
/** Last-seen times are written together this often, and expired login sessions looked for. */
export const NOTE_INTERVAL_MS = 60_000;
/** How long a login may wait for its second factor. */
export const SECOND_FACTOR_WAIT_MS = 10 * 60_000;
/** Login sessions of one account; the one seen longest ago gives way. */
export const LOGIN_SESSIONS_LIMIT = 50;
/** Of these, so many may wait for their second factor: who knows only the password must not push out whole logins. */
export const PENDING_LOGINS_LIMIT = 5;
const USER_AGENT_MAX_CHARACTERS = 200;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export interface LoginSessionsEnded {
  user: string;
  loginSessions: string[];
  /** The account may not log in any more. */
  disabled: boolean;
}

/** A login session that was just made, or whose secret changed: `cookie` goes to the browser and is not stored. */
export interface NewLogin {
  principal: Principal;
  cookie: string;
}

/** Login sessions: a random cookie of which only the hash is stored, an idle and an absolute limit. */
export class LoginSessions {
  readonly #parts: AccountParts;
  readonly #seen = new Map<string, number>();
  readonly #listeners: ((ended: LoginSessionsEnded) => void)[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(parts: AccountParts) {
    this.#parts = parts;
    this.#timer = setInterval(() => this.sweep(), NOTE_INTERVAL_MS).unref();
  }

  onEnded(listener: (ended: LoginSessionsEnded) => void): void {
    this.#listeners.push(listener);
  }

  /** The principal of a cookie's value; notes that its login session was seen, unless nobody is behind the request. */
  authenticate(cookie: string | undefined, background = false): Principal | undefined {
    if (cookie === undefined || !TOKEN_TEXT.test(cookie)) return undefined;
    const session = rows.sessionByToken(this.#parts.store, sha256(cookie));
    if (session === undefined || this.#isOver(session)) return undefined;
    const account = rows.accountById(this.#parts.store, session.accountId);
    if (account === undefined || account.disabled === 1) return undefined;
    if (!background) this.#seen.set(session.id, this.#parts.now());
    return this.#toPrincipal(account, session, cookie);
  }

  /** Whether the login session still holds, without counting as a sign of life. */
  isAlive(id: string): boolean {
    const session = rows.sessionById(this.#parts.store, id);
    return session !== undefined && !this.#isOver(session);
  }

  /** Makes a login session inside the caller's transaction. */
  start(tx: Tx, account: AccountRow, visitor: Visitor, secondFactorDone: boolean): NewLogin {
    const nowMs = this.#parts.now();
    const cookie = randomBytes(TOKEN_BYTES).toString('base64url');
    const session: SessionRow = {
      id: newId('loginSession', nowMs),
      accountId: account.id,
      secondFactorDone: secondFactorDone ? 1 : 0,
      createdAtMs: nowMs,
      lastSeenAtMs: nowMs,
      address: visitor.address,
      userAgent: visitor.userAgent.replace(/\p{Cc}/gu, '').slice(0, USER_AGENT_MAX_CHARACTERS),
    };
    const [pending, complete] = this.#byState(tx, account);
    // Pending logins have places of their own, so that neither kind pushes out the other.
    const surplus = secondFactorDone
      ? complete.slice(LOGIN_SESSIONS_LIMIT - PENDING_LOGINS_LIMIT - 1)
      : pending.slice(PENDING_LOGINS_LIMIT - 1);
    this.#remove(tx, account, surplus, false);
    rows.insertSession(tx, session, sha256(cookie));
    return { principal: this.#toPrincipal(account, session, cookie), cookie };
  }

  /** The second factor was given: the same login session goes on under a new cookie. */
  passSecondFactor(tx: Tx, account: AccountRow, sessionId: string): NewLogin {
    const session = rows.sessionById(tx, sessionId);
    if (session === undefined) throw notFound();
    const cookie = randomBytes(TOKEN_BYTES).toString('base64url');
    const complete = this.#byState(tx, account)[1];
    this.#remove(tx, account, complete.slice(LOGIN_SESSIONS_LIMIT - PENDING_LOGINS_LIMIT - 1), false);
    rows.passSecondFactor(tx, sessionId, sha256(cookie));
    return { principal: this.#toPrincipal(account, { ...session, secondFactorDone: 1 }, cookie), cookie };
  }

  /** Ends all login sessions of the account but `keep`, inside the caller's transaction; listeners hear of it after the commit. */
  endAllOf(tx: Tx, account: AccountRow, options: { keep?: string; disabled?: boolean } = {}): void {
    const sessions = rows.sessionsOf(tx, account.id).filter(({ id }) => id !== options.keep);
    this.#remove(tx, account, sessions, options.disabled ?? false);
  }

  /** Ends the logins that wait for a second factor, if the account has none any more: they must not become whole by that. */
  endPendingWithoutFactor(tx: Tx, account: { id: string }): void {
    const current = rows.accountById(tx, account.id);
    if (current !== undefined && secondFactorsOf(current).length === 0)
      this.#remove(tx, account, this.#byState(tx, account)[0], false);
  }

  /** The account's login sessions that wait for a second factor, and the whole ones; each the last seen first. */
  #byState(tx: Tx, account: { id: string }): [SessionRow[], SessionRow[]] {
    const sessions = rows.sessionsOf(tx, account.id);
    return [sessions.filter((row) => row.secondFactorDone === 0), sessions.filter((row) => row.secondFactorDone !== 0)];
  }

  /** Ends one login session of the principal's own. Throws NOT_FOUND for any other. */
  endOwn(context: Context, principal: Principal, id: string, reason: string): void {
    const session = rows.sessionById(this.#parts.store, id);
    const account = rows.accountById(this.#parts.store, principal.id);
    if (session?.accountId !== principal.id || account === undefined) throw notFound();
    const event = events.loginSessionsEnded({ ...whoIs(account), loginSessions: [id], reason });
    this.#parts.store.transact(context, event, (tx) => this.#remove(tx, account, [session], false));
  }

  /** The principal's own login sessions, the last seen first. */
  own(principal: Principal) {
    return rows
      .sessionsOf(this.#parts.store, principal.id)
      .filter((session) => !this.#isOver(session))
      .map((session) => ({
        id: session.id,
        current: session.id === principal.loginSession,
        createdAtMs: session.createdAtMs,
        lastSeenAtMs: this.#lastSeenMs(session),
        address: session.address,
        userAgent: session.userAgent,
      }));
  }

  /** The login sessions of all people that hold now and are whole. */
  all(): Pick<SessionRow, 'id' | 'accountId' | 'userAgent' | 'lastSeenAtMs'>[] {
    return rows
      .allSessions(this.#parts.store)
      .filter((session) => session.secondFactorDone !== 0 && !this.#isOver(session))
      .map((session) => ({
        id: session.id,
        accountId: session.accountId,
        userAgent: session.userAgent,
        lastSeenAtMs: this.#lastSeenMs(session),
      }));
  }

  /** When the login session ends if nothing is done, and at the latest. */
  endsOf(id: string): { idleEndsAtMs: number; endsAtMs: number } {
    const session = rows.sessionById(this.#parts.store, id);
    if (session === undefined) throw notFound();
    const { idleMinutes, maxHours } = this.#parts.limits();
    const endsAtMs = session.createdAtMs + maxHours * HOUR_MS;
    return { idleEndsAtMs: Math.min(endsAtMs, this.#lastSeenMs(session) + idleMinutes * MINUTE_MS), endsAtMs };
  }

  /** Ends what has reached a limit, and writes last-seen times; runs by itself once a minute. */
  sweep(): void {
    try {
      this.#expire();
      this.#writeSeen();
    } catch (error) {
      // The limits hold at every request all the same; the next turn writes what this one could not.
      this.#parts.log.warn({ err: error }, 'accounts.sweep-failed');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.sweep();
  }

  #expire(): void {
    const { store } = this.#parts;
    const over = rows.allSessions(store).filter((session) => this.#isOver(session));
    if (over.length === 0) return;
    store.transact(SYSTEM, events.loginSessionsExpired({ count: over.length }), (tx) => {
      for (const [accountId, sessions] of Map.groupBy(over, ({ accountId }) => accountId))
        this.#remove(tx, { id: accountId }, sessions, false);
    });
  }

  #writeSeen(): void {
    if (this.#seen.size === 0) return;
    const seen = [...this.#seen];
    this.#parts.store.transact(SYSTEM, events.seenNoted({ count: seen.length }), (tx) => {
      for (const [id, atMs] of seen) rows.noteSeen(tx, id, atMs);
    });
    this.#seen.clear();
  }

  #remove(tx: Tx, account: { id: string }, sessions: SessionRow[], disabled: boolean): void {
    if (sessions.length === 0 && !disabled) return;
    for (const { id } of sessions) rows.deleteSession(tx, id);
    const ended = { user: account.id, loginSessions: sessions.map(({ id }) => id), disabled };
    tx.afterCommit(() => {
      for (const id of ended.loginSessions) this.#seen.delete(id);
      for (const listener of this.#listeners) listener(ended);
    });
  }

  #toPrincipal(account: AccountRow, session: SessionRow, cookie: string): Principal {
    return toPrincipal(account, session, cookie, stateOf(account, session, this.#parts.rules(), this.#parts.now()));
  }

  #lastSeenMs(session: SessionRow): number {
    return Math.max(session.lastSeenAtMs, this.#seen.get(session.id) ?? 0);
  }

  #isOver(session: SessionRow): boolean {
    const nowMs = this.#parts.now();
    const { idleMinutes, maxHours } = this.#parts.limits();
    if (nowMs - session.createdAtMs >= maxHours * HOUR_MS || nowMs - this.#lastSeenMs(session) >= idleMinutes * MINUTE_MS)
      return true;
    return session.secondFactorDone === 0 && nowMs - session.createdAtMs >= SECOND_FACTOR_WAIT_MS;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** What is still to be done before anything else works: the second factor, another password, or a second factor that the rules ask for. */
function stateOf(account: AccountRow, session: SessionRow, rules: AccountRules, nowMs: number): LoginState {
  const factors = secondFactorsOf(account).length;
  if (session.secondFactorDone === 0 && factors > 0) return 'second-factor';
  if (account.mustChangePassword === 1 || isExpired(account, rules, nowMs)) return 'change-password';
  const isMissing = rules.secondFactorRequired && account.role === 'administrator' && factors === 0;
  return isMissing ? 'set-up-factor' : 'ok';
}

function isExpired(account: AccountRow, { passwords: { expiryDays } }: AccountRules, nowMs: number): boolean {
  if (expiryDays === null) return false;
  return nowMs - (account.passwordChangedAtMs ?? account.createdAtMs) >= expiryDays * DAY_MS;
}

function toPrincipal(account: AccountRow, session: SessionRow, cookie: string, state: LoginState): Principal {
  return {
    id: account.id,
    name: account.name,
    displayName: account.displayName,
    role: account.role,
    state,
    loginSession: session.id,
    // Derived from the cookie: known to the page that logged in, to nobody who cannot read the cookie, and nowhere stored.
    csrf: createHash('sha256').update(`bascule-csrf/1\n${cookie}`).digest('base64url'),
    language: account.language,
  };
}
