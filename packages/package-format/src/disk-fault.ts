import { writeFileDurably } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** `writeFileDurably` of core, a full or failing disk told as by `diskFault`. Mode 0600 unless said otherwise. */
export async function writeOrSayWhy(file: string, data: Uint8Array | string, mode?: number): Promise<void> {
  try {
    await writeFileDurably(file, data, mode);
  } catch (error) {
    throw diskFault(error);
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
