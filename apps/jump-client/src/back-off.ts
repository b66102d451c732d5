/** Exponential back-off with full jitter: a random time up to `firstMs`, then twice that, and so on up to `maxMs` (wire 3.8, 5.6). */
export class BackOff {
  #firstMs: number;
  #attempt = 0;
  #random: () => number;

  constructor(firstMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#random = random;
  }

  /** How long to wait before the next attempt, milliseconds. */
  nextMs(maxMs: number): number {
    const ceilingMs = Math.min(maxMs, this.#firstMs * 2 ** Math.min(this.#attempt, 20));
    this.#attempt += 1;
    return this.#random() * ceilingMs;
  }

  reset(): void {
    this.#attempt = 0;
  }
}
