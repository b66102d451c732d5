/**
 * The files of a key ring (docs/decisions/0300). `x.key`: the current key, 32 raw bytes, as every version of the software reads it. `x.keyring`: all keys and which is current;
 * there from the first rotation or restored key on. The ring decides; a key file that it does not know was put there by software that knows no rings, and is current then.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { syncFolderSync, writeFileDurablySync, writeNewFileSync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

export const KEY_BYTES = 32;
/** Of a key: the beginning of a hash, which says nothing about it. */
export const KEY_ID_BYTES = 8;
/** Keys that one ring holds: each restored file may bring some. */
export const RING_KEYS_MAX = 64;

export interface RingKey {
  /** 16 hexadecimal digits. */
  readonly id: string;
  readonly bytes: Buffer;
}

export interface Ring {
  readonly keys: ReadonlyMap<string, RingKey>;
  /** New secrets are wrapped by it. */
  readonly current: string;
  /** Made, and not used yet (a rotation that has begun). */
  readonly next: string | null;
  /** Whether what is wrapped names its key: not until there is a ring file, so that earlier software opens it. */
  readonly namesKeys: boolean;
}

const KEY_ID = /^[0-9a-f]{16}$/;
const ringFile = z.object({
  format: z.literal('bascule-key-ring/1'),
  current: z.string().regex(KEY_ID),
  next: z.string().regex(KEY_ID).nullable(),
  keys: z.array(z.base64().length(44)).min(1).max(RING_KEYS_MAX),
});

/** Names `bytes` (32 of them) by a hash. */
export function ringKey(bytes: Uint8Array): RingKey {
  if (bytes.byteLength !== KEY_BYTES) throw new Error('bug: not a key');
  const id = createHash('sha256').update('bascule key id\0').update(bytes).digest('hex');
  return { id: id.slice(0, 2 * KEY_ID_BYTES), bytes: Buffer.from(bytes) };
}

export function newRingKey(): RingKey {
  return ringKey(randomBytes(KEY_BYTES));
}

/** `site.key` → `site.keyring`. */
export function ringPathOf(keyPath: string): string {
  return `${keyPath.replace(/\.key$/, '')}.keyring`;
}

/** Reads the ring of the key file `path`; makes a key, durably, when there is neither file. Throws KEY_FILE_BROKEN, and replaces nothing then. */
export function readRing(path: string): Ring {
  const ring = readRingFile(ringPathOf(path));
  if (ring === undefined) {
    const key = ringKey(readOrMakeKey(path));
    return { keys: new Map([[key.id, key]]), current: key.id, next: null, namesKeys: false };
  }
  const bytes = readKey(path);
  if (bytes === undefined) return ring;
  const key = ringKey(bytes);
  if (ring.keys.has(key.id)) return ring;
  return { ...ring, keys: new Map([...ring.keys, [key.id, key]]), current: key.id };
}

/**
 * Writes the ring file, and the key file after it. A cut between them leaves the former key in the key file: the ring knows it, and decides. `step` is called between the two, for
 * tests.
 */
export function writeRing(path: string, ring: Ring, step?: () => void): void {
  const keys = [...ring.keys.values()].map(({ bytes }) => bytes.toString('base64'));
  const text = JSON.stringify({ format: 'bascule-key-ring/1', current: ring.current, next: ring.next, keys });
  writeFileDurablySync(ringPathOf(path), `${text}\n`);
  step?.();
  mendKeyFile(path, ring);
}

/** What a cut has left: the key file is to hold the current key. */
export function mendKeyFile(path: string, ring: Ring): void {
  const { bytes } = ring.keys.get(ring.current)!;
  if (existsSync(path) && readFileSync(path).equals(bytes)) return;
  writeFileDurablySync(path, bytes);
}

/** Changes whenever one of the files is replaced. */
export function stampOf(path: string): string {
  return [path, ringPathOf(path)]
    .map((file) => {
      const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
      return stats === undefined ? '-' : `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
    })
    .join(' ');
}

/** The ring in the text of a ring file. Throws KEY_FILE_BROKEN, which names `path`. */
export function parseRing(text: string, path: string): Ring {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw broken(path, error);
  }
  const parsed = ringFile.safeParse(json);
  if (!parsed.success) throw broken(path);
  const { current, next, keys: all } = parsed.data;
  const keys = new Map(all.map((key) => ringKey(Buffer.from(key, 'base64'))).map((key) => [key.id, key]));
  if (!keys.has(current) || (next !== null && !keys.has(next))) throw broken(path);
  return { keys, current, next, namesKeys: true };
}

function readRingFile(path: string): Ring | undefined {
  try {
    return parseRing(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function readOrMakeKey(path: string): Buffer {
  const known = readKey(path);
  if (known !== undefined) return known;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  rmSync(temporary, { force: true });
  writeNewFileSync(temporary, newRingKey().bytes);
  try {
    // link, unlike rename, never replaces a key that another program has made meanwhile.
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolderSync(dirname(path));
  const key = readKey(path);
  if (key === undefined) throw new Error(`bug: the key file ${path} was not made`);
  return key;
}

function readKey(path: string): Buffer | undefined {
  try {
    const key = readFileSync(path);
    if (key.length === KEY_BYTES) return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  throw broken(path);
}

function broken(path: string, cause?: unknown): AppError {
  return new AppError('internal', 'KEY_FILE_BROKEN', `The key file ${path} is damaged; put the right one back from a backup.`, {
    cause,
  });
}
