/** The old box of a move: makes the transfer code, and answers the new box that has it (B203-B206; docs/decisions/0360). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import {
  CODE_ADDRESSES_MAX,
  TRANSFER_CODE_HOURS,
  type MovedTo,
  type OldBoxAnswer,
  type OldBoxQuestion,
  type TransferCodeContent,
} from '@bascule/protocol/api/move.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import type { AuditEvent, Context, Store } from '@bascule/store/store.ts';
import { codeRefused, notNow } from './move-errors.ts';
import * as events from './move-events.ts';
import { readMoveValue, removeMoveValue, writeMoveValue, type MoveValue } from './move-store.ts';

const HOUR_MS = 60 * 60_000;
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
  now(): number;
}

export class OldBox {
  readonly #options: OldBoxOptions;

  constructor(options: OldBoxOptions) {
    this.#options = options;
  }

  /** The code in force; undefined: none, or it is over. */
  get code(): MoveValue<'code'> | undefined {
    const { store, now } = this.#options;
    const code = readMoveValue(store, 'code');
    // One that serves a move lasts as long as the move.
    return code === undefined || (code.move === null && code.validUntilMs <= now()) ? undefined : code;
  }

  get moved(): MoveValue<'moved'> | undefined {
    return readMoveValue(this.#options.store, 'moved');
  }

  /** A new code; one of before counts no more. Throws `MOVE_NOT_NOW` while a move goes on. */
  makeCode(context: Context): { code: string; validUntilMs: number } {
    const { store, publicHost, addresses, webKeyPin, now } = this.#options;
    if (this.code?.move != null) throw notNow('another transfer code');
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    const endpoints = addresses().slice(0, CODE_ADDRESSES_MAX);
    const content: TransferCodeContent = { endpoints, name: publicHost, pin: webKeyPin(), secret };
    const validUntilMs = now() + TRANSFER_CODE_HOURS * HOUR_MS;
    store.transact(context, events.codeMade({}), (tx) =>
      writeMoveValue(tx, 'code', { secretSha256: secretHash(secret), validUntilMs, move: null, usedBy: null }),
    );
    return { code: `bt1.${Buffer.from(JSON.stringify(content)).toString('base64url')}`, validUntilMs };
  }

  /** Takes the code back; a move that goes on cannot go on without it. */
  revokeCode(context: Context): void {
    this.#options.store.transact(context, events.codeRevoked({}), (tx) => removeMoveValue(tx, 'code'));
  }

  /** Answers the new box. Whoever has no valid code gets the answer for what does not exist. */
  async answer(context: Context, secret: string | undefined, question: OldBoxQuestion): Promise<OldBoxAnswer> {
    const code = this.code;
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
        await this.#order(question.move, ORDER.cancel, { kind: 'end-move', moved: null });
        this.revokeCode(context);
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

  /** The code serves this move alone from now on; the site takes the key by which the two will know each other. Harmless when done again. */
  async #begin(
    context: Context,
    code: MoveValue<'code'>,
    { by, appliance, key }: Extract<OldBoxQuestion, { kind: 'begin' }>,
  ): Promise<OldBoxAnswer> {
    if (code.move !== null && code.usedBy !== appliance) throw codeRefused();
    const move = code.move ?? moveIdOf(code.secretSha256, appliance);
    this.#options.store.transact(
      context,
      events.codeUsed({ appliance: `${appliance} (${by})`, address: context.address }),
      (tx) => writeMoveValue(tx, 'code', { ...code, move, usedBy: appliance }),
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
