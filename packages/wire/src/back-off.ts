/** Waiting times between tries: exponential, with full jitter, so that many who lost one appliance do not come back at once. Runs in browsers. */
export class BackOff {
  readonly #firstMs: number;
  readonly #mostMs: number;
  readonly #random: () => number;
  #tries = 0;

  constructor(firstMs: number, mostMs: number, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#mostMs = mostMs;
    this.#random = random;
  }

  /** The next pause, in milliseconds. */
  next(): number {
    const ceiling = Math.min(this.#mostMs, this.#firstMs * 2 ** Math.min(this.#tries++, 30));
    return Math.round(this.#random() * ceiling);
  }

  reset(): void {
    this.#tries = 0;
  }
}
