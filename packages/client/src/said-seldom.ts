/** Says the same thing again only after a while, so that a client that tries for days does not fill its log with it. */
export class SaidSeldom {
  readonly #everyMs: number;
  #last: { what: string; atMs: number } | undefined;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** Whether `what` is to be said now; `nowMs` on any clock that only goes forward. */
  isDue(what: string, nowMs: number): boolean {
    if (this.#last?.what === what && nowMs - this.#last.atMs < this.#everyMs) return false;
    this.#last = { what, atMs: nowMs };
    return true;
  }

  /** The next thing is said, whatever it is. */
  forget(): void {
    this.#last = undefined;
  }
}
