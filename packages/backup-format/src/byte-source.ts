/** Exact numbers of bytes out of an asynchronous stream. */
import { truncated } from './backup-faults.ts';

export class ByteSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #signal: AbortSignal | undefined;
  #held: Buffer = Buffer.alloc(0);
  #isAtEnd = false;

  constructor(source: AsyncIterable<Uint8Array>, signal?: AbortSignal) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#signal = signal;
  }

  /** Exactly `bytes`, in one buffer: for short things. Throws `BACKUP_TRUNCATED`. */
  async take(bytes: number): Promise<Buffer> {
    const found = await this.peek(bytes);
    if (found.length < bytes) throw truncated();
    this.#held = this.#held.subarray(bytes);
    return found;
  }

  /** The next `bytes`, or what is left, without taking them. */
  async peek(bytes: number): Promise<Buffer> {
    const pieces = [this.#held];
    let held = this.#held.length;
    while (held < bytes && (await this.#more())) {
      pieces.push(this.#held);
      held += this.#held.length;
    }
    this.#held = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    return this.#held.subarray(0, bytes);
  }

  /** Exactly `bytes`, piece by piece. Throws `BACKUP_TRUNCATED`. */
  async *pieces(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0;) {
      if (this.#held.length === 0 && !(await this.#more())) throw truncated();
      const piece = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** All that is left. */
  async *rest(): AsyncGenerator<Buffer> {
    if (this.#held.length > 0) yield this.#held;
    this.#held = Buffer.alloc(0);
    while (await this.#more()) yield this.#held;
    this.#held = Buffer.alloc(0);
  }

  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  /** Replaces what is held by the next piece that is not empty; false at the end. */
  async #more(): Promise<boolean> {
    while (!this.#isAtEnd) {
      this.#signal?.throwIfAborted();
      const { value, done } = await this.#iterator.next();
      if (done === true) this.#isAtEnd = true;
      else if (value.length > 0) {
        this.#held = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        return true;
      }
    }
    this.#held = Buffer.alloc(0);
    return false;
  }
}
