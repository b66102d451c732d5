/** Reads recordings frame by frame, in bounded memory; a torn tail is no error but the end of what is whole (wire 6.5). */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import {
  decodeBody,
  HASH_BYTES,
  NO_HASH,
  RECORDING_FRAME_MAX_BYTES,
  RECORDING_MAGIC,
  RecordingError,
  type RecordingEnd,
  type RecordingFrame,
} from './format.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';

const READ_BYTES = 256 * 1024;
const LENGTH_BYTES = 4;

export interface PlacedFrame {
  frame: RecordingFrame;
  /** Where the frame begins and ends in the file. */
  position: number;
  end: number;
  hash: Uint8Array;
}

/**
 * Yields the whole frames of `file` in order, checking the hash chain and that offsets have no gap. Stops silently at a torn tail, which a running or cut
 * recording has. Throws RecordingError where a whole frame is wrong: then the file was changed.
 */
export async function* readFrames(file: string): AsyncGenerator<PlacedFrame> {
  const handle = await open(file, 'r');
  try {
    yield* readFramesFrom(handle);
  } finally {
    await handle.close();
  }
}

/** A place between two frames: what is needed to read on from there. */
export interface FrameBoundary {
  position: number;
  /** Of the frame before. */
  hash: Uint8Array;
  /** Bytes of output before it. */
  outBytes: number;
}

/** As `readFrames`, on an open file; with `from` only the frames behind that boundary, which is one behind the header. */
export async function* readFramesFrom(handle: FileHandle, from?: FrameBoundary): AsyncGenerator<PlacedFrame> {
  const source = new Source(handle, from?.position);
  if (!from) {
    const magic = await source.take(RECORDING_MAGIC.length);
    if (!magic) return;
    if (!RECORDING_MAGIC.equals(magic)) throw new RecordingError('this is no Bascule recording', 0);
  }
  let previousHash: Uint8Array = from?.hash ?? NO_HASH;
  let outputEnd = from?.outBytes ?? 0;
  let ended = false;
  for (let index = from ? 1 : 0; ; index++) {
    const position = source.position;
    const lengthBytes = await source.take(LENGTH_BYTES);
    if (!lengthBytes) return;
    const length = lengthBytes.readUInt32BE(0);
    if (length < 1 || length > RECORDING_FRAME_MAX_BYTES) {
      // What a crash leaves behind the last whole frame may be anything; only a frame behind it shows that the file was changed.
      return;
    }
    const rest = await source.take(length + HASH_BYTES);
    if (!rest) return;
    const content = rest.subarray(0, length);
    const hash = Buffer.from(rest.subarray(length));
    const expected = createHash('sha256').update(previousHash).update(lengthBytes).update(content).digest();
    if (!expected.equals(hash)) {
      if (await source.atEnd()) return;
      throw new RecordingError('the chain of hashes is broken', position);
    }
    const frame = decodeBody(content[0]!, content.subarray(1), position);
    if (ended) throw new RecordingError('a frame follows the end frame', position);
    if ((index === 0) !== (frame.kind === 'header'))
      throw new RecordingError('the header must be the first frame, once', position);
    if (frame.kind === 'output') {
      if (frame.offset !== outputEnd)
        throw new RecordingError(`output leaves a gap: ${frame.offset} after ${outputEnd}`, position);
      outputEnd += frame.bytes.length;
    }
    if (frame.kind === 'gap') {
      if (frame.gap.from !== outputEnd)
        throw new RecordingError(`a gap is said to begin at ${frame.gap.from}, and output ends at ${outputEnd}`, position);
      outputEnd = frame.gap.to;
    }
    ended = frame.kind === 'end';
    previousHash = hash;
    yield { frame, position, end: source.position, hash };
  }
}

export interface RecordingFacts {
  header: RecordingHeader;
  end: RecordingEnd | undefined;
  /** Bytes of the output stream, with those in gaps. */
  outBytes: number;
  /** What is missing of it, as the recording itself says (wire 6.9). */
  gaps: { from: number; to: number; atMs: number }[];
  /** Up to where the file is whole. */
  wholeBytes: number;
  /** Milliseconds between the first and the last output. */
  durationMs: number;
  /** The hash of the last whole frame; the head when the recording is complete. */
  headSha256: string;
}

/** Reads a whole recording for its facts; undefined when it has not even a header. Throws RecordingError when it was changed. */
export async function readFacts(file: string): Promise<RecordingFacts | undefined> {
  let facts: RecordingFacts | undefined;
  let firstUs: number | undefined;
  for await (const { frame, end, hash } of readFrames(file)) {
    if (frame.kind === 'header')
      facts = { header: frame.header, end: undefined, outBytes: 0, gaps: [], wholeBytes: end, durationMs: 0, headSha256: '' };
    if (!facts) return undefined;
    if (frame.kind === 'output') {
      firstUs ??= frame.timeUs;
      facts.durationMs = Math.max(0, (frame.timeUs - firstUs) / 1000);
      facts.outBytes = frame.offset + frame.bytes.length;
    }
    if (frame.kind === 'gap') {
      const { from, to, atMs } = frame.gap;
      facts.gaps.push({ from, to, atMs });
      facts.outBytes = to;
    }
    if (frame.kind === 'end') facts.end = frame.end;
    facts.wholeBytes = end;
    facts.headSha256 = Buffer.from(hash).toString('hex');
  }
  return facts;
}

/** Buffered sequential reading. */
class Source {
  readonly #handle: FileHandle;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  #fileAt: number;
  #finished = false;

  constructor(handle: FileHandle, position = 0) {
    this.#handle = handle;
    this.#fileAt = position;
  }

  get position(): number {
    return this.#fileAt - (this.#buffer.length - this.#at);
  }

  /** Exactly `bytes` bytes (a view that holds until the next call), or undefined when fewer are left. */
  async take(bytes: number): Promise<Buffer | undefined> {
    while (this.#buffer.length - this.#at < bytes && !this.#finished) await this.#more(bytes);
    if (this.#buffer.length - this.#at < bytes) return undefined;
    const taken = this.#buffer.subarray(this.#at, this.#at + bytes);
    this.#at += bytes;
    return taken;
  }

  async atEnd(): Promise<boolean> {
    if (this.#buffer.length > this.#at) return false;
    await this.#more(1);
    return this.#buffer.length === this.#at;
  }

  async #more(wanted: number): Promise<void> {
    const rest = this.#buffer.subarray(this.#at);
    const next = Buffer.allocUnsafe(Math.max(READ_BYTES, wanted) + rest.length);
    rest.copy(next);
    const { bytesRead } = await this.#handle.read(next, rest.length, next.length - rest.length, this.#fileAt);
    this.#finished = bytesRead === 0;
    this.#fileAt += bytesRead;
    this.#buffer = next.subarray(0, rest.length + bytesRead);
    this.#at = 0;
  }
}
