/** A passive client that has nothing to do is let go so long after it came: whoever waits for it has until then. */
export const CHECK_IN_GRACE_MS = 5000;
/** Looks at those that are due. */
const CHECK_INTERVAL_MS = 1000;

/**
 * Passive clients that are connected (B104, B107): each stays while somebody has something for it to do, and is told `check-in-over` then. The check costs what is
 * due, not what is connected.
 */
export class CheckIns {
  /** By client: when it is looked at, milliseconds since the epoch. In the order of time, for all are due after the same delay. */
  readonly #due = new Map<string, number>();
  readonly #isWanted: (clientId: string) => boolean;
  readonly #end: (clientId: string) => void;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;

  /** `isWanted`: somebody still has something for it to do. `end`: tells it that the check-in is over. */
  constructor(options: { isWanted(clientId: string): boolean; end(clientId: string): void; now(): number }) {
    this.#isWanted = (clientId) => options.isWanted(clientId);
    this.#end = (clientId) => options.end(clientId);
    this.#now = options.now;
    this.#timer = setInterval(() => this.check(), CHECK_INTERVAL_MS).unref();
  }

  /** A passive client came, or one became passive. */
  begin(clientId: string): void {
    this.#due.delete(clientId);
    this.#due.set(clientId, this.#now() + CHECK_IN_GRACE_MS);
  }

  /** The client went, or is not passive any more. */
  forget(clientId: string): void {
    this.#due.delete(clientId);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Lets those go that are due and not wanted; the others are looked at again later. */
  check(): void {
    const nowMs = this.#now();
    const due: string[] = [];
    for (const [clientId, atMs] of this.#due) {
      if (atMs > nowMs) break;
      due.push(clientId);
    }
    for (const clientId of due) {
      if (this.#isWanted(clientId)) {
        this.begin(clientId);
      } else {
        this.#due.delete(clientId);
        this.#end(clientId);
      }
    }
  }
}
