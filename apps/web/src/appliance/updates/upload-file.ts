import { finishedUpload, startUpload, uploadState } from '@bascule/protocol/api/updates.ts';
import type { ApiClient } from '../../shared/api-client.ts';
import { apiPaths } from '../../shared/paths.ts';
import { sendInParts, sha256Of } from '../../shared/send-in-parts.ts';
import type { FinishedUpload } from './updates-queries.ts';

/** The appliance's own limit for the verification of a file. */
const VERIFY_TIMEOUT_MS = 30 * 60_000;
const NAME_MAX_CHARACTERS = 200;

export type UploadPhase = { phase: 'hashing' } | { phase: 'sending'; sentBytes: number } | { phase: 'verifying' };

/**
 * Sends `file` in parts and has it verified; goes on where an earlier upload of the same file stopped, and after breaks of the connection.
 * Throws ApiError, or what `signal` was aborted with.
 */
export async function uploadFile(
  api: ApiClient,
  file: File,
  signal: AbortSignal,
  onPhase: (phase: UploadPhase) => void,
): Promise<FinishedUpload> {
  onPhase({ phase: 'hashing' });
  const sha256 = await sha256Of(file);
  signal.throwIfAborted();
  const begun = await api.post(
    apiPaths.uploads,
    uploadState,
    startUpload.parse({
      name: file.name.slice(0, NAME_MAX_CHARACTERS),
      totalBytes: file.size,
      ...(sha256 !== undefined && { sha256 }),
    }),
  );
  await sendInParts(
    api,
    {
      file,
      receivedBytes: begun.receivedBytes,
      pathOf: (from) => apiPaths.uploadPart(begun.id, from),
      offsetCode: 'UPLOAD_OFFSET',
      busyCode: 'UPLOAD_BUSY',
      onSent: (sentBytes) => onPhase({ phase: 'sending', sentBytes }),
    },
    signal,
  );
  onPhase({ phase: 'verifying' });
  return finishUpload(api, begun.id);
}

/** Has an upload that is whole verified; its packages are offers then. */
export function finishUpload(api: ApiClient, id: string): Promise<FinishedUpload> {
  return api.post(apiPaths.finishUpload(id), finishedUpload, {}, VERIFY_TIMEOUT_MS);
}
