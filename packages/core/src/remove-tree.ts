/** Removing folders of very many files while the process goes on serving. For servers: it uses the file system. */
import { lstat, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** So many entries are removed in a row; then whoever else wants the disk (commits of a database) has its turn. */
export const REMOVED_IN_A_ROW = 64;
const PAUSE_MS = 5;

/**
 * Removes `path` and everything in it, one entry after another: neither the event loop nor the few threads for files are held up, however many there are. Links are removed, not followed. It may
 * be gone already, or go meanwhile. Rejects with what the file system says, or with the reason of `signal`; a part is gone then, and a second call goes on.
 */
export async function removeTree(path: string, signal?: AbortSignal): Promise<void> {
  const isFolder = await lstat(path).then((found) => found.isDirectory(), unlessGone);
  if (isFolder !== true) return await rm(path, { force: true });
  let removed = 0;
  const countOne = async (): Promise<void> => {
    signal?.throwIfAborted();
    if (++removed % REMOVED_IN_A_ROW === 0) await pause(PAUSE_MS, undefined, { signal });
  };
  await removeFolder(path, countOne);
}

async function removeFolder(folder: string, countOne: () => Promise<void>): Promise<void> {
  for (const entry of (await readdir(folder, { withFileTypes: true }).catch(unlessGone)) ?? []) {
    await countOne();
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await removeFolder(path, countOne);
    else await unlink(path).catch(unlessGone);
  }
  await rmdir(folder).catch(unlessGone);
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
