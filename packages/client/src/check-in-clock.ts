/** When a passive client checks in again (B107): at least every so many hours, however the machine's clock is set and however long it slept. */

const HOUR_MS = 60 * 60_000;
/** Each time falls within this share before the hours are over, so that a fleet that started at once does not check in at once. */
const JITTER = 0.1;
/** How often the clocks are compared: also the longest delay after the machine wakes up. */
export const CLOCK_LOOK_MS = 30_000;

export interface Clocks {
  /** Wall clock, which people and time servers set. */
  wallMs(): number;
  /** Goes forward only; may stand still while the machine sleeps. */
  steadyMs(): number;
  random(): number;
}

export const systemClocks: Clocks = {
  wallMs: () => Date.now(),
  steadyMs: () => performance.now(),
  random: () => Math.random(),
};

export class CheckInClock {
  readonly #clocks: Clocks;
  #wallMs: number;
  #steadyMs: number;
  #share: number;

  /** Counts from now. */
  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks;
    this.#wallMs = clocks.wallMs();
    this.#steadyMs = clocks.steadyMs();
    this.#share = 1 - clocks.random() * JITTER;
  }

  /** A check-in just ended. */
  restart(): void {
    this.#wallMs = this.#clocks.wallMs();
    this.#steadyMs = this.#clocks.steadyMs();
    this.#share = 1 - this.#clocks.random() * JITTER;
  }

  /** Milliseconds until the next check-in; 0 when it is due. Whichever clock went further counts: a clock set forward checks in early, one set back never late. */
  leftMs(checkInHours: number): number {
    const passedMs = Math.max(this.#clocks.wallMs() - this.#wallMs, this.#clocks.steadyMs() - this.#steadyMs);
    return Math.max(0, checkInHours * HOUR_MS * this.#share - passedMs);
  }
}
