/** Folders that survive a power cut, and the reserve that a full disk leaves for the journal. */
import { closeSync, existsSync, ftruncateSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';

/** Room for the journal when the disk is full: given up by `freeReserve`, made again by `makeReserve`. */
export const RESERVE_BYTES = 8 * 1024 * 1024;
const RESERVE_PIECE = Buffer.alloc(1024 * 1024, 0x52);

/** Makes the names in `directory` and in every folder below it durable. */
export async function syncFolders(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await syncFolders(join(directory, entry.name));
  await syncFolder(directory);
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
