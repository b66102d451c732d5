/**
 * Writes a recording as it goes (wire 6). `append` keeps bytes for the next batch; one batch at a time is written and made durable with fdatasync, and only
 * then counts as recorded. A batch that fails is cut off again, so that it can be tried anew; nothing is ever counted that is not on the disk.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import {
  decodeBody,
  encodeFrame,
  FrameKind,
  HASH_BYTES,
  NO_HASH,
  outputHead,
  RECORDING_MAGIC,
  RecordingError,
  type RecordingEnd,
  type RecordingGap,
} from './format.ts';
import { readCheckpoint, removeCheckpoint, writeCheckpoint } from './checkpoint.ts';
import { writeAll } from './write-all.ts';
import { newState, remember, scan, stateAt, type FramePlace, type WriterState } from './recover.ts';

export { NO_HEADER, TORN_TAIL_MAX_BYTES, type FramePlace } from './recover.ts';

/** Output of one frame at most; more is cut into several. */
const FRAME_OUTPUT_MAX_BYTES = 512 * 1024;
/** Pieces whose times lie closer together than this share a frame. */
const FRAME_TIME_SPAN_US = 10_000;
/** What is read of the file at a time; larger than any frame of this writer. */
const READ_ALONG_BYTES = 1024 * 1024;

export interface RecordingWriterOptions {
  /** Called before each batch; throws when another writer has taken over. */
  checkGeneration(): void;
  now?: () => number;
  /** What was just made durable, in order; `parts` are the bytes of the file from `position` on, and are not changed any more. */
  durable?(batch: DurableBatch): void;
}

export interface DurableBatch {
  position: number;
  parts: readonly Uint8Array[];
  bytes: number;
  /** Output that the file holds behind it. */
  outBytes: number;
  /** It ends with the end frame. */
  ended: boolean;
}

/** How much of the output of a reopened file its owner wants to be told. */
export interface ReopenedOutput {
  /** The output that is in it, in order: from the beginning, or behind the checkpoint. */
  onOutput(bytes: Uint8Array): void;
  /** Output is missing up to `to`, where a record begins. */
  onGap?(to: number): void;
  /** Takes what was given to `saveCheckpoint` and stands for the output before it; false when it is of no use, and all output is read. */
  restore?(extra: unknown): boolean;
}

/** Bytes of the output stream. */
export interface OutputPiece {
  offset: number;
  timeUs: number;
  bytes: Uint8Array;
}

interface Pending {
  timeUs: number;
  parts: Uint8Array[];
  bytes: number;
}

export class RecordingWriter {
  readonly header: RecordingHeader;
  /** Whether a torn tail was cut off when the file was opened. */
  readonly repaired: boolean;
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #checkGeneration: () => void;
  readonly #durable: (batch: DurableBatch) => void;
  #hash: Buffer;
  #fileBytes: number;
  #recorded: number;
  #taken: number;
  #pending: Pending[] = [];
  /** The batch that is being written: neither recorded nor waiting. */
  #writing: Pending[] = [];
  readonly #index: FramePlace[];
  #gapBytes: number;
  #gapEnd: number;
  #end: RecordingEnd | undefined;

  private constructor(file: string, handle: FileHandle, state: WriterState, options: RecordingWriterOptions) {
    this.#file = file;
    this.#handle = handle;
    this.#checkGeneration = options.checkGeneration;
    this.#durable = options.durable ?? (() => {});
    this.#gapBytes = state.gapBytes;
    this.#gapEnd = state.gapEnd;
    this.header = state.header;
    this.repaired = state.repaired;
    this.#hash = state.hash;
    this.#fileBytes = state.fileBytes;
    this.#recorded = this.#taken = state.outBytes;
    this.#end = state.end;
    this.#index = state.index;
  }

  /** Makes a new file; the header is durable when this resolves. Rejects when the file exists, or cannot be written. */
  static async create(file: string, header: RecordingHeader, options: RecordingWriterOptions): Promise<RecordingWriter> {
    options.checkGeneration();
    const handle = await open(file, 'wx+', 0o600);
    try {
      const first = encodeFrame(FrameKind.header, new Uint8Array(0), [Buffer.from(JSON.stringify(header))], NO_HASH);
      await writeAll(handle, [RECORDING_MAGIC, ...first.parts], 0);
      await handle.datasync();
      await syncFolder(dirname(file));
      const fileBytes = RECORDING_MAGIC.length + first.bytes;
      return new RecordingWriter(file, handle, { ...newState(header), hash: first.hash, fileBytes }, options);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /**
   * Opens a file that a writer left: cuts a torn tail off and notes that it goes on. Reads on from the checkpoint when there is one that fits, otherwise the whole file. Rejects
   * with RecordingError when it is no recording or was changed.
   */
  static async reopen(
    file: string,
    reason: string,
    options: RecordingWriterOptions,
    output: ReopenedOutput = { onOutput: () => {}, restore: () => true },
  ): Promise<RecordingWriter> {
    options.checkGeneration();
    const handle = await open(file, 'r+');
    try {
      const known = output.restore && (await readCheckpoint(file, handle));
      const state = await scan(handle, output, known && output.restore?.(known.checkpoint.extra) ? stateAt(known) : undefined);
      const { size } = await handle.stat();
      if (size > state.fileBytes) await handle.truncate(state.fileBytes);
      const writer = new RecordingWriter(file, handle, { ...state, repaired: size > state.fileBytes }, options);
      if (!state.end) await writer.#writeFrame(FrameKind.resumed, { atMs: (options.now ?? Date.now)(), reason });
      return writer;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Bytes of output that are on the disk: what may be acknowledged. */
  get recordedBytes(): number {
    return this.#recorded;
  }

  /** Bytes of output taken, recorded or not. */
  get takenBytes(): number {
    return this.#taken;
  }

  /** Size of the file. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  get headSha256(): string {
    return this.#hash.toString('hex');
  }

  /** Set once the end frame is on the disk. */
  get end(): RecordingEnd | undefined {
    return this.#end;
  }

  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Takes the next bytes of output (kept, not copied), which must begin where the last ended. */
  append(offset: number, timeUs: number, bytes: Uint8Array): void {
    if (offset !== this.#taken) throw new Error(`bug: output at ${offset} appended after ${this.#taken}`);
    if (this.#end) throw new Error('bug: output after the end frame');
    this.#taken += bytes.length;
    const last = this.#pending.at(-1);
    if (
      last &&
      timeUs - last.timeUs < FRAME_TIME_SPAN_US &&
      timeUs >= last.timeUs &&
      last.bytes + bytes.length <= FRAME_OUTPUT_MAX_BYTES
    ) {
      last.parts.push(bytes);
      last.bytes += bytes.length;
    } else this.#pending.push({ timeUs, parts: [bytes], bytes: bytes.length });
  }

  /**
   * Writes all that waits and makes it durable; then `recordedBytes` has grown. One call at a time. Rejects with the file system's error (ENOSPC, EIO) or
   * `STORE_FENCED`; what waits then goes on waiting.
   */
  async flush(): Promise<void> {
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    this.#writing = batch;
    let hash = this.#hash;
    let offset = this.#recorded;
    let bytes = 0;
    const places: FramePlace[] = [];
    const parts: Uint8Array[] = [];
    for (const { timeUs, parts: body, bytes: bodyBytes } of batch) {
      const frame = encodeFrame(FrameKind.output, outputHead(offset, timeUs), body, hash);
      for (const part of frame.parts) parts.push(part);
      places.push({ offset, position: this.#fileBytes + bytes });
      hash = frame.hash;
      bytes += frame.bytes;
      offset += bodyBytes;
    }
    try {
      await this.#write(parts);
    } catch (error) {
      this.#pending = [...batch, ...this.#pending];
      throw error;
    } finally {
      this.#writing = [];
    }
    for (const place of places) remember(this.#index, place);
    const position = this.#fileBytes;
    this.#hash = hash;
    this.#fileBytes += bytes;
    this.#recorded = offset;
    this.#durable({ position, parts, bytes, outBytes: offset, ended: false });
  }

  /** Writes down that the output up to `to` is lost (wire 6.9), durably; nothing may wait. What comes next begins with a record. */
  async gap(to: number, reason: string, atMs: number): Promise<void> {
    const from = this.#recorded;
    if (this.#taken !== from || this.#end || to <= from)
      throw new Error(`bug: a gap from ${from} to ${to}, with ${this.#taken} taken`);
    await this.#writeFrame(FrameKind.gap, { from, to, atMs, reason } satisfies RecordingGap, to);
    this.#gapBytes += to - from;
    this.#gapEnd = this.#recorded = this.#taken = to;
  }

  /** Bytes of the output that are missing, by the file's own gaps. */
  get gapBytes(): number {
    return this.#gapBytes;
  }

  /** Where the output goes on behind the last gap; 0 without one. */
  get gapEnd(): number {
    return this.#gapEnd;
  }

  /** Writes the end frame; nothing may wait. */
  async finish(end: Omit<RecordingEnd, 'outBytes' | 'gapBytes'>): Promise<void> {
    if (this.hasPending) throw new Error('bug: output waits while the recording is ended');
    const whole = { ...end, outBytes: this.#recorded, ...(this.#gapBytes > 0 && { gapBytes: this.#gapBytes }) };
    await this.#writeFrame(FrameKind.end, whole);
    this.#end = whole;
    // One that stays behind only says where to read the end from.
    await removeCheckpoint(this.#file).catch(() => {});
  }

  /**
   * Writes a checkpoint of what is recorded now, with `extra` (JSON) that stands for all output up to `recordedBytes`. Not while a batch is being written. A fault costs nothing
   * but time at the next `reopen`.
   */
  async saveCheckpoint(extra: unknown): Promise<void> {
    this.#checkGeneration();
    await writeCheckpoint(this.#file, {
      session: this.header.session,
      fileBytes: this.#fileBytes,
      headSha256: this.headSha256,
      outBytes: this.#recorded,
      gapBytes: this.#gapBytes,
      gapEnd: this.#gapEnd,
      index: this.#index.flatMap(({ offset, position }) => [offset, position]),
      extra,
    });
  }

  /** A frame of the file that begins at or before `offset` of the output, at most some megabytes before it. */
  locate(offset: number): FramePlace {
    let low = 0;
    let high = this.#index.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#index[middle]!.offset <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#index[low - 1] ?? { offset: 0, position: RECORDING_MAGIC.length };
  }

  /**
   * Recorded output from `offset` on, from the file: at least one piece, and no more once `enoughBytes` are there; none when nothing is recorded behind `offset`. Rejects with
   * the file system's error.
   */
  async readRecorded(offset: number, enoughBytes: number): Promise<OutputPiece[]> {
    const limit = this.#fileBytes;
    const pieces: OutputPiece[] = [];
    let bytes = 0;
    for (let { position } = this.locate(offset); position < limit && bytes < enoughBytes;) {
      const start = Buffer.allocUnsafe(READ_ALONG_BYTES);
      const { bytesRead } = await this.#handle.read(start, 0, Math.min(start.length, limit - position), position);
      let at = 0;
      for (let frame = frameAt(start, at, bytesRead); frame && bytes < enoughBytes; frame = frameAt(start, at, bytesRead)) {
        at = frame.end;
        const end = frame.piece ? frame.piece.offset + frame.piece.bytes.length : 0;
        if (!frame.piece || end <= offset) continue;
        const skip = Math.max(0, offset - frame.piece.offset);
        pieces.push({ offset: frame.piece.offset + skip, timeUs: frame.piece.timeUs, bytes: frame.piece.bytes.subarray(skip) });
        bytes += frame.piece.bytes.length - skip;
      }
      if (at === 0) throw new RecordingError('a frame cannot be read again', position);
      position += at;
    }
    return pieces;
  }

  /** Output behind `recordedBytes` that was taken and is not recorded yet, from `offset` on. */
  waiting(offset: number): OutputPiece[] {
    const pieces: OutputPiece[] = [];
    let at = this.#recorded;
    for (const { timeUs, parts } of [...this.#writing, ...this.#pending])
      for (const part of parts) {
        const skip = Math.max(0, offset - at);
        if (skip < part.length) pieces.push({ offset: at + skip, timeUs, bytes: part.subarray(skip) });
        at += part.length;
      }
    return pieces;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #writeFrame(kind: FrameKind, value: unknown, outBytes = this.#recorded): Promise<void> {
    const frame = encodeFrame(kind, new Uint8Array(0), [Buffer.from(JSON.stringify(value))], this.#hash);
    await this.#write(frame.parts);
    const position = this.#fileBytes;
    this.#hash = frame.hash;
    this.#fileBytes += frame.bytes;
    this.#durable({ position, parts: frame.parts, bytes: frame.bytes, outBytes, ended: kind === FrameKind.end });
  }

  /** Writes behind the last whole frame, durably; a failed write is cut off again. */
  async #write(parts: Uint8Array[]): Promise<void> {
    this.#checkGeneration();
    try {
      await writeAll(this.#handle, parts, this.#fileBytes);
      await this.#handle.datasync();
    } catch (error) {
      // Also when cutting fails the next write begins at the same place.
      await this.#handle.truncate(this.#fileBytes).catch(() => {});
      throw error;
    }
  }
}

/** The frame at `at` when it lies whole before `limit`; `piece` when it is output. */
function frameAt(buffer: Buffer, at: number, limit: number): { end: number; piece: OutputPiece | undefined } | undefined {
  if (limit - at < 5) return undefined;
  const length = buffer.readUInt32BE(at);
  const end = at + 4 + length + HASH_BYTES;
  if (end > limit) return undefined;
  const frame =
    buffer[at + 4] === FrameKind.output ? decodeBody(FrameKind.output, buffer.subarray(at + 5, at + 4 + length), at) : undefined;
  return { end, piece: frame?.kind === 'output' ? frame : undefined };
}
