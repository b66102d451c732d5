import type { QueueEffect, QueueLimits, RingState } from './queue-types.ts';

const newRing = (): RingState => ({ openedAtMs: null, doneAtMs: null, hasBegun: false, begun: 0, bad: 0, isHalted: false });

/** Which rings are open: one after the other, each after the wait that follows the one before it. */
export class RingSchedule {
  #limits: QueueLimits;
  #startedAtMs: number | null;
  states: RingState[];

  /** `saved`: times of before a restart; how many were begun follows from the entries. */
  constructor(limits: QueueLimits, saved: readonly RingState[] | undefined, startedAtMs: number | null) {
    this.#limits = limits;
    this.#startedAtMs = startedAtMs;
    this.states = limits.rings.map((_, index) => ({ ...newRing(), ...saved?.[index], begun: 0, bad: 0 }));
  }

  get startedAtMs(): number | null {
    return this.#startedAtMs;
  }

  get isDone(): boolean {
    return this.states.every((ring) => ring.doneAtMs !== null);
  }

  /** Somebody was ever begun with in this rollout. */
  get hasBegun(): boolean {
    return this.states.some((ring) => ring.hasBegun);
  }

  /** What was done with nobody in it is not done. */
  goOn(): void {
    for (const ring of this.states) ring.doneAtMs = null;
  }

  isOpen(ring: number): boolean {
    return this.states[ring]!.openedAtMs !== null;
  }

  start(nowMs: number): void {
    this.#startedAtMs ??= nowMs;
  }

  setLimits(limits: QueueLimits): void {
    this.#limits = limits;
  }

  /** Other rings: what is open stays open; nobody counts as begun. */
  regroup(rings: number): void {
    this.states = Array.from({ length: rings }, (_, index) => ({
      ...newRing(),
      ...this.states[index],
      begun: 0,
      bad: 0,
      doneAtMs: null,
    }));
  }

  /** After a halt that somebody has decided about. */
  forgive(): void {
    for (const ring of this.states) Object.assign(ring, { begun: 0, bad: 0, isHalted: false });
  }

  /** When the ring opens; null while that depends on clients. */
  opensAtMs(index: number): number | null {
    const before = index === 0 ? this.#startedAtMs : (this.states[index - 1]!.doneAtMs ?? null);
    if (before === null) return null;
    // A wait is there to learn from those before: where there were none, nothing is waited for.
    const isWorthWaiting = index === 0 || this.states.slice(0, index).some((ring) => ring.hasBegun);
    return before + (isWorthWaiting ? this.#limits.rings[index]!.waitMs : 0);
  }

  /** Closes and opens what is due at `nowMs`. */
  advance(nowMs: number, isFinished: (ring: number) => boolean): QueueEffect[] {
    const effects: QueueEffect[] = [];
    for (const [index, ring] of this.states.entries()) {
      if (ring.openedAtMs === null) {
        const opensAtMs = this.opensAtMs(index);
        if (opensAtMs === null) break;
        // Nobody is left to upgrade in it or after it (all are current, or cannot upgrade themselves): nothing is worth its wait.
        const isNobodyLeft = this.states.every((_, other) => other < index || isFinished(other));
        if (nowMs < opensAtMs && !isNobodyLeft) break;
        ring.openedAtMs = nowMs;
        effects.push({ kind: 'ring-opened', ring: index });
      }
      if (ring.doneAtMs === null && (isFinished(index) || nowMs >= ring.openedAtMs + this.#limits.ringPatienceMs)) {
        ring.doneAtMs = nowMs;
        effects.push({ kind: 'ring-done', ring: index });
      }
      if (ring.doneAtMs === null) break;
    }
    return effects;
  }
}
