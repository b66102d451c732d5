/** Keys counted in one window at most; further keys are above the limit. */
const KEYS_LIMIT = 10_000;

/**
 * Allows `perKey` events of one key, and `inAll` of all keys, in a window of `windowMs`. Unlike the token buckets of `@bascule/http/rate-limit.ts` it bounds all keys together too,
 * which is what keeps enrolments and audit events of many addresses from filling the disk.
 */
export class WindowLimit {
  #windowMs: number;
  #perKey: number;
  #inAll: number;
  #now: () => number;
  #windowStartMs = 0;
  #counts = new Map<string, number>();
  #total = 0;

  constructor(options: { windowMs: number; perKey: number; inAll: number; now: () => number }) {
    this.#windowMs = options.windowMs;
    this.#perKey = options.perKey;
    this.#inAll = options.inAll;
    this.#now = options.now;
  }

  /** Counts one event of `key`; false when it is above the limit. */
  take(key: string): boolean {
    const nowMs = this.#now();
    if (nowMs - this.#windowStartMs >= this.#windowMs || nowMs < this.#windowStartMs) {
      this.#windowStartMs = nowMs;
      this.#counts.clear();
      this.#total = 0;
    }
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#perKey || this.#total >= this.#inAll || this.#counts.size >= KEYS_LIMIT) return false;
    this.#counts.set(key, count + 1);
    this.#total += 1;
    return true;
  }
}
