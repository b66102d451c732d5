/**
 * Watches the frames of a zstd stream go by (RFC 8878, 3.1.1), without decompressing: Node's decompressor says nothing when a stream ends within its last frame but after its content, nor when something
 * that is no frame follows.
 */
import { damaged, truncated } from './backup-faults.ts';

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_BYTES = 3;
const RLE_BLOCK = 1;
const RESERVED_BLOCK = 3;
const CHECKSUM_BYTES = 4;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];

type Awaited = 'magic' | 'descriptor' | 'rest-of-header' | 'block' | 'content' | 'checksum';

/** Hands `source` on as it is. Throws `BACKUP_TRUNCATED` at an end within a frame, `BACKUP_DAMAGED` for what is none. */
export async function* watchFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frames = new Frames();
  for await (const piece of source) {
    frames.pass(piece);
    yield piece;
  }
  if (!frames.isBetween) throw truncated();
}

class Frames {
  #awaited: Awaited = 'magic';
  #left = 4;
  #held = 0;
  #taken = 0;
  #hasChecksum = false;
  #isLastBlock = false;

  /** No frame is open. */
  get isBetween(): boolean {
    return this.#awaited === 'magic' && this.#taken === 0;
  }

  pass(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      const length = Math.min(this.#left - this.#taken, piece.length - at);
      if (this.#isNumber()) for (let index = 0; index < length; index += 1) this.#hold(piece[at + index] ?? 0);
      else this.#taken += length;
      at += length;
      while (this.#taken === this.#left) this.#next();
    }
  }

  #isNumber(): boolean {
    return this.#awaited === 'magic' || this.#awaited === 'descriptor' || this.#awaited === 'block';
  }

  /** Little-endian. */
  #hold(byte: number): void {
    this.#held += byte * 2 ** (8 * this.#taken);
    this.#taken += 1;
  }

  #next(): void {
    const held = this.#held;
    switch (this.#awaited) {
      case 'magic':
        if (held !== MAGIC) throw damaged('something follows its end');
        return this.#await('descriptor', 1);
      case 'descriptor':
        return this.#await('rest-of-header', this.#restOfHeader(held));
      case 'rest-of-header':
        return this.#await('block', BLOCK_HEADER_BYTES);
      case 'block': {
        const type = (held >> 1) & 3;
        if (type === RESERVED_BLOCK) throw damaged('it cannot be decompressed');
        this.#isLastBlock = (held & 1) === 1;
        return this.#await('content', type === RLE_BLOCK ? 1 : held >> 3);
      }
      case 'content':
        if (!this.#isLastBlock) return this.#await('block', BLOCK_HEADER_BYTES);
        return this.#hasChecksum ? this.#await('checksum', CHECKSUM_BYTES) : this.#await('magic', 4);
      case 'checksum':
        return this.#await('magic', 4);
    }
  }

  #restOfHeader(descriptor: number): number {
    const isSingleSegment = (descriptor & 0x20) !== 0;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const sizeFlag = descriptor >> 6;
    const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeFlag] ?? 0);
    return (isSingleSegment ? 0 : 1) + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) + sizeBytes;
  }

  #await(awaited: Awaited, bytes: number): void {
    this.#awaited = awaited;
    this.#left = bytes;
    this.#taken = 0;
    this.#held = 0;
  }
}
