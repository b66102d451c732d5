/** A token bucket in bytes: `bytesPerSecond` sustained, `burstBytes` above it. Time comes from the caller. */
export class RateQuota {
  readonly #bytesPerSecond: number;
  readonly #burstBytes: number;
  #tokens: number;
  #atMs: number;

  constructor(bytesPerSecond: number, burstBytes: number, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#burstBytes = burstBytes;
    this.#tokens = burstBytes;
    this.#atMs = nowMs;
  }

  /** Takes `bytes`; returns for how many milliseconds nothing more may be read (0: go on). */
  take(bytes: number, nowMs: number): number {
    if (nowMs > this.#atMs) {
      this.#tokens = Math.min(this.#burstBytes, this.#tokens + ((nowMs - this.#atMs) * this.#bytesPerSecond) / 1000);
      this.#atMs = nowMs;
    }
    this.#tokens -= bytes;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1000) / this.#bytesPerSecond);
  }
}
