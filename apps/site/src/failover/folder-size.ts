import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A size that was measured serves so long: a folder may hold a hundred thousand recordings, and a person checks several times. */
const KEPT_MS = 5 * 60_000;

/** Sizes of folders, measured anew only now and then. */
export class FolderSizes {
  readonly #known = new Map<string, { bytes: Promise<number>; atMs: number }>();

  /** As `sizeOf`, of a few minutes ago at most. */
  of(folder: string): Promise<number> {
    const known = this.#known.get(folder);
    if (known !== undefined && performance.now() - known.atMs < KEPT_MS) return known.bytes;
    const bytes = sizeOf(folder);
    this.#known.set(folder, { bytes, atMs: performance.now() });
    bytes.catch(() => this.#known.delete(folder));
    return bytes;
  }
}

/** Bytes of all files in `folder`, 0 when there is none; what goes meanwhile does not count. */
export async function sizeOf(folder: string): Promise<number> {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += await stat(join(entry.parentPath, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}
