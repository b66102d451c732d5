import { z } from 'zod';
import { finishedUpload, startUpload, uploadState } from '@bascule/protocol/api/updates.ts';
import { ApiError, isAnswered, type ApiClient } from '../../shared/api-client.ts';
import { apiPaths } from '../../shared/paths.ts';
import type { FinishedUpload } from './updates-queries.ts';

/** What one request carries; a lost connection costs at most this much again. */
export const PART_BYTES = 4 * 1024 * 1024;
/** Above this a file is not hashed here: browsers hash only what is whole in memory. */
const HASH_MAX_BYTES = 256 * 1024 * 1024;
/** How often a part is sent again while the appliance does not answer, such as while base is replaced. */
const MAX_PART_TRIES = 30;
const TRY_AGAIN_MS = 1_000;
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
  let sentBytes = begun.receivedBytes;
  while (sentBytes < file.size) {
    onPhase({ phase: 'sending', sentBytes });
    sentBytes = await sendPart(api, begun.id, file, sentBytes, signal);
  }
  onPhase({ phase: 'verifying' });
  return finishUpload(api, begun.id);
}

/** Has an upload that is whole verified; its packages are offers then. */
export function finishUpload(api: ApiClient, id: string): Promise<FinishedUpload> {
  return api.post(apiPaths.finishUpload(id), finishedUpload, {}, VERIFY_TIMEOUT_MS);
}

/** Sends the part from `from` on and answers how much is there then. */
async function sendPart(api: ApiClient, id: string, file: File, from: number, signal: AbortSignal): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      const part = file.slice(from, from + PART_BYTES);
      const { receivedBytes } = await api.putBytes(
        apiPaths.uploadPart(id, from),
        uploadState.pick({ receivedBytes: true }),
        part,
        signal,
      );
      return receivedBytes;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What arrived of a part that broke off is kept: the appliance says from where to go on.
      if (error.code === 'UPLOAD_OFFSET') return z.number().parse(error.params['receivedBytes']);
      const mayPass = !isAnswered(error) || error.code === 'UPLOAD_BUSY';
      if (!mayPass || tries >= MAX_PART_TRIES) throw error;
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
