/** Each test of the standby comes to an end in the audit, also one that a restart of the primary cut: what the backup says was held in it is written down (B133, I5). */
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalOrder, RehearsalReport } from '@bascule/protocol/rehearsal.ts';
import { SYSTEM, type AuditEvent, type Context } from '@bascule/store/store.ts';
import { rehearsalEnded, rehearsalNoted, rehearsalSessionHeld } from './rehearsal-guide-events.ts';
import type { Pair } from '../pair.ts';
import { readValue, removeValue, writeValue, type OpenRehearsal } from '../pair-store.ts';

/** The backup ends sessions, writes down what is kept, and throws the copy away. When that takes longer (its disk is full), its own audit alone says what was held. */
const SETTLE_LIMIT_MS = 60_000;
const SETTLE_LOOK_MS = 500;
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
}

export class RehearsalEnds {
  readonly #options: RehearsalEndsOptions;
  #timer: NodeJS.Timeout | undefined;
  #settling: Promise<void> | undefined;
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
    const endMs = performance.now() + SETTLE_LIMIT_MS;
    let report = await this.#options.say({ kind: 'end', rehearsal: open.id, by: context.actor.name });
    while (report?.rehearsal === open.id && isUnderWay(report) && performance.now() < endMs) {
      await delay(SETTLE_LOOK_MS);
      report = await this.#options.say({ kind: 'look', rehearsal: open.id, steps: [] });
    }
    if (!this.#options.canAudit() || this.#isClosed) return;
    const isWhole = report?.rehearsal === open.id && !isUnderWay(report);
    this.#write(context, open, reason, isWhole ? report : undefined);
  }

  #write(context: Context, open: OpenRehearsal, reason: string, report: RehearsalReport | undefined): void {
    const { audit, pair } = this.#options;
    for (const held of report?.sessions ?? [])
      audit(
        SYSTEM,
        rehearsalSessionHeld({
          rehearsal: open.id,
          session: held.session,
          user: held.user,
          item: held.item,
          startedAt: new Date(held.startedAtMs).toISOString(),
          endedAt: held.endedAtMs === null ? null : new Date(held.endedAtMs).toISOString(),
          recordingSha256: held.recordingSha256,
          recordingBytes: held.recordingBytes,
        }),
      );
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

function isUnderWay({ state }: RehearsalReport): boolean {
  return state === 'preparing' || state === 'open' || state === 'ending';
}
