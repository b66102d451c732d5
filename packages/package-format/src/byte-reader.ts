/** Takes exact numbers of bytes from a stream, with memory for one chunk more than is asked for. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #truncated: () => Error;
  #rest: Uint8Array = new Uint8Array(0);
  #isEnded = false;

  /** `truncated` makes the error for a stream that ends too early. */
  constructor(source: AsyncIterable<Uint8Array>, truncated: () => Error) {
    this.#source = source[Symbol.asyncIterator]();
    this.#truncated = truncated;
  }

  /** Exactly `bytes` bytes; for headers, which are short. */
  async take(bytes: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.pieces(bytes)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** `bytes` bytes in pieces as they come. */
  async *pieces(bytes: number): AsyncGenerator<Uint8Array> {
    let left = bytes;
    while (left > 0) {
      if (!(await this.#fill())) throw this.#truncated();
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** Whether nothing is left. */
  async isAtEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0 && !this.#isEnded) {
      const next = await this.#source.next();
      if (next.done) this.#isEnded = true;
      else this.#rest = next.value;
    }
    return this.#rest.length > 0;
  }
}
