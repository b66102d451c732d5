import { notFound } from '@bascule/errors/app-error.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type AuditEvent, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { newToken } from './enrolment.ts';
import { tooManyTokens, unknownGroup } from './jump-errors.ts';
import * as rows from './jump-store.ts';
import type { TokenRow } from './jump-store.ts';
import type { SiteIdentity } from './site-identity.ts';

/** Installer tokens that are valid at one time, at most. */
export const VALID_TOKENS_LIMIT = 200;
const LOCAL_TOKEN_LIFE_MS = 10 * 60_000;
/** Of tokens for the client on the appliance itself. */
export const LOCAL_TOKEN_NAME = 'This machine';

const tokenCreated = defineAuditEvent('JUMP_TOKEN_CREATED', 'Created installer token {name}, {uses:use,uses}', {
  waitsForPeer: true,
});
const tokenRevoked = defineAuditEvent('JUMP_TOKEN_REVOKED', 'Revoked installer token {name}', { waitsForPeer: true });

/** What goes with a token besides its group: from the installer that it belongs to. */
export interface TokenRules {
  program: 'jump-client' | 'jumpoint';
  mode: 'active' | 'passive';
  tags: string[];
  comment: string;
  /** Nobody enrols with it now. `message` is for whoever has proved to hold the token; `retryAfterMs` 0: it never comes right. */
  refuse?: { reason: 'outdated' | 'early'; message: string; retryAfterMs: number };
}

/** Installer tokens: what enrols Jump Clients. Only the SHA-256 of a secret is stored. */
export class InstallerTokens {
  #store: Store;
  #identity: SiteIdentity;
  #now: () => number;
  #judge: (tokenId: string) => TokenRules | undefined = () => undefined;

  constructor(options: { store: Store; identity: SiteIdentity; now: () => number }) {
    this.#store = options.store;
    this.#identity = options.identity;
    this.#now = options.now;
  }

  /** The newest tokens, without their secrets. */
  list() {
    return rows.latestTokens(this.#store).map((row) => this.#toToken(row));
  }

  /** Who knows what goes with a token. */
  judgeBy(judge: (tokenId: string) => TokenRules | undefined): void {
    this.#judge = judge;
  }

  /** What goes with the token; undefined for a plain one. */
  rulesOf(tokenId: string): TokenRules | undefined {
    return this.#judge(tokenId);
  }

  /** Makes an installer token; its text is in the answer and nowhere else. `owner` makes the row that the token belongs to, in the same transaction, and tells the event. */
  create(
    context: Context,
    options: { name: string; validForMs: number; uses: number; groupId: string | null; approveEach: boolean },
    owner?: { event: AuditEvent; insert(tx: Tx, tokenId: string, text: string): void },
  ) {
    const nowMs = this.#now();
    if (options.groupId !== null && rows.groupName(this.#store, options.groupId) === undefined)
      throw unknownGroup('body.groupId');
    if (rows.countValidTokens(this.#store, nowMs) >= VALID_TOKENS_LIMIT) throw tooManyTokens(VALID_TOKENS_LIMIT);
    const { text, ...made } = newToken({ identity: this.#identity, nowMs });
    const event = tokenCreated({ tokenId: made.id, name: options.name, uses: options.uses, approveEach: options.approveEach });
    this.#store.transact(context, owner?.event ?? event, (tx) => {
      rows.insertToken(tx, {
        ...made,
        name: options.name,
        groupId: options.groupId,
        createdBy: context.actor.name,
        createdAtMs: nowMs,
        validUntilMs: nowMs + options.validForMs,
        uses: options.uses,
        approveEach: options.approveEach ? 1 : 0,
      });
      owner?.insert(tx, made.id, text);
    });
    return { token: this.#toToken(rows.tokenById(this.#store, made.id)!), text };
  }

  /** The token enrols nobody any more. `owner`: what else changes in the same transaction, and its event. */
  revoke(context: Context, id: string, owner?: { event: AuditEvent; change(tx: Tx): void }): void {
    const token = rows.tokenById(this.#store, id);
    if (token === undefined) throw notFound();
    this.#store.transact(context, owner?.event ?? tokenRevoked({ tokenId: id, name: token.name }), (tx) => {
      rows.revokeToken(tx, id);
      owner?.change(tx);
    });
  }

  /** A token for the client on this very machine: one use, ten minutes, approved at once. */
  createLocal(): string {
    const options = { name: LOCAL_TOKEN_NAME, validForMs: LOCAL_TOKEN_LIFE_MS, uses: 1, groupId: null, approveEach: false };
    return this.create(SYSTEM, options).text;
  }

  #toToken(row: TokenRow) {
    const state =
      row.revoked === 1
        ? ('revoked' as const)
        : row.usesLeft <= 0
          ? ('used-up' as const)
          : row.validUntilMs <= this.#now()
            ? ('expired' as const)
            : ('valid' as const);
    const { id, name, groupId, groupName, createdBy, createdAtMs, validUntilMs, usesLeft, uses } = row;
    return {
      id,
      name,
      groupId,
      groupName,
      createdBy,
      createdAtMs,
      validUntilMs,
      usesLeft,
      uses,
      approveEach: row.approveEach === 1,
      state,
    };
  }
}
