import { Secret, TOTP } from 'otpauth';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import type { Context } from '@bascule/store/store.ts';
import * as errors from './account-errors.ts';
import * as events from './account-events.ts';
import { contextOf, whoIs, type AccountParts } from './account-parts.ts';
import * as rows from './account-store.ts';
import type { AccountRow } from './account-store.ts';
import { totpPurpose } from './account-wrapped.ts';
import type { NewLogin } from './login-sessions.ts';
import type { Logins } from './logins.ts';

/** RFC 6238 as every authenticator program knows it: SHA-1, six digits, 30 s; one step early or late is taken. */
const PERIOD_SECONDS = 30;
const DIGITS = 6;
const WINDOW_STEPS = 1;
const SECRET_BYTES = 20;
/** How long a set-up may take, and how many may be under way. */
export const SETUP_LIFE_MS = 10 * 60_000;
const SETUPS_LIMIT = 1000;
/** Audit events about a second factor that cannot be read, per account. */
const UNREADABLE_AUDIT = { burst: 3, perSecond: 1 / 600, keysLimit: 10_000 };

/** One-time codes (TOTP) as second factor. */
export class TotpFactor {
  readonly #parts: AccountParts;
  readonly #logins: Logins;
  readonly #unreadable: RateLimit;
  readonly #setups = new Map<string, { secret: Secret; untilMs: number }>();

  constructor(parts: AccountParts, logins: Logins) {
    this.#parts = parts;
    this.#logins = logins;
    this.#unreadable = new RateLimit({ ...UNREADABLE_AUDIT, now: parts.now });
  }

  /**
   * Makes a secret to show, after the own password was given again; nothing is stored until `confirm`. Throws ACCOUNT_PASSWORD_WRONG (it counts as a
   * failed login), ACCOUNT_TOTP_SET when there is one already.
   */
  async begin(context: Context, principal: Principal, password: string): Promise<{ secret: string; uri: string }> {
    const account = await this.#logins.confirmPassword(principal, password, 'body.password', context.address);
    if (account.totpSecret !== null) throw errors.totpAlreadySet();
    const secret = new Secret({ size: SECRET_BYTES });
    this.#setups.delete(principal.id);
    this.#setups.set(principal.id, { secret, untilMs: this.#parts.now() + SETUP_LIFE_MS });
    const [oldest] = this.#setups.keys();
    if (this.#setups.size > SETUPS_LIMIT && oldest !== undefined) this.#setups.delete(oldest);
    const uri = new TOTP({
      issuer: this.#parts.rpName,
      label: principal.name,
      secret,
      digits: DIGITS,
      period: PERIOD_SECONDS,
    }).toString();
    return { secret: secret.base32, uri };
  }

  /** Stores the secret once a code of it was shown. Throws ACCOUNT_TOTP_NOT_BEGUN, ACCOUNT_CODE_WRONG. */
  confirm(context: Context, principal: Principal, code: string): void {
    const { store, keyWrap } = this.#parts;
    const setup = this.#setups.get(principal.id);
    if (setup === undefined || setup.untilMs < this.#parts.now()) throw errors.totpNotBegun();
    const account = this.#logins.account(principal.id);
    if (account.totpSecret !== null) throw errors.totpAlreadySet();
    const step = this.#stepOf(setup.secret, code);
    if (step === undefined) throw errors.wrongCode();
    const wrapped = keyWrap.wrap(new Uint8Array(setup.secret.buffer), totpPurpose(account.id));
    store.transact(context, events.totpSet(whoIs(account)), (tx) => rows.updateTotp(tx, account.id, wrapped, step));
    this.#setups.delete(principal.id);
  }

  async remove(context: Context, principal: Principal, password: string): Promise<void> {
    const account = await this.#logins.confirmPassword(principal, password, 'body.password', context.address);
    this.#parts.store.transact(context, events.totpRemoved(whoIs(account)), (tx) => {
      rows.updateTotp(tx, account.id, null, 0);
      this.#logins.factorRemoved(tx, account);
    });
  }

  /** Completes a login. A code works once. Throws ACCOUNT_LOGIN_FAILED; failures lock as wrong passwords do. */
  finishLogin(principal: Principal, code: string, address: string): NewLogin {
    const { store, kind } = this.#parts;
    this.#logins.assertAddressFree(address);
    const account = this.#logins.account(principal.id);
    const mayTry = account.totpSecret !== null && this.#logins.maySignIn(account);
    const step = mayTry ? this.#stepOf(this.#secretOf(account, address), code) : undefined;
    if (step === undefined || step <= account.totpLastStep) {
      this.#logins.noteFailure(account, address, 'totp');
      throw errors.loginFailed();
    }
    const event = events.secondFactorPassed({ ...whoIs(account), loginSession: principal.loginSession, by: 'totp' });
    return store.transact(contextOf(kind, account, address), event, (tx) => {
      if (!rows.spendTotpStep(tx, account.id, step)) throw errors.loginFailed();
      return this.#logins.passSecondFactor(tx, account, principal, address);
    });
  }

  /** Throws ACCOUNT_SECOND_FACTOR_UNREADABLE, with the reason in the audit, when the vault key that wrapped it is not here: no fault of who logs in, and nobody is locked. */
  #secretOf(account: AccountRow, address: string): Secret {
    const { store, keyWrap, kind, log } = this.#parts;
    try {
      return secretFrom(keyWrap.unwrap(account.totpSecret!, totpPurpose(account.id)));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'KEY_WRAP_FAILED') throw error;
      log.error({ account: account.id }, 'account.second-factor-unreadable');
      if (this.#unreadable.take(account.id) === 0)
        store.transact(contextOf(kind, account, address), events.secondFactorUnreadable(whoIs(account)), () => undefined);
      throw errors.secondFactorUnreadable();
    }
  }

  #stepOf(secret: Secret, code: string): number | undefined {
    const timestamp = this.#parts.now();
    const delta = TOTP.validate({ token: code, secret, digits: DIGITS, period: PERIOD_SECONDS, window: WINDOW_STEPS, timestamp });
    return delta === null ? undefined : TOTP.counter({ period: PERIOD_SECONDS, timestamp }) + delta;
  }
}

function secretFrom(bytes: Uint8Array): Secret {
  return new Secret({ buffer: new Uint8Array(bytes).buffer });
}
