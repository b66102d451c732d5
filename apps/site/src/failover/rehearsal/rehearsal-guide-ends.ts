/** Each test of the standby comes to an end in the audit, also one that a restart of the primary cut: what the backup says was held in it is written down (B133, I5). */
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalOrder, RehearsalReport, RehearsalSession } from '@bascule/protocol/rehearsal.ts';
import { SYSTEM, type AuditEvent, type Context } from '@bascule/store/store.ts';
import { rehearsalEnded, rehearsalNoted, rehearsalSessionHeld } from './rehearsal-guide-events.ts';
import type { Pair } from '../pair.ts';
import { readValue, removeValue, writeValue, type OpenRehearsal } from '../pair-store.ts';

/** The backup ends sessions, writes down what is kept, and throws the copy away: it is looked at for so long at a time. */
const SETTLE_LIMIT_MS = 60_000;
const SETTLE_LOOK_MS = 500;
/** Reading a large audit takes the backup a quarter of an hour at most. When it takes longer (its disk is full), its own audit alone says what was held, and the next test may begin. */
const GIVE_UP_MS = 16 * 60_000;
/** A test that an earlier start left is looked after this often, until the backup has said what it came to. */
const LEFT_LOOK_MS = 5_000;
const LEFT_REASON = 'The primary was stopped or started anew.';

export interface RehearsalEndsOptions {
  pair(): Pair | undefined;
  audit(context: Context, event: AuditEvent): void;
  canAudit(): boolean;
  say(order: RehearsalOrder): Promise<RehearsalReport | undefined>;
  isRunning(): boolean;
  log: Log;
  /** Shorter for tests. */
  limits?: { settleMs: number; giveUpMs: number };
}

export class RehearsalEnds {
  readonly #options: RehearsalEndsOptions;
  #timer: NodeJS.Timeout | undefined;
  #settling: Promise<void> | undefined;
  /** Since when, in this program, a test waits for what the backup writes down. */
  #since: { id: string; atMs: number } | undefined;
  #isClosed = false;

  constructor(options: RehearsalEndsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#lookForLeft(), LEFT_LOOK_MS).unref();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  /** From now on there is this test, whatever happens to this program. */
  note(open: OpenRehearsal, what = 'begun'): void {
    const store = this.#options.pair()?.parts.records.store;
    store?.transact(SYSTEM, rehearsalNoted({ rehearsal: open.id, what }), (tx) => writeValue(tx, 'ledRehearsal', open));
  }

  /** Whether a test has no end in the audit yet. */
  get isOpen(): boolean {
    return this.#open() !== undefined;
  }

  /** Ends the noted test at the backup, and writes down what was held in it. Throws what the backup does not answer: then it is tried again later. */
  async settle(context: Context, reason: string): Promise<void> {
    this.#settling ??= this.#settle(context, reason).finally(() => (this.#settling = undefined));
    await this.#settling;
  }

  async #settle(context: Context, reason: string): Promise<void> {
    const open = this.#open();
    if (open === undefined || this.#isClosed) return;
    // Why it ended stays known when the backup does not answer now.
    if (open.reason === undefined) this.note({ ...open, reason: reason.slice(0, 500) }, 'ending');
    const { settleMs, giveUpMs } = this.#options.limits ?? { settleMs: SETTLE_LIMIT_MS, giveUpMs: GIVE_UP_MS };
    if (this.#since?.id !== open.id) this.#since = { id: open.id, atMs: performance.now() };
    const { atMs } = this.#since;
    const endMs = performance.now() + settleMs;
    let report = await this.#options.say({ kind: 'end', rehearsal: open.id, by: context.actor.name });
    while (report?.rehearsal === open.id && isUnderWay(report) && performance.now() < endMs) {
      await delay(SETTLE_LOOK_MS);
      report = await this.#options.say({ kind: 'look', rehearsal: open.id, steps: [] });
    }
    if (!this.#options.canAudit() || this.#isClosed) return;
    const own = report?.rehearsal === open.id ? report : undefined;
    const isWhole = own !== undefined && !isUnderWay(own);
    // What was held in it is to be in the audit here: it is asked for again.
    if (own !== undefined && !isWhole && performance.now() - atMs < giveUpMs) throw notWhole();
    await this.#write(context, open, reason, isWhole ? own : undefined);
  }

  async #write(context: Context, open: OpenRehearsal, reason: string, report: RehearsalReport | undefined): Promise<void> {
    const { audit, pair, canAudit } = this.#options;
    for (const held of report?.sessions ?? []) {
      audit(SYSTEM, rehearsalSessionHeld(eventOf(open, held)));
      // Each waits for the disk: hundreds in one turn would hold up the loop that keeps the lease.
      await nextTurn();
      if (!canAudit() || this.#isClosed) return;
    }
    const sessions = report?.sessions.length ?? null;
    audit(
      context,
      rehearsalEnded({ rehearsal: open.id, standby: open.standby, reason, sessions, archive: report?.archive ?? null }),
    );
    const store = pair()?.parts.records.store;
    store?.transact(SYSTEM, rehearsalNoted({ rehearsal: open.id, what: 'over' }), (tx) => removeValue(tx, 'ledRehearsal'));
  }

  /** Of an earlier start, or one whose end the backup did not answer. */
  async #lookForLeft(): Promise<void> {
    const { pair, canAudit, isRunning, log } = this.#options;
    const parts = pair()?.parts;
    if (isRunning() || !canAudit() || parts === undefined || !parts.records.isActive || !parts.watch.isReachable) return;
    const open = this.#open();
    if (open === undefined) return;
    try {
      await this.settle(SYSTEM, open.reason ?? LEFT_REASON);
    } catch (error) {
      log.info({ err: error }, 'failover.rehearsal-not-settled');
    }
  }

  #open(): OpenRehearsal | undefined {
    const store = this.#options.pair()?.parts.records.store;
    return store === undefined ? undefined : readValue(store, 'ledRehearsal');
  }
}

function eventOf({ id }: OpenRehearsal, held: RehearsalSession): Parameters<typeof rehearsalSessionHeld>[0] {
  const { session, user, item, startedAtMs, endedAtMs, recordingSha256, recordingBytes } = held;
  const startedAt = new Date(startedAtMs).toISOString();
  const endedAt = endedAtMs === null ? null : new Date(endedAtMs).toISOString();
  return { rehearsal: id, session, user, item, startedAt, endedAt, recordingSha256, recordingBytes };
}

function notWhole(): AppError {
  return new AppError('unavailable', 'REHEARSAL_NOT_SETTLED', 'The backup still writes down what was held in the test.');
}

function isUnderWay({ state }: RehearsalReport): boolean {
  return state === 'preparing' || state === 'open' || state === 'ending';
}
