/** What a relay has to copy, or has copied: the recordings, and the site's files that no package brings. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { COPY_LIST_FILES_MAX, copyPath, type CopyRoot, type ListedFile } from '@bascule/protocol/pair-data.ts';
import { HASH_BYTES, RECORDING_EXTENSION } from '@bascule/recording/format.ts';

/** Each appliance makes these from the package it runs, for its own machine. */
const DERIVED_FOLDERS: ReadonlySet<string> = new Set(['installers', 'windows-installers']);
const FOLDER_DEPTH_MAX = 16;
const HASH_READ_BYTES = 1024 * 1024;

export interface CopyFolders {
  recordings: string;
  files: string;
}

/** A file as `lstat` shows it. */
export interface FoundFile {
  root: CopyRoot;
  path: string;
  bytes: number;
  mtimeMs: number;
}

/** The whole path; `path` has the shape of `copyPath`, so that it lies inside. */
export function placeOf(folders: CopyFolders, { root, path }: Pick<FoundFile, 'root' | 'path'>): string {
  return join(folders[root], path);
}

/** All plain files that are copied, at most COPY_LIST_FILES_MAX. What vanishes meanwhile is passed over; a folder that is not there is empty. */
export async function* walk(folders: CopyFolders): AsyncGenerator<FoundFile> {
  let left = COPY_LIST_FILES_MAX;
  for (const root of ['recordings', 'files'] as const) {
    for await (const path of pathsBelow(folders[root], '', 0)) {
      const isWanted = root === 'recordings' ? path.endsWith(RECORDING_EXTENSION) : !DERIVED_FOLDERS.has(path.split('/', 1)[0]!);
      if (!isWanted || !copyPath.safeParse(path).success) continue;
      const file = await look(folders, { root, path });
      if (file !== undefined && left-- > 0) yield file;
    }
  }
}

/** Undefined when there is no plain file. */
export async function look(
  folders: CopyFolders,
  { root, path }: { root: CopyRoot; path: string },
): Promise<FoundFile | undefined> {
  const stats = await lstat(placeOf(folders, { root, path })).catch(() => undefined);
  return stats?.isFile() ? { root, path, bytes: stats.size, mtimeMs: stats.mtimeMs } : undefined;
}

async function* pathsBelow(folder: string, prefix: string, depth: number): AsyncGenerator<string> {
  if (depth > FOLDER_DEPTH_MAX) return;
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = `${prefix}${entry.name}`;
    if (entry.isDirectory()) yield* pathsBelow(join(folder, entry.name), `${path}/`, depth + 1);
    else if (entry.isFile()) yield path;
  }
}

/** Knows the hashes that tell one version of a file from another (protocol `listedFile`), read once for each size and time. */
export class CopyHashes {
  readonly #folders: CopyFolders;
  readonly #known = new Map<string, { bytes: number; mtimeMs: number; hash: string }>();

  constructor(folders: CopyFolders) {
    this.#folders = folders;
  }

  /** Undefined when the file cannot be read, or is too short to be a recording. */
  async of(file: FoundFile): Promise<string | undefined> {
    const key = `${file.root}/${file.path}`;
    const known = this.#known.get(key);
    if (known?.bytes === file.bytes && known.mtimeMs === file.mtimeMs) return known.hash;
    const place = placeOf(this.#folders, file);
    const hash = await (file.root === 'recordings' ? tailOf(place, file.bytes) : contentHash(place)).catch(() => undefined);
    if (hash === undefined) return undefined;
    if (this.#known.size >= COPY_LIST_FILES_MAX) this.#known.clear();
    this.#known.set(key, { bytes: file.bytes, mtimeMs: file.mtimeMs, hash });
    return hash;
  }

  async listed(file: FoundFile): Promise<ListedFile | undefined> {
    const hash = await this.of(file);
    return hash === undefined ? undefined : { ...file, hash };
  }
}

/** The last 32 bytes of `file`, hex. */
async function tailOf(file: string, bytes: number): Promise<string | undefined> {
  if (bytes < HASH_BYTES) return undefined;
  const tail = Buffer.alloc(HASH_BYTES);
  const handle = await open(file, 'r');
  try {
    await handle.read(tail, 0, HASH_BYTES, bytes - HASH_BYTES);
  } finally {
    await handle.close();
  }
  return tail.toString('hex');
}

/** SHA-256 of the content of `file`, hex. Rejects when it cannot be read. */
export async function contentHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of createReadStream(file, { highWaterMark: HASH_READ_BYTES }) as AsyncIterable<Buffer>)
    hash.update(bytes);
  return hash.digest('hex');
}
