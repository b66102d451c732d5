/** Files and folders that survive a power cut, and the reserve that a full disk leaves for the journal. */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from '@bascule/store/generation-file.ts';

/** Room for the journal when the disk is full: given up by `freeReserve`, made again by `makeReserve`. */
export const RESERVE_BYTES = 8 * 1024 * 1024;
const RESERVE_PIECE = Buffer.alloc(1024 * 1024, 0x52);

/** Replaces `file` with `text`, whole or not at all. */
export function writeDurably(file: string, text: string): void {
  const next = `${file}.next`;
  const descriptor = openSync(next, 'w', 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(next, file);
  syncDirectory(dirname(file));
}

/** Makes the names in `directory` and in every folder below it durable. */
export async function syncFolders(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await syncFolders(join(directory, entry.name));
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the reserve `box/reserve`; false when there is no room for it. */
export function makeReserve(file: string): boolean {
  if (existsSync(file) && statSync(file).size === RESERVE_BYTES) return true;
  try {
    const descriptor = openSync(file, 'w', 0o600);
    try {
      ftruncateSync(descriptor, 0);
      // Written, not only sized: a sparse file holds no room.
      for (let written = 0; written < RESERVE_BYTES;) written += writeSync(descriptor, RESERVE_PIECE);
    } finally {
      closeSync(descriptor);
    }
    return true;
  } catch {
    rmSync(file, { force: true });
    return false;
  }
}

/** Gives up the reserve; false when there is none. */
export function freeReserve(file: string): boolean {
  if (!existsSync(file)) return false;
  rmSync(file, { force: true });
  return true;
}
