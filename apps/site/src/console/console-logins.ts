import { createHash, randomInt } from 'node:crypto';
import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { NewLogin } from '@bascule/accounts/login-sessions.ts';
import { addressKey } from '@bascule/core/address-key.ts';
import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { timingSafeTextEqual } from '@bascule/http/timing-safe-text-equal.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { tooManyWaiting } from './console-errors.ts';
import * as events from './console-events.ts';
import { consoleAgent } from './known-consoles.ts';

/** From `bascule login` to the console's having its login session. */
export const CONSOLE_LOGIN_LIFE_MS = 10 * 60_000;
/** Logins that wait, of all consoles together. */
export const WAITING_LOGINS_LIMIT = 1000;
/** Of these, so many from one address: who asks in vain again and again takes nobody else's place. */
export const WAITING_LOGINS_PER_ADDRESS_LIMIT = 20;
/** Consonants that are not mistaken for digits or each other; without vowels no code is a word. 20^8 of them. */
const CODE_ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ';
const CODE_HALF_CHARACTERS = 4;

interface WaitingLogin {
  id: string;
  code: string;
  secretSha256: string;
  machine: string;
  version: string;
  address: string;
  askedAtMs: number;
  decided: { granted: false } | { granted: true; user: string; by: string } | undefined;
}

/** What a console says of itself when it begins to log in. */
export interface ConsoleLoginAsked {
  secretSha256: string;
  machine: string;
  version: string;
}

/**
 * Logins of installed consoles: a console begins one, a person who is logged in confirms its code in the browser, the console collects its own login session. Memory
 * only: a site that restarts has forgotten them, and the console begins anew by itself. docs/decisions/0164-the-console-logs-in-through-the-browser.md
 */
export class ConsoleLogins {
  readonly #store: Store;
  readonly #accounts: Accounts;
  readonly #now: () => number;
  /** By id, the oldest first. */
  readonly #waiting = new Map<string, WaitingLogin>();

  constructor(options: { store: Store; accounts: Accounts; now?: () => number }) {
    this.#store = options.store;
    this.#accounts = options.accounts;
    this.#now = options.now ?? Date.now;
  }

  /** Begins a login for the console at `address`. Throws CONSOLE_LOGINS_LIMIT. */
  begin(asked: ConsoleLoginAsked, address: string): { id: string; code: string; expiresAtMs: number } {
    this.#forgetOld();
    const key = addressKey(address);
    const ofAddress = [...this.#waiting.values()].filter((login) => addressKey(login.address) === key);
    if (ofAddress.length >= WAITING_LOGINS_PER_ADDRESS_LIMIT || this.#waiting.size >= WAITING_LOGINS_LIMIT)
      throw tooManyWaiting();
    const askedAtMs = this.#now();
    const login: WaitingLogin = {
      ...asked,
      id: newId('consoleLogin', askedAtMs),
      code: this.#newCode(),
      address,
      askedAtMs,
      decided: undefined,
    };
    this.#waiting.set(login.id, login);
    return { id: login.id, code: login.code, expiresAtMs: askedAtMs + CONSOLE_LOGIN_LIFE_MS };
  }

  /** What the person who typed or followed `code` is asked. Throws NOT_FOUND for a code that is unknown, too old or decided: one answer for all. */
  asked(code: string): { machine: string; version: string; address: string; askedAtMs: number } {
    return this.#undecided(code);
  }

  /** The person's decision; a code can be decided once. Throws NOT_FOUND as `asked` does. */
  decide(context: Context, principal: Principal, code: string, grant: boolean): void {
    const login = this.#undecided(code);
    const about = { login: login.id, machine: login.machine, address: login.address };
    this.#store.transact(context, grant ? events.loginGranted(about) : events.loginRefused(about), (tx) =>
      tx.afterCommit(() => {
        login.decided = grant ? { granted: true, user: principal.id, by: principal.loginSession } : { granted: false };
      }),
    );
  }

  /**
   * For the console that holds `secret`: whether it was decided, and once its login session. Throws NOT_FOUND for an id that is unknown, too old, collected or
   * another's: one answer for all.
   */
  collect(id: string, secret: string): { state: 'waiting' } | { state: 'refused' } | { state: 'granted'; login: NewLogin } {
    this.#forgetOld();
    const login = this.#waiting.get(id);
    const hash = createHash('sha256').update(secret).digest('hex');
    if (login === undefined || !timingSafeTextEqual(hash, login.secretSha256)) throw notFound();
    const { decided } = login;
    if (decided === undefined) return { state: 'waiting' };
    this.#waiting.delete(id);
    // Who logged out, was disabled or reset in between has taken the confirmation back by that.
    if (!decided.granted || !this.#accounts.sessions.isAlive(decided.by)) return { state: 'refused' };
    const made = this.#accounts.startGranted(decided.user, {
      address: login.address,
      userAgent: consoleAgent(login.version, login.machine),
    });
    return made === undefined ? { state: 'refused' } : { state: 'granted', login: made };
  }

  #undecided(code: string): WaitingLogin {
    this.#forgetOld();
    const wanted = code.toUpperCase();
    for (const login of this.#waiting.values()) if (login.code === wanted && login.decided === undefined) return login;
    throw notFound();
  }

  #forgetOld(): void {
    const limitMs = this.#now() - CONSOLE_LOGIN_LIFE_MS;
    for (const login of this.#waiting.values()) {
      if (login.askedAtMs > limitMs) return;
      this.#waiting.delete(login.id);
    }
  }

  #newCode(): string {
    const letter = () => CODE_ALPHABET[randomInt(CODE_ALPHABET.length)] ?? '';
    const half = () => Array.from({ length: CODE_HALF_CHARACTERS }, letter).join('');
    for (;;) {
      const code = `${half()}-${half()}`;
      if (![...this.#waiting.values()].some((login) => login.code === code)) return code;
    }
  }
}
