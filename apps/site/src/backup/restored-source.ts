/** The file of a backup, as it is read: opened once, so that what was looked into and what is unpacked can be compared (docs/decisions/0294). */
import { open, type FileHandle } from 'node:fs/promises';
import { AppError } from '@bascule/errors/app-error.ts';

const READ_BYTES = 256 * 1024;

/**
 * Opens `file`, has `work` read it, and gives what that gave with a mark of the file: another one when it was replaced or written to, also by somebody who sets its times back. Throws
 * `RESTORE_CHANGED` when that happened meanwhile.
 */
export async function readSource<T>(
  file: string,
  work: (bytes: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<{ found: T; mark: string }> {
  const handle = await open(file, 'r');
  try {
    const mark = await markOf(handle);
    const found = await work(piecesOf(handle));
    if ((await markOf(handle)) !== mark) throw changed();
    return { found, mark };
  } finally {
    await handle.close();
  }
}

/** Device, number, size, and the time of its last change, which nobody sets. */
async function markOf(handle: FileHandle): Promise<string> {
  const { dev, ino, size, ctimeNs } = await handle.stat({ bigint: true });
  return [dev, ino, size, ctimeNs].join(':');
}

async function* piecesOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(READ_BYTES));
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function changed(): AppError {
  return new AppError(
    'conflict',
    'RESTORE_CHANGED',
    'The file of the backup changed while it was read. Nothing was changed here.',
  );
}
