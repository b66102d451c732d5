import { statfs } from 'node:fs/promises';
import { AppError } from '@bascule/errors/app-error.ts';

/** Copies for the peer, and of it, leave this much to the site itself: its database, and recordings that come meanwhile. */
export const SPACE_RESERVE_BYTES = 512 * 1024 * 1024;

/** Whether `bytes` more go into `folder`, and the reserve stays. Throws `STORE_DISK_FULL`. */
export async function checkSpace(folder: string, bytes: number, reserveBytes = SPACE_RESERVE_BYTES): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const freeBytes = bavail * bsize;
  if (freeBytes >= bytes + reserveBytes) return;
  throw new AppError(
    'unavailable',
    'STORE_DISK_FULL',
    `The disk that holds ${folder} has ${freeBytes} bytes left, too few for a copy of ${bytes} bytes: free some space, and copying goes on by itself.`,
    { params: { freeBytes, bytes } },
  );
}
