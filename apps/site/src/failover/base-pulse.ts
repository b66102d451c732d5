/** Whether base, through which everybody reaches main and which holds the shared addresses, is alive (docs/decisions/0246). */

/** A base that answers each sign of life of main's by a question of its own asks at least this often. An older one asks more rarely, and is believed. */
const PACE_MS = 2_000;
/** Questions that stay away for longer: base hangs, or is gone. What the lease is then good for, nobody can reach. */
export const BASE_SILENCE_LIMIT_MS = 1_500;

export class BasePulse {
  readonly #now: () => number;
  #heardAtMs: number | undefined;
  #isPaced = false;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Base asked something. */
  heard(): void {
    const nowMs = this.#now();
    this.#isPaced ||= this.#heardAtMs !== undefined && nowMs - this.#heardAtMs <= PACE_MS;
    this.#heardAtMs = nowMs;
  }

  get isAlive(): boolean {
    return !this.#isPaced || this.#now() - (this.#heardAtMs ?? 0) <= BASE_SILENCE_LIMIT_MS;
  }
}
