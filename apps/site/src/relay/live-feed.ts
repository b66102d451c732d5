import { open, type FileHandle } from 'node:fs/promises';
import type { Log } from '@bascule/log/log.ts';
import {
  COPY_PIECE_HEAD_BYTES,
  COPY_PIECE_MAX_BYTES,
  COPY_WINDOW_BYTES,
  toSource,
  type CopyState,
  type ToFollower,
  type ToSource,
} from '@bascule/protocol/pair-data.ts';
import { HASH_BYTES } from '@bascule/recording/format.ts';
import type { DurableBatch } from '@bascule/recording/writer.ts';
import { setUint53 } from '@bascule/wire/frames.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import type { LiveListener, LiveRecording, LiveRecordings } from './live-recordings.ts';
import { LinkPulse } from './link-pulse.ts';

/** Given to the connection and not taken by the network, at most: above it nothing is pushed from memory, and what is missing is read from the file later. */
export const PUSH_WAITING_MAX_BYTES = 8 * 1024 * 1024;
/** The same for what is read from files: a push never stands behind more than this. */
const READ_WAITING_MAX_BYTES = 1024 * 1024;

interface Tail {
  number: number;
  recording: LiveRecording;
  /** Undefined until the follower has said what it has. */
  sent: number | undefined;
  acknowledged: number;
  handle: FileHandle | undefined;
  isReading: boolean;
}

export interface LiveFeedEvents {
  state(state: CopyState): void;
  closed(): void;
}

/**
 * The source's end of the live link: what is durable in a live recording is sent at once to a follower that has everything before it, from memory; a follower that is behind
 * is brought up from the file. Bounded: a window per recording, and what may wait for the network in all.
 */
export class LiveFeed implements LiveListener {
  readonly #socket: LinkSocket;
  readonly #recordings: LiveRecordings;
  readonly #events: LiveFeedEvents;
  readonly #log: Log;
  readonly #tails = new Map<number, Tail>();
  readonly #byRecording = new Map<LiveRecording, Tail>();
  /** Those that wait for room on the connection, in turn. */
  readonly #stalled = new Set<Tail>();
  readonly #pulse: LinkPulse;
  #nextNumber = 1;
  #isClosed = false;

  constructor(socket: LinkSocket, recordings: LiveRecordings, events: LiveFeedEvents, log: Log) {
    this.#socket = socket;
    this.#recordings = recordings;
    this.#events = events;
    this.#log = log;
    this.#pulse = new LinkPulse(socket, log);
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    socket.on('close', () => this.#closed());
  }

  /** Whether what was pushed waits for the network: then whatever has time waits too. */
  get isBusy(): boolean {
    return this.#socket.bufferedAmount > 0;
  }

  close(): void {
    this.#socket.terminate();
    this.#closed();
  }

  added(recording: LiveRecording): void {
    const number = this.#nextNumber++;
    const tail: Tail = { number, recording, sent: undefined, acknowledged: 0, handle: undefined, isReading: false };
    this.#tails.set(number, tail);
    this.#byRecording.set(recording, tail);
    this.#say({ kind: 'open', file: number, path: recording.path, ...recording.here });
  }

  appended(recording: LiveRecording, { position, parts, bytes }: DurableBatch): void {
    const tail = this.#byRecording.get(recording);
    if (tail?.sent === undefined || tail.isReading) return;
    const hasRoom =
      position + bytes - tail.acknowledged <= COPY_WINDOW_BYTES && this.#socket.bufferedAmount <= PUSH_WAITING_MAX_BYTES;
    if (tail.sent !== position || !hasRoom) return this.#pump(tail);
    for (const piece of pieces(parts, bytes)) {
      this.#send(tail.number, tail.sent, piece);
      tail.sent += piece.bytes;
    }
  }

  released(recording: LiveRecording): void {
    const tail = this.#byRecording.get(recording);
    if (tail !== undefined) this.#closeWhenDone(tail);
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#pulse.heard();
    const message = isBinary ? undefined : readMessage(data);
    if (message === undefined) return this.close();
    if (message.kind === 'state') return this.#events.state(message);
    const tail = this.#tails.get(message.file);
    // It may have been closed meanwhile.
    if (tail === undefined) return;
    if (message.kind === 'from') void this.#begin(tail, message);
    else this.#acknowledged(tail, message);
  }

  /** The follower has the file up to there, if what it has is the beginning of ours. */
  async #begin(tail: Tail, { position, hash, outBytes }: Extract<ToSource, { kind: 'from' }>): Promise<void> {
    tail.sent = undefined;
    if (!(await this.#stands(tail, position, hash))) {
      if (this.#tails.has(tail.number)) this.#say({ kind: 'differs', file: tail.number });
      return;
    }
    tail.sent = tail.acknowledged = position;
    tail.recording.setCopied({ fileBytes: position, outBytes });
    this.#pump(tail);
    this.#closeWhenDone(tail);
  }

  /** Whether `hash` stands before `position` in the file: then everything before it is the same. */
  async #stands(tail: Tail, position: number, hash: string): Promise<boolean> {
    if (position === 0) return true;
    if (position > tail.recording.here.fileBytes || position < HASH_BYTES) return false;
    const found = Buffer.alloc(HASH_BYTES);
    try {
      tail.handle ??= await open(tail.recording.file, 'r');
      await tail.handle.read(found, 0, HASH_BYTES, position - HASH_BYTES);
    } catch (error) {
      this.#failed(tail, error);
    }
    return found.toString('hex') === hash;
  }

  #acknowledged(tail: Tail, { fileBytes, outBytes }: Extract<ToSource, { kind: 'ack' }>): void {
    if (tail.sent === undefined || fileBytes > tail.sent || fileBytes < tail.acknowledged) return;
    tail.acknowledged = fileBytes;
    tail.recording.setCopied({ fileBytes, outBytes });
    this.#pump(tail);
    this.#closeWhenDone(tail);
  }

  #closeWhenDone(tail: Tail): void {
    const { recording } = tail;
    if (!recording.isReleased || !this.#tails.has(tail.number)) return;
    // Without an end frame it goes on elsewhere or later; what is missing is fetched in the background.
    if (tail.sent !== undefined && tail.acknowledged < recording.here.fileBytes) return;
    this.#drop(tail);
    this.#recordings.forget(recording);
    this.#say({ kind: 'closed', file: tail.number });
  }

  #drop(tail: Tail): void {
    this.#tails.delete(tail.number);
    this.#byRecording.delete(tail.recording);
    this.#stalled.delete(tail);
    if (!tail.isReading) this.#release(tail);
  }

  #release(tail: Tail): void {
    const { handle } = tail;
    tail.handle = undefined;
    void handle?.close().catch(() => {});
  }

  #pump(tail: Tail): void {
    if (tail.isReading || tail.sent === undefined || this.#isClosed) return;
    tail.isReading = true;
    void this.#readOn(tail).finally(() => {
      tail.isReading = false;
      const isBehind = tail.sent !== undefined && tail.sent < tail.recording.here.fileBytes;
      if (!isBehind || !this.#tails.has(tail.number)) return this.#release(tail);
      // Something was recorded in the very moment in which the reading ended.
      if (roomOf(tail) > 0 && !this.#stalled.has(tail)) this.#pump(tail);
    });
  }

  /** Sends from the file until the follower has been sent all, or there is no room. */
  async #readOn(tail: Tail): Promise<void> {
    const { recording, number } = tail;
    try {
      while (tail.sent !== undefined && this.#tails.has(number)) {
        const from = tail.sent;
        const bytes = Math.min(recording.here.fileBytes - from, COPY_PIECE_MAX_BYTES, roomOf(tail));
        if (bytes <= 0) return;
        if (this.#socket.bufferedAmount > READ_WAITING_MAX_BYTES) return void this.#stalled.add(tail);
        tail.handle ??= await open(recording.file, 'r');
        const message = Buffer.allocUnsafe(COPY_PIECE_HEAD_BYTES + bytes);
        const { bytesRead } = await tail.handle.read(message, COPY_PIECE_HEAD_BYTES, bytes, from);
        if (bytesRead === 0) throw new Error('the file is shorter than what was recorded');
        // Meanwhile the follower may have begun anew.
        if (tail.sent !== from) continue;
        writeHead(message, number, from);
        this.#sendMessage(message.subarray(0, COPY_PIECE_HEAD_BYTES + bytesRead));
        tail.sent = from + bytesRead;
      }
    } catch (error) {
      this.#failed(tail, error);
    }
  }

  /** The follower asks again when it connects the next time. */
  #failed(tail: Tail, error: unknown): void {
    this.#log.warn({ file: tail.recording.path, error: (error as Error).message }, 'pair-copy-unreadable');
    tail.sent = undefined;
  }

  #send(number: number, position: number, piece: Piece): void {
    const message = Buffer.allocUnsafe(COPY_PIECE_HEAD_BYTES + piece.bytes);
    writeHead(message, number, position);
    let at = COPY_PIECE_HEAD_BYTES;
    for (const part of piece.parts) {
      message.set(part, at);
      at += part.length;
    }
    this.#sendMessage(message);
  }

  #sendMessage(message: Buffer): void {
    if (this.#isClosed) return;
    this.#socket.send(message, () => this.#sentSome());
  }

  #sentSome(): void {
    if (this.#stalled.size === 0 || this.#socket.bufferedAmount > READ_WAITING_MAX_BYTES) return;
    const waiting = [...this.#stalled];
    this.#stalled.clear();
    for (const tail of waiting) this.#pump(tail);
  }

  #say(message: ToFollower): void {
    if (!this.#isClosed) this.#socket.send(JSON.stringify(message));
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pulse.stop();
    for (const tail of this.#tails.values()) this.#drop(tail);
    this.#events.closed();
  }
}

function roomOf({ sent, acknowledged }: Tail): number {
  return COPY_WINDOW_BYTES - ((sent ?? acknowledged) - acknowledged);
}

function readMessage(data: Buffer): ToSource | undefined {
  try {
    return toSource.safeParse(JSON.parse(data.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function writeHead(message: Buffer, number: number, position: number): void {
  message.writeUInt32BE(number, 0);
  setUint53(new DataView(message.buffer, message.byteOffset, message.length), 4, position);
}

interface Piece {
  parts: Uint8Array[];
  bytes: number;
}

/** `parts` in pieces of at most COPY_PIECE_MAX_BYTES. */
function pieces(parts: readonly Uint8Array[], bytes: number): Piece[] {
  if (bytes <= COPY_PIECE_MAX_BYTES) return [{ parts: [...parts], bytes }];
  const found: Piece[] = [];
  let piece: Piece = { parts: [], bytes: 0 };
  for (const part of parts) {
    for (let at = 0; at < part.length;) {
      const taken = part.subarray(at, at + COPY_PIECE_MAX_BYTES - piece.bytes);
      piece.parts.push(taken);
      piece.bytes += taken.length;
      at += taken.length;
      if (piece.bytes < COPY_PIECE_MAX_BYTES) continue;
      found.push(piece);
      piece = { parts: [], bytes: 0 };
    }
  }
  if (piece.bytes > 0) found.push(piece);
  return found;
}
