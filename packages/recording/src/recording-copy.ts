/**
 * A copy of a recording, made of its bytes as they come from whoever writes it (docs/spec/pair-copy.md). Only whole frames whose chained hash fits are written, so that the
 * copy is at every moment the beginning of the original: a recording of its own right (wire 6.5).
 */
import { createHash, hash as oneShotHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { getUint53 } from '@bascule/wire/frames.ts';
import {
  decodeBody,
  FrameKind,
  HASH_BYTES,
  NO_HASH,
  RECORDING_FRAME_MAX_BYTES,
  RECORDING_MAGIC,
  RecordingError,
} from './format.ts';
import { readFramesFrom } from './reader.ts';
import { writeAll } from './write-all.ts';

const LENGTH_BYTES = 4;
/** Length, type, offset and time of an output frame. */
const OUTPUT_HEAD_BYTES = LENGTH_BYTES + 1 + 16;

export class RecordingCopy {
  readonly #handle: FileHandle;
  readonly #checkGeneration: () => void;
  /** Bytes of the file that are written. */
  #written: number;
  /** The hash behind the last whole frame that was taken, and the output up to there. */
  #hash: Buffer;
  #outBytes: number;
  #ended: boolean;
  /** Whole frames that are not written yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** The beginning of a frame whose rest has not come. */
  #partial: Buffer[] = [];
  #partialBytes = 0;

  private constructor(handle: FileHandle, state: CopyPlace & { ended: boolean }, checkGeneration: () => void) {
    this.#handle = handle;
    this.#checkGeneration = checkGeneration;
    this.#written = state.position;
    this.#hash = state.hash;
    this.#outBytes = state.outBytes;
    this.#ended = state.ended;
  }

  /**
   * Opens the copy, or begins it; what stands behind its last whole frame is cut off. Rejects with RecordingError when the file was changed, and with the file system's
   * errors. `checkGeneration` throws when another writer has taken over.
   */
  static async open(file: string, checkGeneration: () => void): Promise<RecordingCopy> {
    checkGeneration();
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      const place = await placeOf(handle);
      const { size } = await handle.stat();
      if (size > place.position) await handle.truncate(place.position);
      if (size === 0) await syncFolder(dirname(file));
      return new RecordingCopy(handle, place, checkGeneration);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes of the file that were written, durable since the last `flush` with `durably`. */
  get written(): number {
    return this.#written;
  }

  /** The place of the next byte to be pushed. */
  get received(): number {
    return this.#written + this.#waitingBytes + this.#partialBytes;
  }

  /** The hash that stands before the end of the whole frames taken so far (zeros before the first), in hex. */
  get headSha256(): string {
    return this.#hash.toString('hex');
  }

  /** Output of the whole frames taken so far, with what is in gaps. */
  get outBytes(): number {
    return this.#outBytes;
  }

  /** The end frame was taken. */
  get ended(): boolean {
    return this.#ended;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Takes the next bytes of the file (kept, not copied). Throws RecordingError where they do not continue the chain. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#partialBytes > 0) at += this.#complete(bytes.subarray(at));
      else {
        const end = this.#takeWhole(bytes, at);
        if (end > at) this.#keep(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
        if (end < bytes.length) this.#begin(bytes.subarray(end));
        at = bytes.length;
      }
    }
  }

  /** Writes the whole frames that wait. One call at a time. Rejects with the file system's error; they go on waiting then. */
  async flush({ durably }: { durably: boolean }): Promise<void> {
    this.#checkGeneration();
    const parts = this.#waiting;
    const bytes = this.#waitingBytes;
    if (bytes > 0) {
      this.#waiting = [];
      try {
        await writeAll(this.#handle, parts, this.#written);
      } catch (error) {
        this.#waiting = [...parts, ...this.#waiting];
        throw error;
      }
      this.#waitingBytes -= bytes;
      this.#written += bytes;
    }
    if (durably) await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #keep(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #begin(bytes: Buffer): void {
    this.#partial = [bytes];
    this.#partialBytes = bytes.length;
  }

  /** Walks the whole frames of `bytes` from `at` on; gives where they end. What a frame's hash is made of stands in one piece: the hash before it, and the frame. */
  #takeWhole(bytes: Buffer, at: number): number {
    let place = at;
    if (this.#isBeforeMagic) {
      if (bytes.length - place < RECORDING_MAGIC.length) return place;
      this.#takeMagic(bytes.subarray(place, place + RECORDING_MAGIC.length));
      place += RECORDING_MAGIC.length;
    }
    const first = place;
    while (bytes.length - place >= LENGTH_BYTES) {
      const end = place + frameBytes(bytes.readUInt32BE(place), this.#written);
      if (end > bytes.length) break;
      // The first one's may have come in the piece before, or is zeros.
      if (place === first) this.#takeFrame([bytes.subarray(place, end - HASH_BYTES)], bytes.subarray(end - HASH_BYTES, end));
      else this.#takeNext(bytes, place, end);
      place = end;
    }
    if (place > first) this.#hash = Buffer.from(bytes.subarray(place - HASH_BYTES, place));
    return place;
  }

  /** The frame at [place, end), behind another one in the same bytes. `#hash` is left to the caller. */
  #takeNext(bytes: Buffer, place: number, end: number): void {
    if (this.#ended) throw new RecordingError('a frame follows the end frame', this.#written);
    const hash = oneShotHash('sha256', bytes.subarray(place - HASH_BYTES, end - HASH_BYTES), 'buffer');
    if (hash.compare(bytes, end - HASH_BYTES, end) !== 0)
      throw new RecordingError('the chain of hashes is broken', this.#written);
    const kind = bytes[place + LENGTH_BYTES];
    if (kind === FrameKind.output) {
      if (end - place < OUTPUT_HEAD_BYTES + HASH_BYTES) throw new RecordingError('an output frame is too short', this.#written);
      const offset = bytes.readUInt32BE(place + LENGTH_BYTES + 1) * 2 ** 32 + bytes.readUInt32BE(place + LENGTH_BYTES + 5);
      this.#outBytes = offset + (end - place) - OUTPUT_HEAD_BYTES - HASH_BYTES;
    } else this.#takeKind(kind, [bytes.subarray(place, end - HASH_BYTES)]);
  }

  /** Adds to the frame that has begun what belongs to it; gives how much that was. */
  #complete(bytes: Buffer): number {
    const isMagic = this.#isBeforeMagic;
    const head = isMagic ? RECORDING_MAGIC.length : LENGTH_BYTES;
    if (this.#partialBytes < head) {
      const taken = Math.min(bytes.length, head - this.#partialBytes);
      this.#begin(Buffer.concat([...this.#partial, bytes.subarray(0, taken)]));
      if (isMagic && this.#partialBytes === head) this.#finishPartial(this.#partial, (magic) => this.#takeMagic(magic));
      return taken;
    }
    const first = headOf(this.#partial, LENGTH_BYTES);
    const missing = frameBytes(first.readUInt32BE(0), this.#written) - this.#partialBytes;
    const taken = Math.min(bytes.length, missing);
    this.#partial.push(bytes.subarray(0, taken));
    this.#partialBytes += taken;
    if (taken === missing) this.#finishPartial(this.#partial, () => this.#takeParts(this.#partial, this.#partialBytes));
    return taken;
  }

  #finishPartial(parts: Buffer[], take: (first: Buffer) => void): void {
    take(parts[0]!);
    for (const part of parts) this.#keep(part);
    this.#partial = [];
    this.#partialBytes = 0;
  }

  /** Nothing was taken of the file. */
  get #isBeforeMagic(): boolean {
    return this.#written === 0 && this.#waitingBytes === 0;
  }

  #takeMagic(magic: Buffer): void {
    if (!RECORDING_MAGIC.equals(magic)) throw new RecordingError('this is no Bascule recording', 0);
  }

  #takeParts(parts: readonly Buffer[], bytes: number): void {
    const { content, hash } = split(parts, bytes - HASH_BYTES);
    this.#takeFrame(content, hash);
  }

  #takeFrame(content: readonly Buffer[], hash: Buffer): void {
    if (this.#ended) throw new RecordingError('a frame follows the end frame', this.#written);
    const hasher = createHash('sha256').update(this.#hash);
    for (const part of content) hasher.update(part);
    if (!hasher.digest().equals(hash)) throw new RecordingError('the chain of hashes is broken', this.#written);
    const head = headOf(content, OUTPUT_HEAD_BYTES);
    const kind = head[LENGTH_BYTES];
    if (kind === FrameKind.output) {
      if (head.length < OUTPUT_HEAD_BYTES) throw new RecordingError('an output frame is too short', this.#written);
      const length = head.readUInt32BE(0);
      const offset = getUint53(new DataView(head.buffer, head.byteOffset, head.length), LENGTH_BYTES + 1, 'offset');
      this.#outBytes = offset + length - (OUTPUT_HEAD_BYTES - LENGTH_BYTES);
    } else this.#takeKind(kind, content);
    // A copy: the bytes it stands in are let go once they are written.
    this.#hash = Buffer.from(hash);
  }

  /** Of a frame that is no output. */
  #takeKind(kind: number | undefined, content: readonly Buffer[]): void {
    this.#ended = kind === FrameKind.end;
    if (kind !== FrameKind.gap) return;
    const frame = decodeBody(kind, Buffer.concat(content).subarray(LENGTH_BYTES + 1), this.#written);
    if (frame.kind === 'gap') this.#outBytes = frame.gap.to;
  }
}

export interface CopyPlace {
  position: number;
  hash: Buffer;
  outBytes: number;
}

/** Where the whole frames of an open recording end. Rejects with RecordingError when it was changed. */
async function placeOf(handle: FileHandle): Promise<CopyPlace & { ended: boolean }> {
  const place = { position: 0, hash: Buffer.from(NO_HASH), outBytes: 0, ended: false };
  for await (const { frame, end, hash } of readFramesFrom(handle)) {
    place.position = end;
    place.hash = Buffer.from(hash);
    if (frame.kind === 'output') place.outBytes = frame.offset + frame.bytes.length;
    if (frame.kind === 'gap') place.outBytes = frame.gap.to;
    if (frame.kind === 'end') place.ended = true;
  }
  return place;
}

/** Of a frame as it stands in the file, from the value of its length field. */
function frameBytes(length: number, position: number): number {
  if (length < 1 || length > RECORDING_FRAME_MAX_BYTES)
    throw new RecordingError(`a frame's length of ${length} is not possible`, position);
  return LENGTH_BYTES + length + HASH_BYTES;
}

/** The first bytes of `parts`, at most `bytes` of them. */
function headOf(parts: readonly Buffer[], bytes: number): Buffer {
  const [first] = parts;
  if (first !== undefined && first.length >= bytes) return first.subarray(0, bytes);
  const start: Buffer[] = [];
  let found = 0;
  for (const part of parts) {
    start.push(part.subarray(0, bytes - found));
    found += part.length;
    if (found >= bytes) break;
  }
  return Buffer.concat(start);
}

function split(parts: readonly Buffer[], at: number): { content: Buffer[]; hash: Buffer } {
  const content: Buffer[] = [];
  const rest: Buffer[] = [];
  let left = at;
  for (const part of parts) {
    if (left > 0) content.push(part.subarray(0, left));
    if (part.length > left) rest.push(part.subarray(Math.max(0, left)));
    left = Math.max(0, left - part.length);
  }
  return { content, hash: rest.length === 1 ? rest[0]! : Buffer.concat(rest) };
}
