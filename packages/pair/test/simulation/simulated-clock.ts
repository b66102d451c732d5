import type { World } from './world.ts';

/** The steps of /proc/uptime. */
const GRAIN_MS = 10;

/**
 * A node's boot clock, which runs a little fast or slow, and its wall clock, which people and NTP set. The lease is counted on the first; `usesWallClock` is a control.
 */
export class SimulatedClock {
  readonly #world: World;
  readonly #usesWallClock: boolean;
  readonly #rate: number;
  #offset: number;
  #wallOffset = 0;

  constructor(world: World, options: { rate: number; usesWallClock: boolean }) {
    this.#world = world;
    this.#rate = options.rate;
    this.#usesWallClock = options.usesWallClock;
    this.#offset = Math.floor(world.between(1_000, 1_000_000));
  }

  get nowMs(): number {
    return this.at(this.#world.now);
  }

  at(trueMs: number): number {
    const ms = this.#offset + this.#rate * trueMs + (this.#usesWallClock ? this.#wallOffset : 0);
    return Math.floor(ms / GRAIN_MS) * GRAIN_MS;
  }

  /** How long `ms` of this clock truly take. */
  truly(ms: number): number {
    return ms / this.#rate;
  }

  setWallClock(byMs: number): void {
    this.#wallOffset += byMs;
  }

  /** The machine was started anew: its boot clock begins elsewhere. */
  restart(): void {
    this.#offset = Math.floor(this.#world.between(1_000, 1_000_000));
  }
}
