/** Files that are either the old or the new one after a power cut, never half of one. For servers: it uses the file system. */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

const PRIVATE_MODE = 0o600;

/**
 * Writes `data` as `file`: temporary file, fsync, rename, fsync of the folder. On disk when it resolves. Rejects with what the file system says (a full disk); the old
 * file stays then. Two writers of one file do not disturb each other: the last one wins.
 */
export async function writeFileDurably(file: string, data: Uint8Array | string, mode = PRIVATE_MODE): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeNewFile(temporary, data, mode);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(file));
}

/**
 * As `writeFileDurably`, without a pause, for one writer at a time: what a cut left of `temporary` is removed first, and no link of that name is followed. `temporary` is in
 * the same folder.
 */
export function writeFileDurablySync(
  file: string,
  data: Uint8Array | string,
  { mode = PRIVATE_MODE, temporary = `${file}.next` }: { mode?: number; temporary?: string } = {},
): void {
  rmSync(temporary, { force: true });
  try {
    writeNewFileSync(temporary, data, mode);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncFolderSync(dirname(file));
}

/** Makes `file` with `data`, on disk; its name becomes so by `syncFolder`. Rejects with EEXIST when the name is taken, by a link too. */
export async function writeNewFile(file: string, data: Uint8Array | string, mode = PRIVATE_MODE): Promise<void> {
  const handle = await open(file, 'wx', mode);
  try {
    await handle.writeFile(data);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** As `writeNewFile`, without a pause. */
export function writeNewFileSync(file: string, data: Uint8Array | string, mode = PRIVATE_MODE): void {
  const descriptor = openSync(file, 'wx', mode);
  try {
    writeFileSync(descriptor, data);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes names in `folder` (created, renamed, removed) survive a power cut. Windows opens no folders: NTFS keeps names in its own journal. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** As `syncFolder`, without a pause. */
export function syncFolderSync(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
