import { InputRecord, RECORD_HEADER_BYTES } from '@bascule/wire/records.ts';

/** Counts the bytes typed in a stream of input: the payloads of KEYS (wire 5). Keeps numbers only, no input. */
export class TypedCount {
  /** Of the header that is being read. */
  #headerBytes = 0;
  #length = 0;
  #type = 0;
  #payloadLeft = 0;

  /** Takes the next bytes of the stream, in any pieces; gives how many of them were typed. What is no record the agent refuses. */
  push(bytes: Uint8Array): number {
    let typed = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, bytes.length - at);
        if (this.#type === InputRecord.keys) typed += taken;
        this.#payloadLeft -= taken;
        at += taken;
      } else this.#readHeader(bytes[at++]!);
    }
    return typed;
  }

  #readHeader(byte: number): void {
    if (this.#headerBytes === 0) [this.#type, this.#length] = [byte, 0];
    else this.#length = this.#length * 256 + byte;
    this.#headerBytes += 1;
    if (this.#headerBytes < RECORD_HEADER_BYTES) return;
    this.#headerBytes = 0;
    this.#payloadLeft = this.#length;
  }
}
