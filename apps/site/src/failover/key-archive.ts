import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { syncFolderSync, writeNewFileSync } from '@bascule/core/durable-file.ts';
import { PAIR_KEY_FILE } from './pair-key.ts';
import { PAIR_WRAP_KEY_FILE } from './pre-shared-key.ts';

/** Keys that belong to the appliance, not to the site. */
const OWN_KEYS = [PAIR_KEY_FILE, PAIR_WRAP_KEY_FILE];

/**
 * Copies the keys of a site from `keysDir` into the folder `to`, for root's and the service's eyes alone: before others take their place, since an archived database is worth
 * nothing without them (I5). On the disk, and whole, when it returns; what a cut left is begun anew, and a folder `to` that is there is whole.
 */
export function archiveKeys(keysDir: string, to: string): void {
  if (existsSync(to) || !existsSync(keysDir)) return;
  const part = partOf(to);
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part, { recursive: true, mode: 0o700 });
  for (const entry of readdirSync(keysDir, { withFileTypes: true }))
    if (entry.isFile() && !OWN_KEYS.includes(entry.name))
      writeNewFileSync(join(part, entry.name), readFileSync(join(keysDir, entry.name)));
  syncFolderSync(part);
  renameSync(part, to);
  syncFolderSync(dirname(to));
}

/** Removes what `archiveKeys` has made, or has begun to make, at `to`. */
export function eraseArchivedKeys(to: string): void {
  for (const folder of [to, partOf(to)]) rmSync(folder, { recursive: true, force: true });
}

function partOf(to: string): string {
  return `${to}.part`;
}
