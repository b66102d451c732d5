import type { Log } from '@bascule/log/log.ts';
import {
  COPY_LIVE_FILES_MAX,
  COPY_PIECE_HEAD_BYTES,
  COPY_WINDOW_BYTES,
  toFollower,
  type CopyState,
  type ToFollower,
  type ToSource,
} from '@bascule/protocol/pair-data.ts';
import { RecordingError } from '@bascule/recording/format.ts';
import { RecordingCopy } from '@bascule/recording/recording-copy.ts';
import { getUint53 } from '@bascule/wire/frames.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import type { CopyStore } from './copy-store.ts';
import { LinkPulse } from './link-pulse.ts';

/** After the disk refused a write, or a file could not be opened: tried again after this. */
const AGAIN_MS = 2000;

interface Tail {
  number: number;
  path: string;
  /** What the source had when it named the recording. */
  announcedBytes: number;
  bytesLeft: number;
  copy: RecordingCopy | undefined;
  /** Opening, archiving, or waiting for room on the disk: what comes is passed over. */
  isReady: boolean;
  isWriting: boolean;
  /** The source has said that it is over. */
  isClosed: boolean;
  againTimer: NodeJS.Timeout | undefined;
  done: Promise<void>;
}

export interface LiveCopyEvents {
  /** A live recording's file is taken: whoever else writes it stops first. */
  claim(path: string): Promise<void>;
  /** The source is done with it; what is missing of one that is not whole is for the background. */
  released(path: string, isWhole: boolean): void;
  closed(): void;
}

/** The follower's end of the live link: writes what comes behind what it has, durably, and says so. One batch per recording at a time; what comes meanwhile is the next. */
export class LiveCopy {
  readonly #socket: LinkSocket;
  readonly #store: CopyStore;
  readonly #events: LiveCopyEvents;
  readonly #log: Log;
  readonly #pulse: LinkPulse;
  readonly #tails = new Map<number, Tail>();
  #isClosed = false;

  constructor(socket: LinkSocket, store: CopyStore, events: LiveCopyEvents, log: Log) {
    this.#socket = socket;
    this.#store = store;
    this.#events = events;
    this.#log = log;
    this.#pulse = new LinkPulse(socket, log);
    socket.on('message', (data: Buffer, isBinary: boolean) => this.#received(data, isBinary));
    socket.on('close', () => this.#end());
  }

  /** Whether the file is this link's to write. */
  has(path: string): boolean {
    for (const tail of this.#tails.values()) if (tail.path === path) return true;
    return false;
  }

  /** Of what was recorded when this link began; what came since is under way. */
  get bytesLeft(): number {
    let left = 0;
    for (const tail of this.#tails.values()) left += tail.bytesLeft;
    return left;
  }

  tell(state: CopyState): void {
    this.#say({ kind: 'state', ...state });
  }

  /** Closes the link; resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#socket.terminate();
    this.#end();
    await Promise.all(Array.from(this.#tails.values(), (tail) => tail.done));
  }

  #end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pulse.stop();
    for (const tail of this.#tails.values()) {
      clearTimeout(tail.againTimer);
      tail.done = tail.done.then(() => this.#closeFile(tail));
    }
    this.#events.closed();
  }

  #received(data: Buffer, isBinary: boolean): void {
    this.#pulse.heard();
    try {
      if (isBinary) this.#bytes(data);
      else this.#message(toFollower.parse(JSON.parse(data.toString('utf8'))));
    } catch (error) {
      this.#log.warn({ error: (error as Error).message }, 'pair-data-malformed');
      this.#socket.terminate();
    }
  }

  #message(message: ToFollower): void {
    if (message.kind === 'open') return this.#opened(message);
    const tail = this.#tails.get(message.file);
    if (tail === undefined) return;
    if (message.kind === 'differs') {
      tail.isReady = false;
      tail.done = tail.done.then(() => this.#replace(tail));
      return;
    }
    tail.isClosed = true;
    this.#finishIfDone(tail);
  }

  #opened({ file, path, fileBytes }: Extract<ToFollower, { kind: 'open' }>): void {
    if (this.#tails.has(file)) throw new Error(`the number ${file} is in use`);
    // Left to the background copy, once it is not live any more.
    if (this.#tails.size >= COPY_LIVE_FILES_MAX) return;
    const tail: Tail = {
      number: file,
      path,
      announcedBytes: fileBytes,
      bytesLeft: fileBytes,
      copy: undefined,
      isReady: false,
      isWriting: false,
      isClosed: false,
      againTimer: undefined,
      done: Promise.resolve(),
    };
    this.#tails.set(file, tail);
    tail.done = this.#open(tail);
  }

  async #open(tail: Tail): Promise<void> {
    try {
      await this.#events.claim(tail.path);
      this.#store.assertRoom();
      tail.copy ??= await this.#store.openRecording(tail.path);
      const { copy } = tail;
      tail.bytesLeft = Math.max(0, tail.announcedBytes - copy.written);
      if (this.#isClosed || this.#tails.get(tail.number) !== tail) return await this.#closeFile(tail);
      this.#say({ kind: 'from', file: tail.number, position: copy.written, hash: copy.headSha256, outBytes: copy.outBytes });
      tail.isReady = true;
    } catch (error) {
      this.#failed(tail, error);
    }
  }

  /** What is here is not the beginning of what the source has: a former primary's, or damaged. */
  async #replace(tail: Tail): Promise<void> {
    await this.#closeFile(tail);
    try {
      await this.#store.archive('recordings', tail.path);
    } catch (error) {
      return this.#failed(tail, error);
    }
    await this.#open(tail);
  }

  #bytes(data: Buffer): void {
    const tail = this.#tails.get(data.readUInt32BE(0));
    const position = getUint53(new DataView(data.buffer, data.byteOffset, data.length), 4, 'position');
    const { copy } = tail ?? {};
    // Sent before the source knew that this recording begins anew.
    if (tail === undefined || copy === undefined || !tail.isReady || position !== copy.received) return;
    try {
      copy.push(data.subarray(COPY_PIECE_HEAD_BYTES));
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      // What came is damaged, at the source or on the way; what is written is not.
      tail.isReady = false;
      tail.done = tail.done.then(() => this.#closeFile(tail));
      return this.#failed(tail, error);
    }
    if (copy.received - copy.written > COPY_WINDOW_BYTES * 2) throw new Error('more was sent than the window holds');
    this.#write(tail, copy);
  }

  #write(tail: Tail, copy: RecordingCopy): void {
    if (tail.isWriting) return;
    tail.isWriting = true;
    tail.done = this.#writeOn(tail, copy).finally(() => (tail.isWriting = false));
  }

  async #writeOn(tail: Tail, copy: RecordingCopy): Promise<void> {
    try {
      while (copy.waitingBytes > 0 && !this.#isClosed) {
        // All that was taken by now is in this batch.
        const { outBytes } = copy;
        this.#store.assertRoom();
        await copy.flush({ durably: true });
        tail.bytesLeft = Math.max(0, tail.announcedBytes - copy.written);
        this.#store.noteCopied(`recordings/${tail.path}`);
        this.#say({ kind: 'ack', file: tail.number, fileBytes: copy.written, outBytes });
      }
      this.#finishIfDone(tail);
    } catch (error) {
      tail.isReady = false;
      await this.#closeFile(tail);
      this.#failed(tail, error);
    }
  }

  #finishIfDone(tail: Tail): void {
    if (!tail.isClosed || (tail.copy?.waitingBytes ?? 0) > 0) return;
    this.#tails.delete(tail.number);
    clearTimeout(tail.againTimer);
    const isWhole = tail.copy?.ended === true;
    void this.#closeFile(tail).then(() => this.#events.released(tail.path, isWhole));
  }

  #failed(tail: Tail, error: unknown): void {
    this.#store.noteFault(`recordings/${tail.path}`, error);
    if (this.#isClosed) return;
    clearTimeout(tail.againTimer);
    tail.againTimer = setTimeout(() => {
      tail.done = tail.done.then(() => this.#open(tail));
    }, AGAIN_MS);
  }

  async #closeFile(tail: Tail): Promise<void> {
    const { copy } = tail;
    tail.copy = undefined;
    tail.isReady = false;
    await copy?.close().catch(() => {});
  }

  #say(message: ToSource): void {
    if (!this.#isClosed && this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
