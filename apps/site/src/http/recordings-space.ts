import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** The directory is counted again after this. */
export const COUNT_AGAIN_MS = 60_000;

/** How much the recordings take, and how much is left for them. */
export class RecordingsSpace {
  readonly #directory: string;
  readonly #now: () => number;
  #counted: { atMs: number; bytes: Promise<number> } | undefined;

  constructor(directory: string, now: () => number) {
    this.#directory = directory;
    this.#now = now;
  }

  async read(): Promise<{ freeBytes: number; usedBytes: number }> {
    const { bavail, bsize } = await statfs(this.#directory);
    if (this.#counted === undefined || this.#now() - this.#counted.atMs >= COUNT_AGAIN_MS)
      this.#counted = { atMs: this.#now(), bytes: countBytes(this.#directory) };
    return { freeBytes: bavail * bsize, usedBytes: await this.#counted.bytes };
  }
}

async function countBytes(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    // A file may go while we count.
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}
