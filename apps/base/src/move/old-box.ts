/** The old box of a move: makes the transfer code, and answers the new box that has it (B203-B206; docs/decisions/0360). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import {
  CODE_ADDRESSES_MAX,
  TRANSFER_CODE_HOURS,
  TRANSFER_MOVE_DAYS,
  type MovedTo,
  type OldBoxAnswer,
  type OldBoxQuestion,
  type TransferCodeContent,
} from '@bascule/protocol/api/move.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import type { Log } from '@bascule/log/log.ts';
import { SYSTEM, type AuditEvent, type Context, type Store } from '@bascule/store/store.ts';
import { EndingMoves, hasGone } from './ending-moves.ts';
import { codeRefused, notNow } from './move-errors.ts';
import * as events from './move-events.ts';
import { readMoveValue, removeMoveValue, writeMoveValue, type MoveValue } from './move-store.ts';

const HOUR_MS = 60 * 60_000;
const DAY_MS = 24 * HOUR_MS;
const SECRET_BYTES = 32;
/** Orders to the site, by number: one that was given already is asked for by it. */
const ORDER = { key: 1, establish: 2, end: 3, cancel: 4, state: 5 } as const;

/** What a move needs of the box it runs on. */
export interface MoveHost {
  pairDo(
    plan: string,
    step: number,
    order: PairOrder,
  ): Promise<{ outcome: 'done' | 'running' | 'failed'; error?: string; result?: unknown }>;
  sitePreflight(): Promise<{ databaseBytes: number; clientsOnline: number; sessions: unknown[] }>;
  readonly pairState: { role: string } | undefined;
}

export interface OldBoxOptions {
  store: Store;
  host: MoveHost;
  applianceName: string;
  publicHost: string;
  publicPort: number;
  versions(): { base: string; site: string };
  /** SHA-256 (base64) of the key that the web is served with under the public host. */
  webKeyPin(): string;
  /** Where this machine is reached, best first. */
  addresses(): Endpoint[];
  settings(withSecrets: boolean): Promise<string>;
  log: Log;
  now(): number;
}

export class OldBox {
  readonly endings: EndingMoves;
  readonly #options: OldBoxOptions;

  constructor(options: OldBoxOptions) {
    this.#options = options;
    this.endings = new EndingMoves(options);
  }

  /** The code that was made; undefined: none, or it was over before it was used. */
  get code(): MoveValue<'code'> | undefined {
    const code = this.#kept;
    // A move that is begun is ended, by whomever, before its code is gone.
    return code === undefined || (code.move === null && this.#isOver(code)) ? undefined : code;
  }

  get moved(): MoveValue<'moved'> | undefined {
    return readMoveValue(this.#options.store, 'moved');
  }

  /** A new code; one of before counts no more. Throws `MOVE_NOT_NOW` while a move goes on. */
  makeCode(context: Context): { code: string; validUntilMs: number } {
    const { store, publicHost, addresses, webKeyPin, now } = this.#options;
    if (this.#kept?.move != null) throw notNow('another transfer code');
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const endpoints = addresses().slice(0, CODE_ADDRESSES_MAX);
    const content: TransferCodeContent = { endpoints, name: publicHost, pin: webKeyPin(), secret };
    const validUntilMs = now() + TRANSFER_CODE_HOURS * HOUR_MS;
    store.transact(context, events.codeMade({}), (tx) =>
      writeMoveValue(tx, 'code', { secretSha256: secretHash(secret), validUntilMs, move: null, usedBy: null, keySha256: null }),
    );
    return { code: `bt1.${Buffer.from(JSON.stringify(content)).toString('base64url')}`, validUntilMs };
  }

  /** Takes the code back. A move that it served is over: the site takes back its pre-shared key and, while this box serves, ends the relationship. */
  async revokeCode(context: Context): Promise<void> {
    this.#over(context, events.codeRevoked({}));
    await this.endings.tell();
  }

  /** A move whose time is over ends here, unless the other box serves: then it is only to be ended by that one. */
  look(): void {
    const code = this.#kept;
    const { host } = this.#options;
    const role = host.pairState?.role;
    if (code?.move != null && this.#isOver(code) && role !== undefined && !hasGone(role))
      this.#over(SYSTEM, events.codeOver({ appliance: code.usedBy ?? '' }));
    this.endings.tellSoon();
  }

  /** Answers the new box. Whoever has no valid code gets the answer for what does not exist. */
  async answer(context: Context, secret: string | undefined, question: OldBoxQuestion): Promise<OldBoxAnswer> {
    const code = this.#codeFor(question);
    const expected = Buffer.from(code?.secretSha256 ?? secretHash(''), 'hex');
    if (!timingSafeEqual(hash(secret ?? ''), expected) || code === undefined) throw codeRefused();
    if ('move' in question && question.move !== code.move) throw codeRefused();
    const { settings, host } = this.#options;
    switch (question.kind) {
      case 'look':
        return await this.#look();
      case 'begin':
        return await this.#begin(context, code, question);
      case 'establish':
        return await this.#establish(code, question);
      case 'settings':
        if (code.move === null) throw codeRefused();
        this.#note(context, events.settingsGiven({ appliance: code.usedBy ?? '' }));
        return { kind: 'settings', settings: await settings(true) };
      case 'state': {
        const { outcome, result, error } = await host.pairDo(code.move ?? 'look', ORDER.state, { kind: 'state' });
        if (outcome !== 'done') throw siteSaidNo(error);
        return { kind: 'state', state: result };
      }
      case 'end':
        return await this.#end(context, code, question.moved);
      case 'cancel':
        await this.revokeCode(context);
        return { kind: 'done' };
    }
  }

  async #look(): Promise<OldBoxAnswer> {
    const { host, applianceName, publicHost, publicPort, versions, settings, now } = this.#options;
    const site = await host.sitePreflight().catch(() => undefined);
    const { base, site: siteVersion } = versions();
    return {
      kind: 'look',
      appliance: applianceName,
      baseVersion: base,
      siteVersion,
      publicHost,
      publicPort,
      nowMs: now(),
      role: host.pairState?.role ?? null,
      databaseBytes: site?.databaseBytes ?? null,
      clientsOnline: site?.clientsOnline ?? null,
      sessions: site?.sessions.length ?? null,
      settings: await settings(false),
    };
  }

  /** The code serves this move alone from now on; the site takes the key by which the two will know each other. Harmless when done again, with that key alone. */
  async #begin(
    context: Context,
    { secretSha256 }: MoveValue<'code'>,
    { by, appliance, key }: Extract<OldBoxQuestion, { kind: 'begin' }>,
  ): Promise<OldBoxAnswer> {
    await this.#endedEarlier();
    const code = this.#kept;
    // Taken back, or begun by another one, while this one waited.
    if (code?.secretSha256 !== secretSha256) throw codeRefused();
    const keySha256 = hash(key).toString('hex');
    if (code.move !== null && (code.usedBy !== appliance || (code.keySha256 ?? keySha256) !== keySha256)) throw codeRefused();
    const move = code.move ?? moveIdOf(code.secretSha256, appliance);
    const validUntilMs = code.move === null ? this.#options.now() + TRANSFER_MOVE_DAYS * DAY_MS : code.validUntilMs;
    this.#options.store.transact(
      context,
      events.codeUsed({ appliance: `${appliance} (${by})`, address: context.address }),
      (tx) => writeMoveValue(tx, 'code', { ...code, move, usedBy: appliance, validUntilMs, keySha256 }),
    );
    await this.#order(move, ORDER.key, { kind: 'take-key', key });
    return { kind: 'done' };
  }

  /** Running for as long as it takes; asked for again. */
  async #establish(code: MoveValue<'code'>, { old, own }: Extract<OldBoxQuestion, { kind: 'establish' }>): Promise<OldBoxAnswer> {
    const request = { backup: own, primary: old, withCertificate: true, mode: 'async' as const };
    return { kind: await this.#order(code.move ?? '', ORDER.establish, { kind: 'establish', request }) };
  }

  /** The other box serves: this one becomes its signpost. The code is over. */
  async #end(context: Context, { move }: MoveValue<'code'>, moved: MovedTo): Promise<OldBoxAnswer> {
    const outcome = await this.#order(move ?? '', ORDER.end, { kind: 'end-move', moved });
    if (outcome === 'running') return { kind: 'running' };
    const { store, now } = this.#options;
    store.transact(context, events.signpostSet({ appliance: moved.appliance }), (tx) => {
      writeMoveValue(tx, 'moved', { ...moved, atMs: now() });
      removeMoveValue(tx, 'code');
    });
    return { kind: 'done' };
  }

  get #kept(): MoveValue<'code'> | undefined {
    return readMoveValue(this.#options.store, 'code');
  }

  /** When the site has gone already, what is left is to lead people there, however long the recordings took. */
  #codeFor({ kind }: OldBoxQuestion): MoveValue<'code'> | undefined {
    const { code } = this;
    const mayEnd = kind === 'end' && hasGone(this.#options.host.pairState?.role);
    return code === undefined || (this.#isOver(code) && !mayEnd) ? undefined : code;
  }

  #isOver({ validUntilMs }: MoveValue<'code'>): boolean {
    return validUntilMs <= this.#options.now();
  }

  #over(context: Context, event: AuditEvent): void {
    const move = this.#kept?.move ?? null;
    this.#options.store.transact(context, event, (tx) => {
      removeMoveValue(tx, 'code');
      if (move !== null) this.endings.note(tx, { plan: move, step: ORDER.cancel, side: 'old' });
    });
  }

  /** What ends a move of before would end this one. */
  async #endedEarlier(): Promise<void> {
    if (this.endings.isPending) await this.endings.tell();
    if (this.endings.isPending) throw siteSaidNo('A move of before is still being ended there. Try again in a minute.');
  }

  async #order(move: string, number: number, order: PairOrder): Promise<'done' | 'running'> {
    const { outcome, error } = await this.#options.host.pairDo(move, number, order);
    if (outcome === 'failed') throw siteSaidNo(error);
    return outcome;
  }

  #note(context: Context, event: AuditEvent): void {
    this.#options.store.transact(context, event, () => undefined);
  }
}

/** What both boxes call the move, from the code's secret (SHA-256, hex) and the new box's name. */
export function moveIdOf(secretSha256: string, appliance: string): string {
  return `mov_${hash(`${secretSha256} ${appliance}`).toString('hex').slice(0, 32)}`;
}

export function secretHash(secret: string): string {
  return hash(secret).toString('hex');
}

function siteSaidNo(error: string | undefined): AppError {
  return new AppError('conflict', 'MOVE_SITE_SAID_NO', error ?? 'The site gave no reason.');
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
