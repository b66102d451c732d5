/** Recordings and files that this appliance has and a backup lacks: hard links beside what was unpacked, which take no room and leave the originals as they are. */
import { link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';

/**
 * Adds to the folder `to` every file of `from` that it lacks, and takes the one of `from` where `to` has a shorter one (a recording that went on after the backup was made). Gives how
 * many were added. Harmless when done again.
 */
export async function addMissing(from: string, to: string, onProgress: (done: number) => void): Promise<number> {
  if (!existsSync(from)) return 0;
  await mkdir(to, { recursive: true, mode: 0o700 });
  const folders = new Set<string>([to]);
  let added = 0;
  let seen = 0;
  for (const entry of await readdir(from, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(to, relative(from, source));
    if (!folders.has(dirname(target))) {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      folders.add(dirname(target));
    }
    if (await addOne(source, target)) added += 1;
    seen += 1;
    onProgress(seen);
  }
  for (const folder of folders) await syncFolder(folder);
  return added;
}

async function addOne(source: string, target: string): Promise<boolean> {
  try {
    await link(source, target);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Gone meanwhile: retention has removed it.
    if (code === 'ENOENT') return false;
    if (code !== 'EEXIST') throw error;
  }
  const [here, there] = await Promise.all([stat(source).catch(() => undefined), stat(target)]);
  if (here === undefined || here.ino === there.ino || here.size <= there.size) return false;
  await replaceByLink(source, target);
  return true;
}

/** By a rename: a cut leaves either the one or the other. */
async function replaceByLink(source: string, target: string): Promise<void> {
  const next = `${target}.kept`;
  await rm(next, { force: true });
  await link(source, next);
  await rename(next, target);
}
