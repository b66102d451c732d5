/** Fetches one signed file from a mirror (package-format 4.5): resumed, paced, checked by length and hash before it gets its name. */
import { createHash, timingSafeEqual, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { diskFault } from './disk-fault.ts';
import type { Mirror } from './mirror.ts';

/** Connections in a row that brought nothing; each that brings a byte begins the count anew. */
const IDLE_TRIES_LIMIT = 3;
/** All connections for one file. */
const TRIES_LIMIT = 200;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
/** Longest sleep of the rate limit at a time, so that a stop is heard soon. */
const LONGEST_PAUSE_MS = 500;

export interface SignedFile {
  /** For people. */
  name: string;
  /** Below `targets/` of the mirror. */
  remotePath: string;
  lengthBytes: number;
  /** Hex, by algorithm; at least one, and all must fit. */
  hashes: Record<string, string>;
}

export interface DownloadOptions {
  signal?: AbortSignal;
  /** 0 or absent: no limit. */
  limitBytesPerSecond?: number;
  onProgress?(done: number, total: number): void;
}

/**
 * Downloads `signed` as `file`. `<file>.part` holds what has come so far and is gone on with by the next call; it is removed when the whole has a wrong hash.
 * Throws `PACKAGE_HASH`, `DISK_FULL`, `MIRROR_UNREACHABLE`, `MIRROR_TARGET_MISSING` or the reason of `signal`.
 */
export async function downloadSigned(
  file: string,
  signed: SignedFile,
  mirror: Mirror,
  options: DownloadOptions = {},
): Promise<void> {
  const part = `${file}.part`;
  const isResumed = (await sizeOf(part)) > 0;
  if (!(await complete(part, signed, mirror, options))) {
    await rm(part, { force: true });
    // A part from long ago may be what is wrong: once more, from the beginning.
    if (!isResumed || !(await complete(part, signed, mirror, options))) {
      await rm(part, { force: true });
      throw wrongHash(signed, mirror.describe());
    }
  }
  await rename(part, file);
  await syncFolder(dirname(file));
}

/** Whether the content of `file` has all of the hashes. */
export async function hasHashes(file: string, hashes: Record<string, string>, signal?: AbortSignal): Promise<boolean> {
  const digests = new Digests(hashes);
  await digests.read(file, signal);
  return digests.fit();
}

export function wrongHash(signed: { name: string }, from: string): AppError {
  return new AppError(
    'invalid',
    'PACKAGE_HASH',
    `${signed.name} from ${from} is not what was signed: it was damaged or altered, and was deleted. Try again, or use another mirror.`,
  );
}

async function complete(part: string, signed: SignedFile, mirror: Mirror, options: DownloadOptions): Promise<boolean> {
  if ((await sizeOf(part)) > signed.lengthBytes) await rm(part);
  const digests = new Digests(signed.hashes);
  const had = await sizeOf(part);
  if (had > 0) await digests.read(part, options.signal);
  const handle = await open(part, 'a', 0o600).catch((error: unknown) => {
    throw diskFault(error);
  });
  try {
    const receiver = new Receiver(handle, digests, signed, options, had);
    await receiver.receiveAll(mirror);
    await handle.sync();
  } catch (error) {
    throw diskFault(error);
  } finally {
    await handle.close();
  }
  return digests.fit();
}

class Receiver {
  readonly #handle: FileHandle;
  readonly #digests: Digests;
  readonly #signed: SignedFile;
  readonly #options: DownloadOptions;
  readonly #startedAtMs = performance.now();
  readonly #had: number;
  #done: number;

  constructor(handle: FileHandle, digests: Digests, signed: SignedFile, options: DownloadOptions, had: number) {
    this.#handle = handle;
    this.#digests = digests;
    this.#signed = signed;
    this.#options = options;
    this.#had = had;
    this.#done = had;
  }

  async receiveAll(mirror: Mirror): Promise<void> {
    const { signal } = this.#options;
    let idleTries = 0;
    for (let tries = 1; this.#done < this.#signed.lengthBytes; tries++) {
      const before = this.#done;
      const failure = await this.#receive(mirror);
      signal?.throwIfAborted();
      if (this.#done === this.#signed.lengthBytes) return;
      idleTries = this.#done === before ? idleTries + 1 : 0;
      if (!isCut(failure) || idleTries >= IDLE_TRIES_LIMIT || tries >= TRIES_LIMIT) throw failure;
      await sleep(Math.min(FIRST_WAIT_MS * 2 ** idleTries, LONGEST_WAIT_MS), undefined, { signal });
    }
  }

  /** One connection; gives what it ended with. */
  async #receive(mirror: Mirror): Promise<unknown> {
    const { signal } = this.#options;
    const total = this.#signed.lengthBytes;
    try {
      for await (const chunk of mirror.target(this.#signed.remotePath, this.#done, signal)) {
        signal?.throwIfAborted();
        // Never more than was signed, however much comes (endless data).
        const piece = chunk.subarray(0, total - this.#done);
        await this.#handle.appendFile(piece);
        this.#digests.add(piece);
        this.#done += piece.length;
        this.#options.onProgress?.(this.#done, total);
        if (this.#done === total) return undefined;
        await this.#pace();
      }
      return new AppError(
        'unavailable',
        'MIRROR_UNREACHABLE',
        `${mirror.describe()} ended ${this.#signed.name} too early. Try again: it goes on where it stopped.`,
      );
    } catch (error) {
      return error;
    }
  }

  async #pace(): Promise<void> {
    const limit = this.#options.limitBytesPerSecond ?? 0;
    if (limit <= 0) return;
    const dueAtMs = this.#startedAtMs + ((this.#done - this.#had) / limit) * 1000;
    for (let leftMs = dueAtMs - performance.now(); leftMs > 1; leftMs = dueAtMs - performance.now())
      await sleep(Math.min(leftMs, LONGEST_PAUSE_MS), undefined, { signal: this.#options.signal });
  }
}

class Digests {
  readonly #wanted: [Hash, string][];

  constructor(hashes: Record<string, string>) {
    this.#wanted = Object.entries(hashes).map(([algorithm, hex]) => [createHash(algorithm), hex]);
  }

  add(chunk: Uint8Array): void {
    for (const [hash] of this.#wanted) hash.update(chunk);
  }

  async read(file: string, signal?: AbortSignal): Promise<void> {
    for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) this.add(chunk);
  }

  fit(): boolean {
    if (this.#wanted.length === 0) return false;
    return this.#wanted.every(([hash, hex]) => {
      const digest = hash.digest();
      const wanted = Buffer.from(hex, 'hex');
      return digest.length === wanted.length && timingSafeEqual(digest, wanted);
    });
  }
}

/** Whether another connection to the same mirror makes sense. */
function isCut(failure: unknown): boolean {
  return failure instanceof AppError && failure.code === 'MIRROR_UNREACHABLE';
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
