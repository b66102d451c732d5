/**
 * Writes a recording as it goes (wire 6). `append` keeps bytes for the next batch; one batch at a time is written and made durable with fdatasync, and only
 * then counts as recorded. A batch that fails is cut off again, so that it can be tried anew; nothing is ever counted that is not on the disk.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { encodeFrame, FrameKind, NO_HASH, outputHead, RECORDING_MAGIC, RecordingError, type RecordingEnd } from './format.ts';
import { readFramesFrom } from './reader.ts';

/** Output of one frame at most; more is cut into several. */
const FRAME_OUTPUT_MAX_BYTES = 512 * 1024;
/** Pieces whose times lie closer together than this share a frame. */
const FRAME_TIME_SPAN_US = 10_000;

export interface RecordingWriterOptions {
  /** Called before each batch; throws when another writer has taken over. */
  checkGeneration(): void;
  now?: () => number;
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
  readonly #handle: FileHandle;
  readonly #checkGeneration: () => void;
  #hash: Buffer;
  #fileBytes: number;
  #recorded: number;
  #taken: number;
  #pending: Pending[] = [];
  #end: RecordingEnd | undefined;

  private constructor(handle: FileHandle, state: State, options: RecordingWriterOptions) {
    this.#handle = handle;
    this.#checkGeneration = options.checkGeneration;
    this.header = state.header;
    this.repaired = state.repaired;
    this.#hash = state.hash;
    this.#fileBytes = state.fileBytes;
    this.#recorded = this.#taken = state.outBytes;
    this.#end = state.end;
  }

  /** Makes a new file; the header is durable when this resolves. Rejects when the file exists, or cannot be written. */
  static async create(file: string, header: RecordingHeader, options: RecordingWriterOptions): Promise<RecordingWriter> {
    options.checkGeneration();
    const handle = await open(file, 'wx+', 0o600);
    try {
      const first = encodeFrame(FrameKind.header, new Uint8Array(0), [Buffer.from(JSON.stringify(header))], NO_HASH);
      await writeAll(handle, [RECORDING_MAGIC, ...first.parts], 0);
      await handle.datasync();
      await syncDirectory(dirname(file));
      const fileBytes = RECORDING_MAGIC.length + first.bytes;
      return new RecordingWriter(handle, { header, repaired: false, hash: first.hash, fileBytes, outBytes: 0, end: undefined }, options);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Opens a file that a writer left: cuts a torn tail off and notes that it goes on. Rejects with RecordingError when it is no recording or was changed. */
  static async reopen(file: string, reason: string, options: RecordingWriterOptions): Promise<RecordingWriter> {
    options.checkGeneration();
    const handle = await open(file, 'r+');
    try {
      const state = await scan(handle);
      const { size } = await handle.stat();
      if (size > state.fileBytes) await handle.truncate(state.fileBytes);
      const writer = new RecordingWriter(handle, { ...state, repaired: size > state.fileBytes }, options);
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
    if (last && timeUs - last.timeUs < FRAME_TIME_SPAN_US && timeUs >= last.timeUs && last.bytes + bytes.length <= FRAME_OUTPUT_MAX_BYTES) {
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
    let hash = this.#hash;
    let offset = this.#recorded;
    let bytes = 0;
    const parts: Uint8Array[] = [];
    for (const { timeUs, parts: body, bytes: bodyBytes } of batch) {
      const frame = encodeFrame(FrameKind.output, outputHead(offset, timeUs), body, hash);
      parts.push(...frame.parts);
      hash = frame.hash;
      bytes += frame.bytes;
      offset += bodyBytes;
    }
    try {
      await this.#write(parts);
    } catch (error) {
      this.#pending = [...batch, ...this.#pending];
      throw error;
    }
    this.#hash = hash;
    this.#fileBytes += bytes;
    this.#recorded = offset;
  }

  /** Writes the end frame; nothing may wait. */
  async finish(end: Omit<RecordingEnd, 'outBytes'>): Promise<void> {
    if (this.hasPending) throw new Error('bug: output waits while the recording is ended');
    const whole = { ...end, outBytes: this.#recorded };
    await this.#writeFrame(FrameKind.end, whole);
    this.#end = whole;
  }

  /** Reads bytes [from, to) of the file, for those who read along. */
  async read(position: number, bytes: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(bytes);
    const { bytesRead } = await this.#handle.read(buffer, 0, bytes, position);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #writeFrame(kind: FrameKind, value: unknown): Promise<void> {
    const frame = encodeFrame(kind, new Uint8Array(0), [Buffer.from(JSON.stringify(value))], this.#hash);
    await this.#write(frame.parts);
    this.#hash = frame.hash;
    this.#fileBytes += frame.bytes;
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

interface State {
  header: RecordingHeader;
  repaired: boolean;
  hash: Buffer;
  fileBytes: number;
  outBytes: number;
  end: RecordingEnd | undefined;
}

async function scan(handle: FileHandle): Promise<State> {
  let state: State | undefined;
  for await (const { frame, end, hash } of readFramesFrom(handle)) {
    if (frame.kind === 'header') state = { header: frame.header, repaired: false, hash: NO_HASH, fileBytes: 0, outBytes: 0, end: undefined };
    state!.hash = Buffer.from(hash);
    state!.fileBytes = end;
    if (frame.kind === 'output') state!.outBytes = frame.offset + frame.bytes.length;
    if (frame.kind === 'end') state!.end = frame.end;
  }
  if (!state) throw new RecordingError('there is no whole header', 0);
  return state;
}

/** writev, again until everything is written. IOV_MAX is 1024. */
async function writeAll(handle: FileHandle, parts: Uint8Array[], position: number): Promise<void> {
  let at = position;
  for (let index = 0; index < parts.length; index += 1000) {
    let batch = parts.slice(index, index + 1000);
    while (batch.length > 0) {
      const { bytesWritten } = await handle.writev(batch, at);
      at += bytesWritten;
      batch = after(batch, bytesWritten);
    }
  }
}

function after(parts: Uint8Array[], written: number): Uint8Array[] {
  let left = written;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (left >= part.length) left -= part.length;
    else {
      rest.push(part.subarray(left));
      left = 0;
    }
  }
  return rest;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
