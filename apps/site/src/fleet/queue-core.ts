import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';
import { DueHeap } from './due-heap.ts';
import { QueueEntries } from './queue-entries.ts';
import { RingSchedule } from './ring-schedule.ts';
import * as types from './queue-types.ts';
import type {
  Halt,
  OrderInfo,
  QueueClient,
  QueueEffect,
  QueueEntry,
  QueueLimits,
  QueueReport,
  ReportAnswer,
  RingState,
} from './queue-types.ts';

export interface QueueStart {
  limits: QueueLimits;
  rings?: readonly RingState[];
  startedAtMs?: number | null;
  endedAtMs?: number | null;
  isPaused?: boolean;
  halt?: Halt | null;
}

/**
 * The decisions of the upgrade queue (docs/decisions/0139): state, events and the time in, orders, halts and changes of rings out. It has no clock, no timer and no
 * database; whoever drives it calls `tick` and takes the effects. No event looks at all clients.
 */
export class QueueCore {
  #limits: QueueLimits;
  readonly entries: QueueEntries;
  readonly #rings: RingSchedule;
  readonly #due = new DueHeap();
  #effects: QueueEffect[] = [];
  #isOpen = false;
  #isPaused: boolean;
  #halt: Halt | null;
  #endedAtMs: number | null;
  #startsLeft = 0;
  #startsAtMs = 0;
  #lastFront = 0;

  constructor(start: QueueStart) {
    this.#limits = start.limits;
    this.entries = new QueueEntries(start.limits.rings);
    this.#rings = new RingSchedule(start.limits, start.rings, start.startedAtMs ?? null);
    this.#isPaused = start.isPaused ?? false;
    this.#halt = start.halt ?? null;
    this.#endedAtMs = start.endedAtMs ?? null;
  }

  get halt(): Halt | null {
    return this.#halt;
  }
  get isPaused(): boolean {
    return this.#isPaused;
  }
  get isOpen(): boolean {
    return this.#isOpen;
  }
  get startedAtMs(): number | null {
    return this.#rings.startedAtMs;
  }
  get endedAtMs(): number | null {
    return this.#endedAtMs;
  }
  get rings(): readonly RingState[] {
    return this.#rings.states;
  }
  /** When the ring opens, as far as that is known. */
  opensAtMs(ring: number): number | null {
    return this.#rings.opensAtMs(ring);
  }
  /** Whether orders are given now. */
  get isRunning(): boolean {
    return this.#isOpen && !this.#isPaused && this.#halt === null;
  }

  /** Whether the entry waits in a queue from which orders are given. */
  mayBegin(entry: QueueEntry): boolean {
    return this.entries.isQueued(entry.id) && (entry.front > 0 || this.#rings.isOpen(entry.ring));
  }

  /** What is to be done, once. */
  take(): QueueEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** A client that the database knows, with what was saved of it; replaces nothing that is there. */
  add(client: QueueClient, saved: types.SavedEntry | undefined, nowMs: number): void {
    if (this.entries.get(client.id) !== undefined) return;
    const entry = this.entries.create(client);
    if (saved !== undefined) {
      Object.assign(entry, saved);
      this.#lastFront = Math.max(this.#lastFront, saved.front);
      const ring = this.#rings.states[entry.ring]!;
      if (entry.counted > 0) ring.begun += 1;
      if (entry.counted === 2) ring.bad += 1;
      if (entry.phase !== 'none') this.#lease(entry, Math.max(entry.leaseUntilMs, nowMs + types.RESTORED_LEASE_MS));
      else if (entry.nextTryAtMs !== null) this.#lookAt(entry, entry.nextTryAtMs);
    }
    this.entries.refresh(entry, nowMs);
  }

  /** The database's row changed: group, approval, or what its software is compared with the site's. */
  change(client: QueueClient, nowMs: number): void {
    const entry = this.entries.get(client.id);
    if (entry === undefined) return this.add(client, undefined, nowMs);
    if (entry.groupId === client.groupId && entry.standing === client.standing && entry.isEligible === client.isEligible) return;
    if (!client.isEligible) this.#cancel(entry, nowMs);
    this.#place(entry, client);
    this.#setStanding(entry, client.standing);
    this.#changed(entry, nowMs);
  }

  /** The client is gone from the list. */
  remove(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    this.#cancel(entry, nowMs, true);
    this.#uncount(entry);
    this.entries.delete(entry);
  }

  /**
   * Its link came. `report`: what it says about an order. `fits`: its software is what the newest order was about. `onTrial`: it runs a bundle that has not proved itself.
   * Answers what to say to the report.
   */
  hello(
    client: QueueClient,
    said: { report: QueueReport | undefined; fits: boolean; onTrial: boolean; inSession: boolean },
    nowMs: number,
  ): ReportAnswer {
    if (this.entries.get(client.id) === undefined) this.add(client, undefined, nowMs);
    const entry = this.entries.get(client.id)!;
    entry.isOnline = true;
    entry.inSession = said.inSession;
    this.#place(entry, client);
    if (entry.outcome !== 'done' && said.fits && !said.onTrial) {
      // What it runs counts, whether or not it could say so.
      this.#succeed(entry, client.standing, nowMs);
      return said.report === undefined ? 'none' : 'noted';
    }
    let answer: ReportAnswer = 'none';
    if (said.report !== undefined) answer = this.#report(entry, said.report, said.fits, client.standing, nowMs);
    this.#setStanding(entry, client.standing);
    // Brought to another version by other hands: the order is void.
    if (entry.standing !== 'behind' && !said.onTrial) this.#cancel(entry, nowMs, true);
    const isAboutOrder = said.report !== undefined && said.report.order === entry.order?.id;
    if (!isAboutOrder && !said.onTrial && (entry.phase === 'downloading' || entry.phase === 'restarting'))
      this.#resend(entry, nowMs);
    this.#changed(entry, nowMs);
    return answer;
  }

  /** Its link went. */
  offline(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry === undefined) return;
    entry.isOnline = false;
    if (entry.phase === 'downloading') this.#lease(entry, nowMs + types.AWAY_LEASE_MS);
    this.#changed(entry, nowMs);
  }

  /** An access session on the client began or the last one ended. */
  session(id: string, isOn: boolean, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.inSession === isOn) return;
    entry.inSession = isOn;
    if (!isOn) entry.heldUntilMs = 0;
    // What it fetched is kept: the slot is for somebody who can use it.
    if (isOn && (entry.phase === 'preparing' || entry.phase === 'downloading')) this.#cancel(entry, nowMs);
    this.#changed(entry, nowMs);
  }

  /** `upgrade-status` of a connected client; `fits` and `standing` as its software says, taken as proved. */
  report(id: string, report: QueueReport, said: { fits: boolean; standing: types.Standing }, nowMs: number): ReportAnswer {
    const entry = this.entries.get(id);
    if (entry === undefined) return isOutcome(report) ? 'noted' : 'cancel';
    const answer = this.#report(entry, report, said.fits, said.standing, nowMs);
    this.#changed(entry, nowMs);
    return answer;
  }

  /** The client is being served, or the site itself makes it wait: it is not silent. */
  progress(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry?.phase === 'downloading') entry.leaseUntilMs = Math.max(entry.leaseUntilMs, downloadLease(entry, nowMs));
  }

  /** The order is written down and about to leave. False: void meanwhile, and must not leave. */
  begun(id: string, order: OrderInfo, nowMs: number): boolean {
    const entry = this.entries.get(id);
    if (entry?.phase !== 'preparing') return false;
    // Ended with nobody to upgrade: the rollout begins only now.
    if (this.#endedAtMs !== null && !this.#rings.hasBegun) {
      this.#endedAtMs = null;
      this.#rings.goOn();
    }
    const ring = this.#rings.states[entry.ring]!;
    if (entry.counted === 0) {
      entry.counted = 1;
      ring.begun += 1;
    }
    Object.assign(entry, {
      order,
      phase: 'downloading',
      resends: 0,
      outcome: undefined,
      failure: null,
      reason: null,
      endedAtMs: null,
      nextTryAtMs: null,
    });
    ring.hasBegun = true;
    entry.attempts += 1;
    this.#lease(entry, nowMs + types.DOWNLOAD_LEASE_MS);
    this.#changed(entry, nowMs);
    return true;
  }

  /** No order could be made or written down: the client waits a little, in its place. */
  notBegun(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry?.phase !== 'preparing') return;
    entry.phase = 'none';
    entry.nextTryAtMs = nowMs + types.NOT_BEGUN_WAIT_MS;
    this.#lookAt(entry, entry.nextTryAtMs);
    this.#changed(entry, nowMs);
  }

  /** The order is no longer what the client would get: another one follows. */
  void(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry !== undefined) this.#cancel(entry, nowMs);
  }

  /** B110: before all others, whatever its ring. */
  toFront(id: string, nowMs: number): void {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.standing !== 'behind' || entry.front > 0) return;
    this.#lastFront += 1;
    entry.front = this.#lastFront;
    if (entry.nextTryAtMs !== null) entry.nextTryAtMs = nowMs;
    this.#effects.push({ kind: 'save', client: id });
    this.#changed(entry, nowMs);
  }

  /** Somebody tries again with a client that failed. False when it did not. */
  retry(id: string, nowMs: number): boolean {
    const entry = this.entries.get(id);
    if (entry === undefined || (entry.outcome !== 'failed' && entry.outcome !== 'rolled-back')) return false;
    Object.assign(entry, { outcome: undefined, attempts: 0, nextTryAtMs: null });
    this.#effects.push({ kind: 'save', client: id });
    this.#changed(entry, nowMs);
    return true;
  }

  setLimits(limits: QueueLimits, nowMs: number): void {
    const isSameRings = JSON.stringify(limits.rings) === JSON.stringify(this.#limits.rings);
    this.#limits = limits;
    this.#rings.setLimits(limits);
    if (!isSameRings) {
      for (const entry of this.entries.all()) this.#uncount(entry);
      this.#rings.regroup(limits.rings.length);
      this.entries.regroup(limits.rings, nowMs);
    }
    this.tick(nowMs);
  }

  /** Whether the queue is open at all: committed, and not switched off. */
  setOpen(isOpen: boolean, nowMs: number): void {
    if (this.#isOpen === isOpen) return;
    this.#isOpen = isOpen;
    if (isOpen) this.#rings.start(nowMs);
    else this.#cancelDownloads(nowMs);
  }

  pause(nowMs: number): void {
    this.#isPaused = true;
    this.#cancelDownloads(nowMs);
  }

  /** Goes on after a pause or a halt; what failed before counts no more for a halt. */
  resume(retryFailed: boolean, nowMs: number): void {
    this.#isPaused = false;
    if (this.#halt !== null) {
      this.#halt = null;
      for (const entry of this.entries.all()) entry.counted = 0;
      this.#rings.forgive();
    }
    if (!retryFailed) return;
    for (const entry of this.entries.all()) this.retry(entry.id, nowMs);
  }

  haltWith(code: Halt['code'], ring: number, nowMs: number): void {
    if (this.#halt !== null) return;
    const state = this.#rings.states[ring]!;
    this.#halt = { code, ring, bad: state.bad, begun: state.begun, atMs: nowMs };
    state.isHalted = true;
    this.#effects.push({ kind: 'halted', halt: this.#halt });
    this.#cancelDownloads(nowMs);
  }

  /** Looks at what is due, at the rings, and begins with as many as may begin now. */
  tick(nowMs: number): void {
    this.#takeDue(nowMs);
    if (!this.isRunning) {
      this.#startsAtMs = nowMs;
      return;
    }
    for (const change of this.#rings.advance(nowMs, (ring) => this.entries.isRingFinished(ring))) this.#effects.push(change);
    if (this.#endedAtMs === null && this.#rings.isDone) {
      this.#endedAtMs = nowMs;
      this.#effects.push({ kind: 'ended' });
    }
    this.#begin(nowMs);
  }

  #begin(nowMs: number): void {
    const { maxStartsPerSecond, maxConcurrent } = this.#limits;
    const elapsedMs = Math.max(0, nowMs - this.#startsAtMs);
    this.#startsAtMs = nowMs;
    const burst = Math.max(1, maxStartsPerSecond * types.STARTS_BURST);
    this.#startsLeft = Math.min(burst, this.#startsLeft + (elapsedMs * maxStartsPerSecond) / 1000);
    while (this.#startsLeft >= 1 && this.entries.active.size < maxConcurrent) {
      const entry = this.entries.first((ring) => this.#rings.isOpen(ring));
      if (entry === undefined) return;
      this.#startsLeft -= 1;
      entry.phase = 'preparing';
      this.#lease(entry, nowMs + types.PREPARE_LEASE_MS);
      this.entries.refresh(entry, nowMs);
      this.#effects.push({ kind: 'begin', client: entry.id });
    }
  }

  #takeDue(nowMs: number): void {
    for (let id = this.#due.take(nowMs); id !== undefined; id = this.#due.take(nowMs)) {
      const entry = this.entries.get(id);
      // Another item of the same entry that has come too late to matter.
      if (entry === undefined || entry.dueAtMs === null || entry.dueAtMs > nowMs) continue;
      entry.dueAtMs = null;
      if (entry.phase !== 'none') {
        if (entry.leaseUntilMs > nowMs) this.#lookAt(entry, entry.leaseUntilMs);
        else this.#leaseOver(entry, nowMs);
      }
      if (entry.heldUntilMs > nowMs) this.#lookAt(entry, entry.heldUntilMs);
      else entry.heldUntilMs = 0;
      if (entry.nextTryAtMs !== null && entry.nextTryAtMs > nowMs) this.#lookAt(entry, entry.nextTryAtMs);
      this.#changed(entry, nowMs);
    }
  }

  #leaseOver(entry: QueueEntry, nowMs: number): void {
    if (entry.phase === 'preparing') return this.notBegun(entry.id, nowMs);
    const order = entry.order!.id;
    this.#fail(entry, 'failed', { failure: 'silent', reason: undefined }, nowMs);
    this.#effects.push({ kind: 'cancel', client: entry.id, order });
  }

  #report(entry: QueueEntry, report: QueueReport, fits: boolean, standing: types.Standing, nowMs: number): ReportAnswer {
    if (entry.order?.id !== report.order) return isOutcome(report) ? 'noted' : 'cancel';
    const isActive = entry.phase !== 'none';
    switch (report.state) {
      case 'downloading':
      case 'verifying':
        if (entry.phase === 'downloading') this.#lease(entry, downloadLease(entry, nowMs));
        return isActive ? 'none' : 'cancel';
      case 'waiting-for-session':
        if (entry.phase !== 'downloading') return isActive ? 'none' : 'cancel';
        entry.heldUntilMs = nowMs + types.SESSION_HOLD_MS;
        this.#lookAt(entry, entry.heldUntilMs);
        this.#cancel(entry, nowMs);
        return 'none';
      case 'restarting':
        // Also of an order that was void already: it crossed our word, and the restart is a fact. Told again it gains no time.
        if (entry.outcome === 'done' || entry.phase === 'restarting') return 'none';
        if (entry.outcome === 'cancelled') entry.attempts += 1;
        entry.phase = 'restarting';
        entry.outcome = undefined;
        this.#effects.push({ kind: 'save', client: entry.id });
        this.#lease(entry, nowMs + this.#limits.healthMs + types.RESTART_GRACE_MS);
        return 'none';
      case 'done':
        if (entry.outcome === 'done') return 'noted';
        if (fits) this.#succeed(entry, standing, nowMs);
        else this.#fail(entry, 'failed', WRONG_CLAIM, nowMs);
        return 'noted';
      default:
        // An outcome that was told before is not a second failure.
        if (isActive || entry.failure === 'silent' || entry.outcome === 'cancelled')
          this.#fail(entry, report.state, report, nowMs);
        return 'noted';
    }
  }

  #resend(entry: QueueEntry, nowMs: number): void {
    entry.resends += 1;
    if (entry.resends > types.RESENDS_MAX) return this.#fail(entry, 'failed', LOST_ORDER, nowMs);
    entry.phase = 'downloading';
    this.#lease(entry, downloadLease(entry, nowMs));
    this.#effects.push({ kind: 'resend', client: entry.id });
  }

  #succeed(entry: QueueEntry, standing: types.Standing, nowMs: number): void {
    const ring = this.#rings.states[entry.ring]!;
    if (entry.counted === 2) {
      entry.counted = 1;
      ring.bad -= 1;
    }
    Object.assign(entry, {
      phase: 'none',
      outcome: 'done',
      failure: null,
      reason: null,
      endedAtMs: nowMs,
      attempts: 0,
      nextTryAtMs: null,
      standing,
    });
    if (standing !== 'behind') {
      entry.front = 0;
    }
    this.#effects.push({ kind: 'upgraded', client: entry.id }, { kind: 'save', client: entry.id });
    this.#changed(entry, nowMs);
  }

  #fail(
    entry: QueueEntry,
    outcome: 'failed' | 'rolled-back',
    { failure, reason }: { failure?: UpgradeFailure | undefined; reason?: string | undefined },
    nowMs: number,
  ): void {
    // An order that crossed a cancellation did not count as an attempt.
    if (entry.outcome === 'cancelled') entry.attempts += 1;
    const mayRetry = entry.attempts < types.ATTEMPTS_MAX;
    const waitMs = Math.min(types.RETRY_MAX_MS, types.RETRY_FIRST_MS * 2 ** Math.max(0, entry.attempts - 1));
    Object.assign(entry, {
      phase: 'none',
      outcome,
      failure: failure ?? 'other',
      reason: reason?.slice(0, types.REASON_MAX_LENGTH) ?? null,
      endedAtMs: nowMs,
      front: 0,
      nextTryAtMs: mayRetry ? nowMs + waitMs : null,
    });
    if (entry.order !== undefined && isProgramsFault(outcome, failure)) entry.failedVersion = entry.order.version;
    if (entry.nextTryAtMs !== null) this.#lookAt(entry, entry.nextTryAtMs);
    if (entry.counted === 1) {
      entry.counted = 2;
      this.#rings.states[entry.ring]!.bad += 1;
    }
    this.#effects.push({ kind: 'failed', client: entry.id }, { kind: 'save', client: entry.id });
    this.#changed(entry, nowMs);
    this.#checkHalt(entry.ring, failure === 'silent', nowMs);
  }

  #checkHalt(index: number, isSilence: boolean, nowMs: number): void {
    const { begun, bad } = this.#rings.states[index]!;
    if (bad < this.#limits.haltMinimum || bad * 100 <= begun * this.#limits.haltPercent) return;
    this.haltWith(isSilence ? 'silence' : 'failures', index, nowMs);
  }

  /** The order is void; it was no attempt. What the client fetched is kept there. */
  #cancel(entry: QueueEntry, nowMs: number, alsoOnTrial = false): void {
    if (entry.phase === 'none' || (entry.phase === 'restarting' && !alsoOnTrial)) return;
    if (entry.phase !== 'preparing') {
      entry.attempts = Math.max(0, entry.attempts - 1);
      entry.outcome = 'cancelled';
      entry.endedAtMs = nowMs;
      this.#effects.push({ kind: 'cancel', client: entry.id, order: entry.order!.id }, { kind: 'save', client: entry.id });
    }
    entry.phase = 'none';
    this.#changed(entry, nowMs);
  }

  #cancelDownloads(nowMs: number): void {
    for (const id of this.entries.active) this.#cancel(this.entries.get(id)!, nowMs);
  }

  #setStanding(entry: QueueEntry, standing: types.Standing): void {
    entry.standing = standing;
    if (standing === 'behind' || entry.phase !== 'none') return;
    // Brought up to date by hand: nothing is held against it any more.
    entry.front = 0;
    if (entry.outcome !== 'failed' && entry.outcome !== 'rolled-back') return;
    this.#uncount(entry);
    Object.assign(entry, { outcome: undefined, failure: null, reason: null, attempts: 0, nextTryAtMs: null });
  }

  #place(entry: QueueEntry, client: QueueClient): void {
    const ring = this.entries.ringOf(client);
    if (ring !== entry.ring) this.#uncount(entry);
    Object.assign(entry, { ring, groupId: client.groupId, isEligible: client.isEligible });
  }

  #uncount(entry: QueueEntry): void {
    const ring = this.#rings.states[entry.ring]!;
    if (entry.counted > 0) ring.begun -= 1;
    if (entry.counted === 2) ring.bad -= 1;
    entry.counted = 0;
  }

  #lease(entry: QueueEntry, untilMs: number): void {
    entry.leaseUntilMs = untilMs;
    this.#lookAt(entry, untilMs);
  }

  /** One item of the heap for each entry, unless something earlier comes up: what was prolonged is looked at again at its new end. */
  #lookAt(entry: QueueEntry, atMs: number): void {
    if (entry.dueAtMs !== null && entry.dueAtMs <= atMs) return;
    entry.dueAtMs = atMs;
    this.#due.add(atMs, entry.id);
  }

  #changed(entry: QueueEntry, nowMs: number): void {
    if (this.entries.refresh(entry, nowMs)) this.#effects.push({ kind: 'changed', client: entry.id });
  }
}

const WRONG_CLAIM = {
  failure: 'wrong-bytes',
  reason: 'It says that it is done, but what it runs is not what was ordered.',
} as const;
const LOST_ORDER = { failure: 'other', reason: 'It keeps coming back without knowing its order.' } as const;

/** Until when a client that works at its download is believed to. */
function downloadLease(entry: QueueEntry, nowMs: number): number {
  return Math.min(nowMs + types.DOWNLOAD_LEASE_MS, (entry.order?.begunAtMs ?? nowMs) + types.ORDER_MAX_MS);
}

function isOutcome(report: QueueReport): boolean {
  return report.state === 'done' || report.state === 'failed' || report.state === 'rolled-back';
}

/** Bytes that did not come, or a full disk, say nothing of the version; a program that was tried and did not prove itself does. */
function isProgramsFault(outcome: 'failed' | 'rolled-back', failure: UpgradeFailure | undefined): boolean {
  return outcome === 'rolled-back' || failure === 'does-not-start' || failure === 'no-shell';
}
