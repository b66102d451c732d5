export interface RateLimitOptions {
  /** How many at once. */
  burst: number;
  perSecond: number;
  /** How many keys are remembered; the one that was used longest ago is forgotten first. */
  keysLimit: number;
  now: () => number;
}

/** Token buckets by key, in bounded memory. */
export class RateLimit {
  readonly #options: RateLimitOptions;
  readonly #buckets = new Map<string, { tokens: number; atMs: number }>();

  constructor(options: RateLimitOptions) {
    this.#options = options;
  }

  /** Takes one token of `key`: 0 when it was there, otherwise the seconds until there is one. */
  take(key: string): number {
    const { burst, perSecond, keysLimit } = this.#options;
    const nowMs = this.#options.now();
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    // Taken out and put in again: the map's order is that of the last use.
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) / 1000) * perSecond);
    bucket.atMs = nowMs;
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > keysLimit && oldest !== undefined) this.#buckets.delete(oldest);
    if (bucket.tokens < 1) return Math.max(1, Math.ceil((1 - bucket.tokens) / perSecond));
    bucket.tokens -= 1;
    return 0;
  }
}
