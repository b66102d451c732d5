/** A mirror in one file (package-format 5.1): an uncompressed tar with a description first, then metadata and targets. Bundles and parcels are such files. */
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import { METADATA_LIMIT_BYTES, type Mirror } from './mirror.ts';
import { encodeTarHeader, printable, readTarHeader, TAR_END, TarFault, tarPadding } from './tar-format.ts';

const ABOUT_LIMIT_BYTES = 65_536;
/** Roots of 256 rotations, the other roles, and packages with their runtimes and clients. */
const ENTRIES_LIMIT = 1000;
const READ_BYTES = 65_536;

export interface BundleEntry {
  /** `metadata/3.root.json` or `targets/site/<sha256>.bascule-site-0.2.0.tar.zst`. */
  name: string;
  /** Bytes, or a file with its exact length. */
  source: Uint8Array | { file: string; lengthBytes: number };
}

/** Where the content of each entry lies in the file. */
export type MirrorIndex = Map<string, { offset: number; bytes: number }>;

/** What a file of this form holds, read by its headers alone: nothing is unpacked, and nothing in it is trusted. */
export class MirrorFile implements Mirror {
  readonly #name: string;
  readonly #handle: FileHandle;
  readonly #index: MirrorIndex;

  /** `name` to people; `close` it. */
  constructor(name: string, handle: FileHandle, index: MirrorIndex) {
    this.#name = name;
    this.#handle = handle;
    this.#index = index;
  }

  describe(): string {
    return `the file ${this.#name}`;
  }

  async metadata(name: string, maxBytes: number, _signal?: AbortSignal): Promise<Buffer | undefined> {
    const entry = this.#index.get(`metadata/${name}`);
    if (!entry) return undefined;
    if (entry.bytes > maxBytes)
      throw new AppError(
        'too-large',
        'MIRROR_TOO_LARGE',
        `${this.describe()} has more than ${maxBytes} bytes for ${name}; that was refused.`,
      );
    return readExactly(this.#handle, entry.offset, entry.bytes);
  }

  async *target(path: string, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const entry = this.#index.get(`targets/${path}`);
    if (!entry)
      throw new AppError(
        'not-found',
        'MIRROR_TARGET_MISSING',
        `${this.describe()} does not hold ${printable(path)}. Get a new file for this appliance.`,
      );
    for (let at = from; at < entry.bytes; at += READ_BYTES) {
      signal?.throwIfAborted();
      yield await readExactly(this.#handle, entry.offset + at, Math.min(READ_BYTES, entry.bytes - at));
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/**
 * Reads the headers of the whole file. `about` is the JSON of the first entry, which must be `aboutName`; nobody vouches for it. Throws `BUNDLE_MALFORMED`, and
 * TarFault (see `mirrorFileFault`).
 */
export async function readMirrorFile(handle: FileHandle, aboutName: string): Promise<{ about: unknown; index: MirrorIndex }> {
  const { size } = await handle.stat();
  const index: MirrorIndex = new Map();
  let about: { value: unknown } | undefined;
  let offset = 0;
  let last: string | undefined;
  const read = async (bytes: number) => {
    const block = await readExactly(handle, offset, bytes);
    offset += bytes;
    return block;
  };
  for (;;) {
    const entry = await readTarHeader(read, last);
    if (entry === undefined) break;
    if (about === undefined) {
      if (entry.path !== aboutName || entry.bytes > ABOUT_LIMIT_BYTES) throw malformed(`it does not begin with ${aboutName}`);
      about = { value: parseAbout(await readExactly(handle, offset, entry.bytes), aboutName) };
    } else {
      last = entry.path;
      checkEntry(entry);
      if (index.size >= ENTRIES_LIMIT) throw malformed('it holds too many files');
      index.set(entry.path, { offset, bytes: entry.bytes });
    }
    offset += entry.bytes + tarPadding(entry.bytes);
    if (offset > size) throw new TarFault('truncated', 'it ends in the middle');
  }
  if (about === undefined) throw malformed('it is empty');
  if (offset !== size) throw malformed('something follows its end');
  return { about: about.value, index };
}

/** The fault of a file that was cut short or is no tar, for people; every other error as it is. */
export function mirrorFileFault(error: unknown): unknown {
  if (!(error instanceof TarFault)) return error;
  return error.reason === 'truncated' ? incomplete('it ends in the middle') : malformed(error.message);
}

/** The length of what `writeMirrorFile` gives. */
export function mirrorFileBytes(about: BundleEntry, entries: BundleEntry[]): number {
  return [about, ...entries].reduce((sum, entry) => {
    const bytes = lengthOf(entry);
    return sum + headerOf(entry).length + bytes + tarPadding(bytes);
  }, TAR_END.length);
}

/** Gives the file as a stream, with memory for one piece. Throws `BUNDLE_INCOMPLETE` when a file is not as long as was said. */
export async function* writeMirrorFile(
  about: BundleEntry,
  entries: BundleEntry[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // Ascending, as the form of tar demands; the description comes before `metadata/` and `targets/`.
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  for (const entry of [about, ...sorted]) {
    yield headerOf(entry);
    if (entry.source instanceof Uint8Array) yield entry.source;
    else yield* fileOf(entry.source, signal);
    const padding = tarPadding(lengthOf(entry));
    if (padding > 0) yield TAR_END.subarray(0, padding);
  }
  yield TAR_END;
}

async function* fileOf(
  { file, lengthBytes }: { file: string; lengthBytes: number },
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of createReadStream(file, { signal }) as AsyncIterable<Buffer>) {
    read += chunk.length;
    if (read > lengthBytes) break;
    yield chunk;
  }
  if (read !== lengthBytes) throw incomplete(`${basename(file)} is not ${lengthBytes} bytes long`);
}

async function readExactly(handle: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, offset + done);
    if (bytesRead === 0) throw new TarFault('truncated', 'it ends in the middle');
    done += bytesRead;
  }
  return buffer;
}

function parseAbout(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw malformed(`${name} cannot be read`);
  }
}

function checkEntry({ path, bytes }: { path: string; bytes: number }): void {
  if (!/^(metadata\/[^/]+|targets\/.+)$/.test(path)) throw malformed(`${printable(path)} does not belong in it`);
  if (path.startsWith('metadata/') && bytes > METADATA_LIMIT_BYTES) throw malformed(`${printable(path)} is too large`);
}

function headerOf(entry: BundleEntry): Buffer {
  return encodeTarHeader({ path: entry.name, bytes: lengthOf(entry), executable: false });
}

function lengthOf({ source }: BundleEntry): number {
  return source instanceof Uint8Array ? source.length : source.lengthBytes;
}

export function malformed(reason: string): AppError {
  return new AppError(
    'invalid',
    'BUNDLE_MALFORMED',
    `This is no update file, or it was altered: ${reason}. Get it again from the update server.`,
  );
}

export function incomplete(reason: string): AppError {
  return new AppError('invalid', 'BUNDLE_INCOMPLETE', `The update file is incomplete: ${reason}. Copy or download it again.`);
}
