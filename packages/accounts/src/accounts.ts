/** People and their logins: box administrators (box.db) and site users (site.db), the same rules for both. */
import type { LoginAuthority, Principal } from '@bascule/http/principal.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import type { Log } from '@bascule/log/log.ts';
import { DEFAULT_ACCOUNT_RULES, type AccountRules } from '@bascule/protocol/api/security.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import * as errors from './account-errors.ts';
import * as events from './account-events.ts';
import { actorKindOf, type AccountKind, type AccountParts, type Visitor } from './account-parts.ts';
import * as rows from './account-store.ts';
import { ApiTokens } from './api-tokens.ts';
import type { KeyWrap } from './key-wrap.ts';
import { LoginSessions, type LoginSessionsEnded, type NewLogin } from './login-sessions.ts';
import { Logins } from './logins.ts';
import { Passkeys } from './passkeys.ts';
import { PasswordHasher } from './password-hash.ts';
import { TotpFactor } from './totp-factor.ts';
import { UserAdministration } from './user-administration.ts';

export type { Principal } from '@bascule/http/principal.ts';
export { accountMigrations } from './account-migrations.ts';
export { accountRoutes } from './account-routes.ts';
export { openKeyWrap, type KeyWrap } from './key-wrap.ts';
export type { LoginSessionsEnded } from './login-sessions.ts';

/** The account that the first start makes. */
export const FIRST_ADMINISTRATOR = 'admin';
/** Audit events about refusals, per principal; the rest is counted into the next one. */
const REFUSED_AUDIT = { burst: 5, perSecond: 1 / 60, keysLimit: 10_000 };

export interface AccountsOptions {
  store: Store;
  kind: AccountKind;
  /** The name that authenticator programs and passkey dialogs show. */
  rpName: string;
  limits(): { idleMinutes: number; maxHours: number };
  /** Lock-out, password rules, second factor; asked at each login and change. By default DEFAULT_ACCOUNT_RULES. */
  rules?(): AccountRules;
  /** Wraps the secrets of one-time codes. */
  keyWrap: KeyWrap;
  log: Log;
  now?: () => number;
}

export class Accounts implements LoginAuthority {
  readonly actorKind: 'user' | 'box-administrator';
  readonly sessions: LoginSessions;
  readonly logins: Logins;
  readonly totp: TotpFactor;
  readonly passkeys: Passkeys;
  readonly users: UserAdministration;
  readonly apiTokens: ApiTokens;
  readonly #parts: AccountParts;
  readonly #refusals: RateLimit;
  #refusedSilently = 0;

  constructor(options: AccountsOptions) {
    this.#parts = {
      ...options,
      limits: () => options.limits(),
      rules: () => options.rules?.() ?? DEFAULT_ACCOUNT_RULES,
      now: options.now ?? Date.now,
      hasher: new PasswordHasher(),
    };
    this.actorKind = actorKindOf(options.kind);
    this.sessions = new LoginSessions(this.#parts);
    this.logins = new Logins(this.#parts, this.sessions);
    this.totp = new TotpFactor(this.#parts, this.logins);
    this.passkeys = new Passkeys(this.#parts, this.logins);
    this.users = new UserAdministration(this.#parts, this.sessions);
    this.apiTokens = new ApiTokens(this.#parts);
    this.#refusals = new RateLimit({ ...REFUSED_AUDIT, now: this.#parts.now });
  }

  /** Makes the administrator `admin` when there is no account yet; returns the one-time password (B2). */
  async ensureFirstAdministrator(): Promise<string | undefined> {
    if (rows.countAccounts(this.#parts.store) > 0) return undefined;
    const made = await this.users.create(SYSTEM, {
      name: FIRST_ADMINISTRATOR,
      displayName: 'Administrator',
      role: 'administrator',
    });
    return made.oneTimePassword;
  }

  /** Gives the account `name` a one-time password, unlocks it and ends its login sessions. Throws ACCOUNT_UNKNOWN. */
  async resetPassword(context: Context, name: string): Promise<string> {
    const account = rows.accountByName(this.#parts.store, name.trim().toLowerCase());
    if (account === undefined) throw errors.unknownName(name);
    return await this.users.resetPassword(context, account.id);
  }

  /** Removes every second factor of the account `name`, and ends its login sessions. Throws ACCOUNT_UNKNOWN. */
  resetSecondFactor(context: Context, name: string): void {
    const account = rows.accountByName(this.#parts.store, name.trim().toLowerCase());
    if (account === undefined) throw errors.unknownName(name);
    this.users.resetSecondFactor(context, account.id);
  }

  /** The rules that hold now, for pages. */
  rules(): AccountRules {
    return this.#parts.rules();
  }

  /** The principal of a login cookie's value, or undefined; counts as a sign of life of its login session, unless it is a page's own refreshing. */
  authenticate(cookie: string | undefined, background = false): Principal | undefined {
    return this.sessions.authenticate(cookie, background);
  }

  /** The principal of an API token, or undefined; box administrators have none. */
  authenticateToken(text: string, address: string): Principal | undefined {
    return this.#parts.kind === 'user' ? this.apiTokens.authenticate(text, address) : undefined;
  }

  /**
   * Makes a whole login session for a console that the account `id` confirmed from a login session of its own; `visitor` is the console. Undefined when the account
   * may not log in any more.
   */
  startGranted(id: string, visitor: Visitor): NewLogin | undefined {
    return this.logins.startGranted(id, visitor);
  }

  /** Heard after every end of login sessions: logout, reset, disabling, change of password, limits. */
  onLoginSessionsEnded(listener: (ended: LoginSessionsEnded) => void): void {
    this.sessions.onEnded(listener);
  }

  /** The login name of the account `id`. */
  nameOf(id: string): string | undefined {
    return rows.accountById(this.#parts.store, id)?.name;
  }

  /** The role of the account `id`; undefined when there is none, or it is disabled. */
  roleOf(id: string): Principal['role'] | undefined {
    const account = rows.accountById(this.#parts.store, id);
    return account?.disabled === 0 ? account.role : undefined;
  }

  noteAccessRefused(context: Context, refused: { action: string; what: string }): void {
    if (this.#refusals.take(context.actor.id ?? '') > 0) {
      this.#refusedSilently += 1;
      return;
    }
    this.#parts.store.transact(context, events.accessRefused({ ...refused, since: this.#refusedSilently }), () => undefined);
    this.#refusedSilently = 0;
  }

  /** Writes what is still to be noted. */
  close(): void {
    this.sessions.close();
    this.apiTokens.close();
  }
}
