import { count, ringOf, stateOf } from './queue-rings.ts';
import { NO_COUNTS, type QueueClient, type QueueEntry, type QueueRing, type RolloutCounts } from './queue-types.ts';

/** What an entry was counted and queued as, so that it can be taken back. */
interface Shown {
  ring: number;
  isEligible: boolean;
  isOnline: boolean;
  state: QueueEntry['state'];
  isRetrying: boolean;
  /** In which queue it waits: that of those in front, or its ring's. */
  queue: Set<string> | undefined;
}

type Kept = QueueEntry & { shown: Shown | undefined };

/** All clients of the queue: who waits in which order, who holds a slot, and how many are how far; each kept up with every change of one entry. */
export class QueueEntries {
  readonly #entries = new Map<string, Kept>();
  readonly #front = new Set<string>();
  #rings: readonly QueueRing[];
  #queues: Set<string>[];
  #counts: RolloutCounts[];
  #retrying: number[];
  #places: Map<string, number> | undefined;
  /** Whoever holds a slot. */
  readonly active = new Set<string>();

  constructor(rings: readonly QueueRing[]) {
    this.#rings = rings;
    this.#queues = rings.map(() => new Set());
    this.#counts = rings.map(() => ({ ...NO_COUNTS }));
    this.#retrying = rings.map(() => 0);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): QueueEntry | undefined {
    return this.#entries.get(id);
  }

  all(): IterableIterator<QueueEntry> {
    return this.#entries.values();
  }

  /** An entry without a past; `refresh` counts it. */
  create(client: QueueClient): QueueEntry {
    const entry: Kept = {
      ...client,
      ring: ringOf(client, this.#rings),
      isOnline: false,
      inSession: false,
      heldUntilMs: 0,
      order: undefined,
      phase: 'none',
      leaseUntilMs: 0,
      dueAtMs: null,
      resends: 0,
      outcome: undefined,
      failure: null,
      reason: null,
      endedAtMs: null,
      attempts: 0,
      nextTryAtMs: null,
      failedVersion: null,
      front: 0,
      counted: 0,
      state: 'pending',
      shown: undefined,
    };
    this.#entries.set(client.id, entry);
    return entry;
  }

  /** The ring in which `client` belongs. */
  ringOf(client: QueueClient): number {
    return ringOf(client, this.#rings);
  }

  delete(entry: QueueEntry): void {
    const kept = this.#entries.get(entry.id);
    if (kept === undefined) return;
    this.#forget(kept);
    this.active.delete(entry.id);
    this.#entries.delete(entry.id);
  }

  /** Other rings: everybody is placed anew. */
  regroup(rings: readonly QueueRing[], nowMs: number): void {
    for (const kept of this.#entries.values()) this.#forget(kept);
    this.#rings = rings;
    this.#queues = rings.map(() => new Set());
    this.#counts = rings.map(() => ({ ...NO_COUNTS }));
    this.#retrying = rings.map(() => 0);
    for (const kept of this.#entries.values()) {
      kept.ring = ringOf(kept, rings);
      this.refresh(kept, nowMs);
    }
  }

  /** Takes over what changed of `entry`: counts, slots, its place. Answers whether what is shown of it changed. */
  refresh(entry: QueueEntry, nowMs: number): boolean {
    const kept = this.#entries.get(entry.id);
    if (kept === undefined) return false;
    const state = stateOf(kept);
    const queue = isReady(kept, nowMs) ? (kept.front > 0 ? this.#front : this.#queues[kept.ring]!) : undefined;
    const isRetrying = isWaitingToRetry(kept);
    const before = kept.shown;
    if (kept.phase === 'none') this.active.delete(kept.id);
    else this.active.add(kept.id);
    if (
      before !== undefined &&
      before.state === state &&
      before.queue === queue &&
      before.isOnline === kept.isOnline &&
      before.isEligible === kept.isEligible &&
      before.ring === kept.ring &&
      before.isRetrying === isRetrying
    )
      return false;
    // Whoever stays in the same queue keeps the place there.
    if (before?.queue !== undefined && before.queue !== queue) before.queue.delete(kept.id);
    if (before !== undefined) this.#uncount(before);
    kept.state = state;
    const shown = { ring: kept.ring, isEligible: kept.isEligible, isOnline: kept.isOnline, state, isRetrying, queue };
    kept.shown = shown;
    count(this.#counts[shown.ring]!, shown, 1);
    if (isRetrying) this.#retrying[shown.ring]! += 1;
    queue?.add(kept.id);
    if (before?.queue !== queue) this.#places = undefined;
    return before?.state !== state || before.queue !== queue;
  }

  /** Who may begin next: those in front, then ring after ring. */
  first(isOpen: (ring: number) => boolean): QueueEntry | undefined {
    for (const id of this.#front) return this.#entries.get(id);
    for (let ring = 0; ring < this.#queues.length; ring += 1) {
      if (!isOpen(ring)) continue;
      for (const id of this.#queues[ring]!) return this.#entries.get(id);
    }
    return undefined;
  }

  counts(ring: number): Readonly<RolloutCounts> {
    return this.#counts[ring]!;
  }

  /** Of all rings. */
  total(): RolloutCounts {
    const sum = { ...NO_COUNTS };
    for (const counts of this.#counts) for (const key of Object.keys(sum) as (keyof RolloutCounts)[]) sum[key] += counts[key];
    return sum;
  }

  /** Nobody of the ring is left who could still be upgraded. */
  isRingFinished(ring: number): boolean {
    const counts = this.#counts[ring]!;
    return counts.pending + counts.waitingForSession + counts.downloading + counts.restarting + this.#retrying[ring]! === 0;
  }

  /** Whether the client waits for an order. */
  isQueued(id: string): boolean {
    return this.#entries.get(id)?.shown?.queue !== undefined;
  }

  /** Everybody's place from 1; worked out when it is asked for after a change. */
  places(): ReadonlyMap<string, number> {
    if (this.#places !== undefined) return this.#places;
    const places = new Map<string, number>();
    for (const queue of [this.#front, ...this.#queues]) for (const id of queue) places.set(id, places.size + 1);
    this.#places = places;
    return places;
  }

  #forget(kept: Kept): void {
    if (kept.shown === undefined) return;
    kept.shown.queue?.delete(kept.id);
    this.#uncount(kept.shown);
    kept.shown = undefined;
    this.#places = undefined;
  }

  #uncount(shown: Shown): void {
    count(this.#counts[shown.ring]!, shown, -1);
    if (shown.isRetrying) this.#retrying[shown.ring]! -= 1;
  }
}

function isFailed(entry: QueueEntry): boolean {
  return entry.outcome === 'failed' || entry.outcome === 'rolled-back';
}

function isWaitingToRetry(entry: QueueEntry): boolean {
  return (
    entry.isEligible && entry.standing === 'behind' && entry.phase === 'none' && isFailed(entry) && entry.nextTryAtMs !== null
  );
}

/** Whether an order could be given now. */
function isReady(entry: QueueEntry, nowMs: number): boolean {
  if (!entry.isEligible || !entry.isOnline || entry.standing !== 'behind' || entry.phase !== 'none') return false;
  if (entry.inSession || entry.heldUntilMs > 0) return false;
  return entry.nextTryAtMs === null ? !isFailed(entry) : entry.nextTryAtMs <= nowMs;
}
