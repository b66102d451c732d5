/** Files that are either the old or the new one after a power cut, never half of one. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomBytes } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';

/** Writes `data` as `file`: temporary file, fsync, rename, fsync of the folder. On failure the old file stays. */
export async function writeFileDurably(file: string, data: Uint8Array | string, mode = 0o644): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw diskFault(error);
  }
  await syncFolder(dirname(file));
}

/** Makes names in `folder` (created, renamed, removed) survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A full or failing disk as an error that tells a person what to do; every other error as it is. */
export function diskFault(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('unavailable', 'DISK_FULL', 'The disk is full. Make room, then try again; what was downloaded is kept.', {
      cause: error,
    });
  if (code === 'EIO' || code === 'EROFS')
    return new AppError(
      'unavailable',
      'DISK_FAILED',
      'The disk refused to write. Check the disk and the system log, then try again.',
      { cause: error },
    );
  return error;
}
