import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { finishedUpload, startUpload, uploadState } from '@bascule/protocol/api/updates.ts';
import { ApiError, type ApiClient } from '../../shared/api-client.ts';
import { apiPaths } from '../../shared/paths.ts';
import type { FinishedUpload } from './updates-queries.ts';

/** What one request carries; a lost connection costs at most this much again. */
export const PART_BYTES = 4 * 1024 * 1024;
/** Above this a file is not hashed here: browsers hash only what is whole in memory. */
const HASH_MAX_BYTES = 256 * 1024 * 1024;
/** How often a part is sent again while the appliance does not answer, such as while base is replaced. */
const MAX_PART_TRIES = 30;
const TRY_AGAIN_MS = 1_000;
const NAME_MAX_CHARACTERS = 200;

type UnfinishedUpload = UpdatesState['uploads'][number];
export type UploadPhase = { phase: 'hashing' } | { phase: 'sending'; sentBytes: number } | { phase: 'verifying' };

/** The upload that was begun with this file and not ended: same name, same size. */
export function unfinishedUploadOf(file: Pick<File, 'name' | 'size'>, uploads: readonly UnfinishedUpload[]): UnfinishedUpload | undefined {
  return uploads.find((upload) => upload.name === file.name && upload.totalBytes === file.size);
}

/**
 * Sends `file` in parts and has it verified; goes on where an earlier upload of the same file stopped, and after breaks of the connection.
 * Throws ApiError, or what `signal` was aborted with.
 */
export async function uploadFile(
  api: ApiClient,
  file: File,
  uploads: readonly UnfinishedUpload[],
  signal: AbortSignal,
  onPhase: (phase: UploadPhase) => void,
): Promise<FinishedUpload> {
  onPhase({ phase: 'hashing' });
  const sha256 = await sha256Of(file);
  signal.throwIfAborted();
  const upload = unfinishedUploadOf(file, uploads);
  const begun =
    sha256 === undefined && upload !== undefined
      ? { id: upload.id, receivedBytes: upload.receivedBytes }
      : await api.post(
          apiPaths.uploads,
          uploadState,
          startUpload.parse({
            name: file.name.slice(0, NAME_MAX_CHARACTERS),
            totalBytes: file.size,
            ...(sha256 !== undefined && { sha256 }),
          }),
        );
  let sentBytes = begun.receivedBytes;
  while (sentBytes < file.size) {
    onPhase({ phase: 'sending', sentBytes });
    sentBytes = await sendPart(api, begun.id, file, sentBytes, signal);
  }
  onPhase({ phase: 'verifying' });
  return api.post(apiPaths.finishUpload(begun.id), finishedUpload);
}

/** Sends the part from `from` on and answers how much is there then. */
async function sendPart(api: ApiClient, id: string, file: File, from: number, signal: AbortSignal): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      const part = file.slice(from, from + PART_BYTES);
      const { receivedBytes } = await api.putBytes(apiPaths.uploadPart(id, from), uploadState.pick({ receivedBytes: true }), part, signal);
      return receivedBytes;
    } catch (error) {
      const isSilence = error instanceof ApiError && (error.status === 0 || error.status >= 502);
      if (!isSilence || tries >= MAX_PART_TRIES) throw error;
      await waitToTryAgain(signal);
    }
  }
}

function waitToTryAgain(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, TRY_AGAIN_MS);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });
}

async function sha256Of(file: File): Promise<string | undefined> {
  if (file.size > HASH_MAX_BYTES || !globalThis.isSecureContext) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
