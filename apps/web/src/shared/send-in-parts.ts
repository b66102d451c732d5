import { z } from 'zod';
import { ApiError, isAnswered, type ApiClient } from './api-client.ts';

/** What one request carries; a lost connection costs at most this much again. */
export const PART_BYTES = 4 * 1024 * 1024;
/** Above this a file is not hashed here: browsers hash only what is whole in memory. */
const HASH_MAX_BYTES = 256 * 1024 * 1024;
/** How often a part is sent again while the appliance does not answer, such as while base is replaced. */
const MAX_PART_TRIES = 30;
const TRY_AGAIN_MS = 1_000;
const received = z.object({ receivedBytes: z.number() });

interface Parts {
  file: Blob;
  /** So much is there already. */
  receivedBytes: number;
  /** Where the part goes that begins at this byte. */
  pathOf: (fromBytes: number) => string;
  /** The error code that says in `receivedBytes` from where to go on. */
  offsetCode: string;
  /** The error code of a part that has to wait. */
  busyCode: string;
  onSent: (sentBytes: number) => void;
}

/** Sends a file from `receivedBytes` to its end, also after breaks of the connection. Throws ApiError, or what `signal` was aborted with. */
export async function sendInParts(api: ApiClient, parts: Parts, signal: AbortSignal): Promise<void> {
  let sentBytes = parts.receivedBytes;
  while (sentBytes < parts.file.size) {
    parts.onSent(sentBytes);
    sentBytes = await sendPart(api, parts, sentBytes, signal);
  }
}

/** Sends the part from `from` on and answers how much is there then. */
async function sendPart(api: ApiClient, parts: Parts, from: number, signal: AbortSignal): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      const part = parts.file.slice(from, from + PART_BYTES);
      return (await api.putBytes(parts.pathOf(from), received, part, signal)).receivedBytes;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // What arrived of a part that broke off is kept: the appliance says from where to go on.
      if (error.code === parts.offsetCode) return z.number().parse(error.params['receivedBytes']);
      const mayPass = !isAnswered(error) || error.code === parts.busyCode;
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

/** SHA-256 in hex; undefined for a large file, and without HTTPS. */
export async function sha256Of(file: Blob): Promise<string | undefined> {
  if (file.size > HASH_MAX_BYTES || !globalThis.isSecureContext) return undefined;
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
