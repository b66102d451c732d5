import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { syncFolder } from '@bascule/core/durable-file.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  COPY_FILE_PATH,
  COPY_LINE_MAX_BYTES,
  COPY_LIST_FILES_MAX,
  COPY_LIST_PATH,
  listedFile,
  listEnd,
  type ListedFile,
} from '@bascule/protocol/pair-data.ts';
import { RecordingError } from '@bascule/recording/format.ts';
import type { RecordingCopy } from '@bascule/recording/recording-copy.ts';
import { writeAll } from '@bascule/recording/write-all.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { boundedLines } from './bounded-lines.ts';
import type { CopyStore } from './copy-store.ts';
import { CopyHashes, look, placeOf } from './copy-tree.ts';
import type { PairAgent } from './pair-agent.ts';

/** Files that are fetched at the same time: small ones wait for the disk more than for the network. */
export const FETCHES_MAX = 4;
/** The list is asked for again after this, or when there is reason to. */
const LIST_EVERY_MS = 60_000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 10_000;
/** Taken and not written, per file: from the first on it is written, above the second nothing more is read meanwhile. */
const WRITE_FROM_BYTES = 1024 * 1024;
const WAITING_MAX_BYTES = 8 * 1024 * 1024;
/** The rate that is told is that of the last so many seconds. */
const RATE_SECONDS = 5;
/** Client programs, which a package brings too: only those that are not here are fetched. */
const KEPT_IF_HERE = 'clients/';

export interface BackgroundCopyOptions {
  agent: PairAgent;
  store: CopyStore;
  /** Whether a recording is the live link's to write. */
  isLive(path: string): boolean;
  /** Something was completed. */
  changed(): void;
  /** Only what the union of both sides' recordings needs (B136): whether that is here is said by the caller, and it is put into place when it is whole. */
  union?: { isWanted(listed: ListedFile): Promise<boolean>; deliver(listed: ListedFile): Promise<void> };
  log: Log;
}

export interface BackgroundState {
  recordingBytesLeft: number;
  fileBytesLeft: number;
  bytesPerSecond: number;
  completedAtMs: number | null;
}

interface Fetch {
  listed: ListedFile;
  abort: AbortController;
  done: Promise<void>;
}

/** Fetches what the source has and this side has not: recordings that are not written any more, the newest first, then files. Goes on where it was cut, whoever was restarted. */
export class BackgroundCopy {
  readonly #options: BackgroundCopyOptions;
  readonly #hashes: CopyHashes;
  readonly #stopping = new AbortController();
  readonly #running = new Map<string, Fetch>();
  readonly #pauses = new BackOff(RETRY_FIRST_MS, RETRY_MAX_MS);
  /** What cannot be copied any further as the source has it: a torn tail, or a damaged chain. Looked at again when it changes there. */
  readonly #settled = new Map<string, string>();
  readonly #left = { recordings: 0, files: 0 };
  readonly #rate: number[] = [0];
  readonly #rateTimer: NodeJS.Timeout;
  #waking = new AbortController();
  #completedAtMs: number | null = null;
  #loop: Promise<void> | undefined;

  constructor(options: BackgroundCopyOptions) {
    this.#options = options;
    this.#hashes = new CopyHashes(options.store.folders);
    this.#rateTimer = setInterval(() => {
      this.#rate.unshift(0);
      this.#rate.length = Math.min(this.#rate.length, RATE_SECONDS + 1);
    }, 1000);
  }

  get state(): BackgroundState {
    const past = this.#rate.slice(1);
    return {
      recordingBytesLeft: this.#left.recordings,
      fileBytesLeft: this.#left.files,
      bytesPerSecond: past.length === 0 ? 0 : Math.round(past.reduce((sum, bytes) => sum + bytes, 0) / past.length),
      completedAtMs: this.#completedAtMs,
    };
  }

  /** The source can be reached (again): begins, or looks at once. */
  start(): void {
    this.#loop ??= this.#run();
    this.lookAgain();
  }

  lookAgain(): void {
    this.#waking.abort();
  }

  /** A recording is written by the live link from now on: resolves when nothing is written to it here. */
  async claim(path: string): Promise<void> {
    const fetch = this.#running.get(`recordings/${path}`);
    fetch?.abort.abort();
    await fetch?.done;
  }

  async close(): Promise<void> {
    clearInterval(this.#rateTimer);
    this.#stopping.abort();
    this.#waking.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAtMs = Date.now();
      this.#waking = new AbortController();
      let isWhole = false;
      try {
        isWhole = await this.#pass();
      } catch (error) {
        if (!signal.aborted) log.debug({ error: (error as Error).message }, 'pair-copy-cut');
      }
      if (isWhole) {
        this.#completedAtMs = startedAtMs;
        this.#pauses.reset();
        this.#options.changed();
      }
      const either = AbortSignal.any([signal, this.#waking.signal]);
      await delay(isWhole ? LIST_EVERY_MS : this.#pauses.next(), undefined, { signal: either }).catch(() => {});
    }
  }

  /** Asks for the list and fetches what is missing; whether everything on it is here. */
  async #pass(): Promise<boolean> {
    this.#options.store.assertRoom();
    const missing = await this.#missing();
    this.#count(missing);
    let isWhole = true;
    const work = async () => {
      for (let listed = missing.pop(); listed !== undefined; listed = missing.pop()) {
        const isCopied = await this.#fetch(listed);
        isWhole &&= isCopied;
        this.#stopping.signal.throwIfAborted();
      }
    };
    await Promise.all(Array.from({ length: FETCHES_MAX }, work));
    return isWhole;
  }

  #count(missing: ListedFile[]): void {
    const bytesOf = (root: ListedFile['root']) => missing.reduce((sum, file) => sum + (file.root === root ? file.bytes : 0), 0);
    this.#left.recordings = bytesOf('recordings');
    this.#left.files = bytesOf('files');
  }

  /** Last comes first: recordings before files, the newest before older ones. Rejects when the list was cut. */
  async #missing(): Promise<ListedFile[]> {
    const response = await this.#options.agent.get(COPY_LIST_PATH, {}, this.#stopping.signal);
    if (response.statusCode !== 200) throw answered(response);
    const missing: ListedFile[] = [];
    let files = 0;
    let end: number | undefined;
    for await (const line of boundedLines(response as AsyncIterable<Buffer>, COPY_LINE_MAX_BYTES)) {
      if (files > COPY_LIST_FILES_MAX || end !== undefined) throw new Error('the list is too long');
      const value: unknown = JSON.parse(line);
      end = listEnd.safeParse(value).data?.files;
      if (end !== undefined) continue;
      const listed = listedFile.parse(value);
      files += 1;
      if (!(await this.#isHere(listed))) missing.push(listed);
    }
    if (end !== files) throw new Error('the list was cut');
    const rank = ({ root }: ListedFile) => (root === 'recordings' ? 1 : 0);
    return missing.sort((a, b) => rank(a) - rank(b) || a.mtimeMs - b.mtimeMs);
  }

  async #isHere(listed: ListedFile): Promise<boolean> {
    const { store, isLive, union } = this.#options;
    const { root, path, bytes, hash } = listed;
    if (union !== undefined) return !(await union.isWanted(listed));
    if (root === 'recordings' && isLive(path)) return true;
    if (this.#settled.get(`${root}/${path}`) === `${bytes} ${hash}`) return true;
    const own = await look(store.folders, listed);
    if (own !== undefined && root === 'files' && path.startsWith(KEPT_IF_HERE)) return true;
    return own?.bytes === bytes && (await this.#hashes.of(own)) === hash;
  }

  /** Whether the file is here now, as the source had it. */
  async #fetch(listed: ListedFile): Promise<boolean> {
    const { store, isLive } = this.#options;
    const { root, path, bytes, hash } = listed;
    if (root === 'recordings' && isLive(path)) return true;
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    const key = `${root}/${path}`;
    this.#running.set(key, { listed, abort, done: promise });
    try {
      const signal = AbortSignal.any([abort.signal, this.#stopping.signal]);
      const isAll = root === 'recordings' ? await this.#recording(listed, signal) : await this.#file(listed, signal);
      if (!isAll) this.#settled.set(key, `${bytes} ${hash}`);
      await this.#options.union?.deliver(listed);
      store.noteCopied(key);
      return true;
    } catch (error) {
      if (error instanceof RecordingError) this.#settled.set(key, `${bytes} ${hash}`);
      if (!abort.signal.aborted && !this.#stopping.signal.aborted) store.noteFault(key, error);
      return false;
    } finally {
      this.#running.delete(key);
      resolve();
      const left = root === 'recordings' ? 'recordings' : 'files';
      this.#left[left] = Math.max(0, this.#left[left] - bytes);
    }
  }

  /** Whether all bytes were taken; false when the source's file ends in the middle of a frame. */
  async #recording(listed: ListedFile, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#options;
    let copy = await store.openRecording(listed.path);
    try {
      let response = await this.#ask(listed, { from: copy.written, after: copy.headSha256 }, signal);
      if (response.statusCode === 409) {
        response.resume();
        await copy.close();
        await store.archive('recordings', listed.path);
        copy = await store.openRecording(listed.path);
        response = await this.#ask(listed, { from: 0, after: '' }, signal);
      }
      if (response.statusCode !== 200) throw answered(response);
      try {
        await this.#takeRecording(copy, response);
      } finally {
        // Also of one that breaks in the middle: what is whole counts.
        await copy.flush({ durably: true });
      }
      return copy.received === copy.written;
    } finally {
      await copy.close();
    }
  }

  /** Reads on while the disk works, as long as not too much waits. */
  async #takeRecording(copy: RecordingCopy, response: IncomingMessage): Promise<void> {
    const { store } = this.#options;
    let writing: Promise<void> | undefined;
    let fault: unknown;
    try {
      for await (const bytes of response as AsyncIterable<Buffer>) {
        this.#rate[0]! += bytes.length;
        copy.push(bytes);
        if (fault !== undefined) throw fault;
        if (copy.waitingBytes >= WAITING_MAX_BYTES) await writing;
        if (writing !== undefined || copy.waitingBytes < WRITE_FROM_BYTES) continue;
        store.assertRoom();
        writing = copy
          .flush({ durably: false })
          .catch((error: unknown) => (fault = error))
          .then(() => (writing = undefined));
      }
    } finally {
      await writing;
    }
    if (fault !== undefined) throw fault;
  }

  async #file(listed: ListedFile, signal: AbortSignal): Promise<boolean> {
    const { store } = this.#options;
    await mkdir(store.incoming, { recursive: true, mode: 0o700 });
    const part = join(store.incoming, `${listed.hash}.part`);
    const place = placeOf(store.folders, listed);
    const size = await stat(part).then(
      (stats) => stats.size,
      () => 0,
    );
    const from = size > listed.bytes ? 0 : size;
    const hasher = createHash('sha256');
    if (from > 0) await hashInto(hasher, part);
    const response = await this.#ask(listed, { from, after: '' }, signal);
    if (response.statusCode !== 200) throw answered(response);
    await this.#takeFile(part, { from, to: listed.bytes }, response, hasher);
    if (hasher.digest('hex') !== listed.hash) {
      await rm(part, { force: true });
      throw new Error('what came is not what the list says: it changed meanwhile, or was damaged');
    }
    store.checkGeneration();
    if ((await look(store.folders, listed)) !== undefined) await store.archive('files', listed.path);
    await mkdir(dirname(place), { recursive: true, mode: 0o700 });
    await rename(part, place);
    await syncFolder(dirname(place));
    return true;
  }

  async #takeFile(
    part: string,
    { from, to }: { from: number; to: number },
    response: IncomingMessage,
    hasher: Hash,
  ): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | (from === 0 ? constants.O_TRUNC : 0);
    const handle = await open(part, flags, 0o600);
    try {
      let at = from;
      let waiting: Buffer[] = [];
      let waitingBytes = 0;
      const write = async () => {
        this.#options.store.assertRoom();
        this.#options.store.checkGeneration();
        await writeAll(handle, waiting, at);
        at += waitingBytes;
        waiting = [];
        waitingBytes = 0;
      };
      for await (const bytes of response as AsyncIterable<Buffer>) {
        this.#rate[0]! += bytes.length;
        hasher.update(bytes);
        waiting.push(bytes);
        waitingBytes += bytes.length;
        if (at + waitingBytes > to) throw new Error('more came than the list says');
        if (waitingBytes >= WRITE_FROM_BYTES) await write();
      }
      await write();
      await handle.datasync();
    } finally {
      await handle.close();
    }
  }

  #ask(
    { root, path }: ListedFile,
    { from, after }: { from: number; after: string },
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const query = { root, path, from: String(from), ...(from > 0 && after !== '' && { after }) };
    return this.#options.agent.get(COPY_FILE_PATH, query, signal);
  }
}

function answered(response: IncomingMessage): Error {
  response.resume();
  return new Error(`The other appliance answered ${response.statusCode}.`);
}

async function hashInto(hasher: Hash, file: string): Promise<void> {
  for await (const bytes of createReadStream(file) as AsyncIterable<Buffer>) hasher.update(bytes);
}
