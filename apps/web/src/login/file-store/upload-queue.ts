import { startStoredUpload, storedFile, STORED_PIECE_MAX_BYTES, storedUpload } from '@bascule/protocol/api/file-store.ts';
import { LONG_TIMEOUT_MS, type ApiClient } from '../../shared/api-client.ts';
import { apiPaths } from '../../shared/paths.ts';
import { PART_BYTES, sendInParts, sha256Of } from '../../shared/send-in-parts.ts';

/** Files that may wait or be on their way at once. */
export const QUEUE_MAX_FILES = 100;
if (PART_BYTES > STORED_PIECE_MAX_BYTES) throw new Error('bug: a part is larger than the file store takes');

export type UploadState = 'waiting' | 'sending' | 'done' | 'failed' | 'stopped';
export interface QueuedUpload {
  key: number;
  file: File;
  state: UploadState;
  sentBytes: number;
  error?: unknown;
}

/** What an upload is aborted with when somebody wants nothing of it; who only leaves the page may go on later. */
export class UploadDiscarded extends Error {
  override name = 'UploadDiscarded';
}

/** Why a file is not even begun with. */
export type Refusal = 'name' | 'large' | 'many';

/** What is known to be wrong before anything is sent; undefined when nothing is. */
export function refusalOf(file: { name: string; size: number }, uploadMaxBytes: number): Refusal | undefined {
  if (!startStoredUpload.shape.name.safeParse(file.name).success) return 'name';
  return file.size > uploadMaxBytes ? 'large' : undefined;
}

/**
 * Sends one file into the file store; goes on where an earlier upload of the same name and size stopped. Throws ApiError, or what `signal` was aborted with;
 * with UploadDiscarded what had arrived is given up.
 */
export async function storeFile(
  api: ApiClient,
  file: File,
  signal: AbortSignal,
  onSent: (sentBytes: number) => void,
): Promise<void> {
  const sha256 = await sha256Of(file);
  signal.throwIfAborted();
  const start = { name: file.name, totalBytes: file.size, ...(sha256 !== undefined && { sha256 }) };
  const begun = await api.post(apiPaths.storedUploads, storedUpload, start);
  try {
    await sendInParts(
      api,
      {
        file,
        receivedBytes: begun.receivedBytes,
        pathOf: (from) => apiPaths.storedUploadPart(begun.id, from),
        offsetCode: 'FILE_UPLOAD_OFFSET',
        busyCode: 'FILE_UPLOAD_BUSY',
        onSent,
      },
      signal,
    );
    signal.throwIfAborted();
    await api.post(apiPaths.finishStoredUpload(begun.id), storedFile, {}, LONG_TIMEOUT_MS);
  } catch (error) {
    // If this fails, the appliance removes it by itself, in time.
    if (signal.reason instanceof UploadDiscarded)
      await api.delete(apiPaths.storedUpload(begun.id), storedUpload.partial()).catch(() => {});
    throw error;
  }
}
