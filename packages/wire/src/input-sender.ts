/** The viewer's end of input (wire 4.6, 4.7): what was typed and is not confirmed yet. Pure; runs in browsers. */
import { WireError } from './frames.ts';

/** Under way to the agent at most (wire 4.7). */
export const INPUT_WINDOW_BYTES = 256 * 1024;
/** Waiting behind the window at most: a larger paste is refused. */
export const INPUT_QUEUE_MAX_BYTES = 8 * 1024 * 1024;

export class InputSender {
  #held: Uint8Array[] = [];
  #confirmed = 0;
  #end = 0;
  #sent = 0;

  /** Bytes typed that the agent has not confirmed. */
  get unconfirmedBytes(): number {
    return this.#end - this.#confirmed;
  }

  /** The position behind the last byte typed. */
  get end(): number {
    return this.#end;
  }

  /** Keeps `bytes` for sending; false, and nothing is kept, when too much waits already. */
  append(bytes: Uint8Array): boolean {
    if (this.unconfirmedBytes + bytes.length > INPUT_QUEUE_MAX_BYTES) return false;
    this.#held.push(bytes);
    this.#end += bytes.length;
    return true;
  }

  /** The next piece to send within the window, at most `maxBytes`; undefined when there is none. */
  take(maxBytes: number): { offset: number; bytes: Uint8Array } | undefined {
    const limit = Math.min(this.#confirmed + INPUT_WINDOW_BYTES, this.#end);
    if (this.#sent >= limit) return undefined;
    let at = this.#confirmed;
    for (const bytes of this.#held) {
      if (at + bytes.length > this.#sent) {
        const from = this.#sent - at;
        const piece = bytes.subarray(from, from + Math.min(maxBytes, limit - this.#sent));
        const offset = this.#sent;
        this.#sent += piece.length;
        return { offset, bytes: piece };
      }
      at += bytes.length;
    }
    return undefined;
  }

  /** The agent has everything before `offset`. Throws WireError when that was never typed. */
  confirm(offset: number): void {
    if (offset > this.#end) throw new WireError(`INPUT_ACK offset: ${offset} is beyond the ${this.#end} bytes typed`);
    while (this.#held.length > 0 && offset > this.#confirmed) {
      const first = this.#held[0]!;
      const taken = Math.min(first.length, offset - this.#confirmed);
      if (taken === first.length) this.#held.shift();
      else this.#held[0] = first.subarray(taken);
      this.#confirmed += taken;
    }
    this.#sent = Math.max(this.#sent, this.#confirmed);
  }

  /** After a reconnect: what the agent has rules; everything after it is sent again. */
  resumeFrom(offset: number): void {
    this.confirm(offset);
    this.#sent = this.#confirmed;
  }

  /** A link broke: what was sent may be lost. Nothing is sent until `resumeFrom`. */
  suspend(): void {
    this.#sent = this.#end;
  }
}
