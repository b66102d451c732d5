import { createHash, randomBytes } from 'node:crypto';
import { addressKey } from '@bascule/core/address-key.ts';
import { newId } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import { timingSafeTextEqual } from '@bascule/http/timing-safe-text-equal.ts';
import { API_SCOPES, type ApiScope, type ApiToken } from '@bascule/protocol/api/failover.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { strangerAt, whoIs, type AccountParts } from './account-parts.ts';
import { accountById } from './account-store.ts';
import * as events from './api-token-events.ts';
import * as rows from './api-token-store.ts';
import type { ApiTokenRow } from './api-token-store.ts';

const LOOKUP_BYTES = 12;
const SECRET_BYTES = 32;
/** `bat1.<lookup>.<secret>`, both base64url: the lookup finds the row, the secret is compared in constant time with its hash. */
const TOKEN_TEXT = /^bat1\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;
/** Tokens of one account, expired ones included until they are revoked. */
export const API_TOKENS_LIMIT = 50;
/** Last uses are written together this often. */
export const NOTE_USE_INTERVAL_MS = 60_000;
const DAY_MS = 86_400_000;
/** Audit events about refused tokens, per address; the rest is counted into the next one. */
const REFUSED_AUDIT = { burst: 5, perSecond: 1 / 60, keysLimit: 10_000 };

/** What somebody asks for when making a token. */
export interface NewApiToken {
  name: string;
  scopes: readonly ApiScope[];
  days: number;
}

/**
 * API tokens of site users: for programs that call the public API without a login. Of the secret only a hash is stored (256 random bits need no slow one).
 * A token can do what its scopes say, and never more than its account may at that moment.
 */
export class ApiTokens {
  readonly #parts: AccountParts;
  readonly #used = new Map<string, number>();
  readonly #refusals: RateLimit;
  #refusedSilently = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(parts: AccountParts) {
    this.#parts = parts;
    this.#refusals = new RateLimit({ ...REFUSED_AUDIT, now: parts.now });
    this.#timer = setInterval(() => this.noteUses(), NOTE_USE_INTERVAL_MS).unref();
  }

  /** Makes a token for the account of `principal`; `secret` is the whole text that programs send, given out this once. Throws API_TOKENS_LIMIT. */
  create(context: Context, principal: Pick<Principal, 'id' | 'name'>, wanted: NewApiToken): ApiToken & { secret: string } {
    const nowMs = this.#parts.now();
    const lookup = randomBytes(LOOKUP_BYTES).toString('base64url');
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const row: ApiTokenRow = {
      id: newId('apiToken', nowMs),
      accountId: principal.id,
      name: wanted.name,
      scopes: API_SCOPES.filter((scope) => wanted.scopes.includes(scope)).join(' '),
      lookup,
      secretSha256: sha256(secret),
      createdAtMs: nowMs,
      expiresAtMs: nowMs + wanted.days * DAY_MS,
      lastUsedAtMs: null,
    };
    const { scopes, expiresAtMs } = toToken(row);
    const event = events.created({ ...whoIs(principal), token: row.id, tokenName: row.name, scopes, expiresAtMs });
    this.#parts.store.transact(context, event, (tx) => {
      if (rows.tokensOf(tx, principal.id).length >= API_TOKENS_LIMIT) throw tooManyTokens();
      rows.insertToken(tx, row);
    });
    return { ...toToken(row), secret: `bat1.${lookup}.${secret}` };
  }

  /** The tokens of the account, newest first. */
  own(principal: Pick<Principal, 'id'>): ApiToken[] {
    return rows
      .tokensOf(this.#parts.store, principal.id)
      .map((row) => ({ ...toToken(row), lastUsedAtMs: this.#used.get(row.id) ?? row.lastUsedAtMs }));
  }

  /** Revokes a token of the account: it is refused from the next request on. Throws NOT_FOUND. */
  revoke(context: Context, principal: Pick<Principal, 'id' | 'name'>, id: string): void {
    const row = rows.tokensOf(this.#parts.store, principal.id).find((token) => token.id === id);
    if (row === undefined) throw notFound();
    const event = events.revoked({ ...whoIs(principal), token: id, tokenName: row.name });
    this.#parts.store.transact(context, event, (tx) => {
      if (!rows.deleteToken(tx, principal.id, id)) throw notFound();
    });
    this.#used.delete(id);
  }

  /**
   * The principal behind a token's text, with its scopes; undefined when it is unknown, expired or revoked, or its account is disabled or has to change its
   * password: an audit event, at a bounded rate per `address`.
   */
  authenticate(text: string, address: string): Principal | undefined {
    const principal = this.#principalOf(text);
    if (principal === undefined) this.#noteRefused(address);
    return principal;
  }

  /** Writes when tokens were last used; runs by itself once a minute. */
  noteUses(): void {
    if (this.#used.size === 0) return;
    const used = [...this.#used];
    try {
      this.#parts.store.transact(SYSTEM, events.usedNoted({ count: used.length }), (tx) => {
        for (const [id, atMs] of used) rows.noteTokenUse(tx, id, atMs);
      });
      this.#used.clear();
    } catch (error) {
      // Kept: the next turn writes what this one could not.
      this.#parts.log.warn({ err: error }, 'accounts.token-use-not-noted');
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.noteUses();
  }

  #principalOf(text: string): Principal | undefined {
    const [, lookup, secret] = TOKEN_TEXT.exec(text) ?? [];
    if (lookup === undefined || secret === undefined) return undefined;
    const { store } = this.#parts;
    const row = rows.tokenByLookup(store, lookup);
    if (row === undefined || !timingSafeTextEqual(sha256(secret), row.secretSha256)) return undefined;
    const nowMs = this.#parts.now();
    const account = accountById(store, row.accountId);
    if (nowMs >= row.expiresAtMs || account === undefined || account.disabled === 1 || account.mustChangePassword === 1)
      return undefined;
    this.#used.set(row.id, nowMs);
    return {
      id: account.id,
      name: account.name,
      displayName: account.displayName,
      role: account.role,
      state: 'ok',
      loginSession: row.id,
      csrf: '',
      language: account.language,
      token: { name: row.name, scopes: toToken(row).scopes },
    };
  }

  #noteRefused(address: string): void {
    if (this.#refusals.take(addressKey(address)) > 0) {
      this.#refusedSilently += 1;
      return;
    }
    this.#parts.store.transact(strangerAt(address), events.refused({ since: this.#refusedSilently }), () => undefined);
    this.#refusedSilently = 0;
  }
}

function toToken(row: ApiTokenRow): ApiToken {
  const { id, name, createdAtMs, expiresAtMs, lastUsedAtMs } = row;
  // A scope that this version does not know gives nothing.
  const scopes = API_SCOPES.filter((scope) => row.scopes.split(' ').includes(scope));
  return { id, name, scopes, createdAtMs, expiresAtMs, lastUsedAtMs };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

const tooManyTokens = () =>
  new AppError('conflict', 'API_TOKENS_LIMIT', `An account may have ${API_TOKENS_LIMIT} API tokens; revoke one first.`, {
    params: { limit: API_TOKENS_LIMIT },
  });
