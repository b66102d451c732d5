/** `.bascule-update` (package-format 5): a mirror in one file, for one appliance; an uncompressed tar with `bundle.json` first. */
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { instantMs, line, sha256Hex } from '@bascule/protocol/text.ts';
import { consistentPath } from './consistent-path.ts';
import { METADATA_LIMIT_BYTES, type Mirror } from './mirror.ts';
import { encodeTarHeader, printable, readTarHeader, TAR_END, TarFault, tarPadding } from './tar-format.ts';

const ABOUT_NAME = 'bundle.json';
const ABOUT_LIMIT_BYTES = 65_536;
/** Roots of 256 rotations, the other roles, and packages with their runtimes and clients. */
const ENTRIES_LIMIT = 1000;
const PACKAGES_LIMIT = 200;
const READ_BYTES = 65_536;

const bundleAbout = z.object({
  format: z.literal('bascule-bundle/1'),
  applianceId: sha256Hex,
  applianceName: line(200),
  keyNonce: z.string().regex(/^[0-9A-Za-z_-]{16,64}$/),
  createdAtMs: instantMs,
  validUntilMs: instantMs,
  packages: z
    .array(z.object({ target: z.string().min(1).max(300), sha256: sha256Hex, lengthBytes: z.number().int().nonnegative() }))
    .max(PACKAGES_LIMIT),
});

export interface BundleAbout {
  format: 'bascule-bundle/1';
  /** SHA-256 of the appliance's public key (SPKI). */
  applianceId: string;
  applianceName: string;
  /** Of the download key that it answers. */
  keyNonce: string;
  createdAtMs: number;
  /** The earliest expiry of the metadata inside. */
  validUntilMs: number;
  /** Every target inside, packages in the order of installation. For people and for refusals in clear words: what counts is the signed metadata. */
  packages: { target: string; sha256: string; lengthBytes: number }[];
}

export interface BundleEntry {
  /** `metadata/3.root.json` or `targets/site/<sha256>.bascule-site-0.2.0.tar.zst`. */
  name: string;
  /** Bytes, or a file with its exact length. */
  source: Uint8Array | { file: string; lengthBytes: number };
}

/**
 * A bundle as a mirror. It is indexed by reading headers alone, and nothing is unpacked; nothing in it is trusted.
 */
export class BundleMirror implements Mirror {
  readonly about: BundleAbout;
  readonly #name: string;
  readonly #handle: FileHandle;
  readonly #index: Map<string, { offset: number; bytes: number }>;

  private constructor(
    name: string,
    handle: FileHandle,
    about: BundleAbout,
    index: Map<string, { offset: number; bytes: number }>,
  ) {
    this.#name = name;
    this.#handle = handle;
    this.about = about;
    this.#index = index;
  }

  /** Opens a bundle, `name` to people; `close` it. Throws `BUNDLE_MALFORMED` (no bundle, or altered) or `BUNDLE_INCOMPLETE` (cut short, or a package is missing). */
  static async open(file: string, name: string = basename(file)): Promise<BundleMirror> {
    const handle = await open(file, 'r');
    try {
      const { about, index } = await readIndex(handle);
      for (const { target, sha256, lengthBytes } of about.packages) {
        const entry = index.get(`targets/${consistentPath(target, sha256)}`);
        if (entry?.bytes !== lengthBytes) throw incomplete(`${printable(target)} is missing`);
      }
      return new BundleMirror(name, handle, about, index);
    } catch (error) {
      await handle.close();
      if (!(error instanceof TarFault)) throw error;
      throw error.reason === 'truncated' ? incomplete('it ends in the middle') : malformed(error.message);
    }
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
 * Refuses a bundle that is not for this appliance, that no key of it asked for (when `keyNonces` is given), or whose time is over (package-format 5.6). Throws
 * `BUNDLE_OTHER_APPLIANCE`, `BUNDLE_OTHER_KEY` or `BUNDLE_EXPIRED`.
 */
export function checkBundle(about: BundleAbout, appliance: { applianceId: string; nowMs: number; keyNonces?: string[] }): void {
  if (about.applianceId !== appliance.applianceId)
    throw new AppError(
      'invalid',
      'BUNDLE_OTHER_APPLIANCE',
      `This file was made for another appliance (${about.applianceName}). Make a download key on this appliance and redeem it.`,
      { params: { applianceName: about.applianceName } },
    );
  if (appliance.keyNonces && !appliance.keyNonces.includes(about.keyNonce))
    throw new AppError(
      'invalid',
      'BUNDLE_OTHER_KEY',
      'This file answers a download key that this appliance does not know. Make a new download key and redeem it.',
    );
  if (about.validUntilMs <= appliance.nowMs)
    throw new AppError(
      'invalid',
      'BUNDLE_EXPIRED',
      `This file was good until ${new Date(about.validUntilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC. Make a new download key and redeem it; check the time of the appliance too.`,
      { params: { validUntilMs: about.validUntilMs } },
    );
}

/** The length of the bundle that `writeBundle` gives, for `content-length`. */
export function bundleBytes(about: BundleAbout, entries: BundleEntry[]): number {
  return allEntries(about, entries).reduce((sum, entry) => {
    const bytes = lengthOf(entry);
    return sum + headerOf(entry).length + bytes + tarPadding(bytes);
  }, TAR_END.length);
}

/**
 * Gives a bundle as a stream, with memory for one piece. Throws a ZodError for an `about` that the format does not allow, `BUNDLE_INCOMPLETE` when a package of
 * `about` is not among `entries` or a file is not as long as was said.
 */
export async function* writeBundle(about: BundleAbout, entries: BundleEntry[], signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  bundleAbout.parse(about);
  const names = new Set(entries.map(({ name }) => name));
  for (const { target, sha256 } of about.packages)
    if (!names.has(`targets/${consistentPath(target, sha256)}`)) throw incomplete(`${target} is missing`);
  for (const entry of allEntries(about, entries)) {
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

async function readIndex(
  handle: FileHandle,
): Promise<{ about: BundleAbout; index: Map<string, { offset: number; bytes: number }> }> {
  const { size } = await handle.stat();
  const index = new Map<string, { offset: number; bytes: number }>();
  let about: BundleAbout | undefined;
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
      if (entry.path !== ABOUT_NAME || entry.bytes > ABOUT_LIMIT_BYTES) throw malformed(`it does not begin with ${ABOUT_NAME}`);
      about = parseAbout(await readExactly(handle, offset, entry.bytes));
    } else {
      last = entry.path;
      if (!/^(metadata\/[^/]+|targets\/.+)$/.test(entry.path)) throw malformed(`${printable(entry.path)} does not belong in it`);
      if (entry.path.startsWith('metadata/') && entry.bytes > METADATA_LIMIT_BYTES)
        throw malformed(`${printable(entry.path)} is too large`);
      if (index.size >= ENTRIES_LIMIT) throw malformed('it holds too many files');
      index.set(entry.path, { offset, bytes: entry.bytes });
    }
    offset += entry.bytes + tarPadding(entry.bytes);
    if (offset > size) throw new TarFault('truncated', 'it ends in the middle');
  }
  if (about === undefined) throw malformed('it is empty');
  if (offset !== size) throw malformed('something follows its end');
  return { about, index };
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

function parseAbout(bytes: Buffer): BundleAbout {
  try {
    return bundleAbout.parse(JSON.parse(bytes.toString('utf8')));
  } catch {
    throw malformed(`${ABOUT_NAME} cannot be read`);
  }
}

/** Ascending, as the form of tar demands; `bundle.json` comes before `metadata/` and `targets/`. */
function allEntries(about: BundleAbout, entries: BundleEntry[]): BundleEntry[] {
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return [{ name: ABOUT_NAME, source: Buffer.from(JSON.stringify(about)) }, ...sorted];
}

function headerOf(entry: BundleEntry): Buffer {
  return encodeTarHeader({ path: entry.name, bytes: lengthOf(entry), executable: false });
}

function lengthOf({ source }: BundleEntry): number {
  return source instanceof Uint8Array ? source.length : source.lengthBytes;
}

function malformed(reason: string): AppError {
  return new AppError(
    'invalid',
    'BUNDLE_MALFORMED',
    `This is no update file, or it was altered: ${reason}. Get it again from the update server.`,
  );
}

function incomplete(reason: string): AppError {
  return new AppError('invalid', 'BUNDLE_INCOMPLETE', `The update file is incomplete: ${reason}. Copy or download it again.`);
}
