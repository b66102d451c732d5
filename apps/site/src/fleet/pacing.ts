/** Slices in which bytes leave. */
export const SLICE_MS = 50;
/** What may leave at once after a lull, in milliseconds of the limit: within the 5 % that any five seconds may exceed it by. */
export const BURST_MS = 200;
/** Without a limit (or with a very high one) no slice sends more than this: the program has other work. */
export const SLICE_MAX_BYTES = 4 * 1024 * 1024;
/** One write to one client. */
export const WRITE_MAX_BYTES = 64 * 1024;
export const WRITE_MIN_BYTES = 1024;
/** In one turn a transfer may have this much (a TLS record) although many wait: small pieces for all of them would cost more than what is in them. */
export const TURN_BYTES = 16 * 1024;
/** What TLS and HTTP add to what is written, so that the limit holds for the line. */
const TLS_RECORD_BYTES = 16 * 1024;
const TLS_OVERHEAD_BYTES = 29;
export const HEAD_BYTES = 400;

/** One response that is being sent. */
export interface PacedTransfer {
  /** What is left, in bytes. */
  readonly left: number;
  /** Writes up to `bytes` now; how many it was (0: nothing is at hand), and whether more may follow before `ready` is called. */
  write(bytes: number): { bytes: number; canGoOn: boolean };
}

/** On the line, for so many bytes written. */
export function lineBytes(bytes: number): number {
  return bytes + Math.ceil(bytes / TLS_RECORD_BYTES) * TLS_OVERHEAD_BYTES;
}

/**
 * Paces all downloads together (docs/decisions/0141): one token bucket, shared fairly in turns. It has neither clock nor timer: `pump` says when it wants to be called again.
 */
export class Pacing {
  #bytesPerSecond: number | null;
  #tokens = 0;
  #atMs: number;
  #sliceAtMs: number;
  #sliceLeft = SLICE_MAX_BYTES;
  /** In turn; a transfer whose socket is full is not in it. */
  readonly #ready = new Set<PacedTransfer>();

  constructor(bytesPerSecond: number | null, nowMs: number) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#atMs = nowMs;
    this.#sliceAtMs = nowMs;
  }

  setLimit(bytesPerSecond: number | null, nowMs: number): void {
    this.#refill(nowMs);
    this.#bytesPerSecond = bytesPerSecond;
    this.#tokens = Math.min(this.#tokens, this.#capacity());
  }

  /** Whether the transfer waits for its turn, and not for its own socket. */
  isWaiting(transfer: PacedTransfer): boolean {
    return this.#ready.has(transfer);
  }

  /** The transfer can take bytes. `head`: its response begins. */
  ready(transfer: PacedTransfer, head = false): void {
    if (head) this.#tokens -= HEAD_BYTES;
    this.#ready.add(transfer);
  }

  remove(transfer: PacedTransfer): void {
    this.#ready.delete(transfer);
  }

  /** Sends what may leave at `nowMs`. In how many milliseconds to call again; undefined: when `ready` was called. */
  pump(nowMs: number): number | undefined {
    this.#refill(nowMs);
    while (this.#ready.size > 0) {
      const budget = Math.min(this.#sliceLeft, this.#bytesPerSecond === null ? SLICE_MAX_BYTES : this.#tokens);
      // A little is saved up, so that the line is not filled with tiny records.
      if (budget < Math.min(WRITE_MIN_BYTES, this.#capacity())) return SLICE_MS;
      const share = Math.max(TURN_BYTES, Math.floor(budget / this.#ready.size));
      const transfer = this.#ready.values().next().value!;
      this.#ready.delete(transfer);
      const { bytes, canGoOn } = transfer.write(Math.floor(Math.min(share, WRITE_MAX_BYTES, Math.max(1, budget))));
      const cost = lineBytes(bytes);
      this.#tokens -= cost;
      this.#sliceLeft -= cost;
      if (canGoOn && transfer.left > 0) this.#ready.add(transfer);
    }
    return undefined;
  }

  #capacity(): number {
    return this.#bytesPerSecond === null ? SLICE_MAX_BYTES : (this.#bytesPerSecond * BURST_MS) / 1000;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    if (this.#bytesPerSecond === null) this.#tokens = SLICE_MAX_BYTES;
    else this.#tokens = Math.min(this.#capacity(), this.#tokens + (elapsedMs * this.#bytesPerSecond) / 1000);
    if (nowMs - this.#sliceAtMs >= SLICE_MS) {
      this.#sliceAtMs = nowMs;
      this.#sliceLeft = SLICE_MAX_BYTES;
    }
  }
}
