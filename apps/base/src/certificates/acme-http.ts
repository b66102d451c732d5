import https from 'node:https';
import { AppError } from '@bascule/errors/app-error.ts';

export const ACME_ANSWER_MAX_BYTES = 512 * 1024;
export const ACME_REQUEST_WAIT_MS = 20_000;

export interface AcmeAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** What went wrong between us and the authority, in words for a person. `retryAfterMs`: it said when another try makes sense. */
export function acmeFailed(text: string, options: { retryAfterMs?: number; cause?: unknown } = {}): AppError {
  const { retryAfterMs, cause } = options;
  return new AppError('unavailable', 'ACME_FAILED', text.slice(0, 1000), {
    cause,
    ...(retryAfterMs !== undefined && { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) }),
  });
}

/** One request to the authority. `ca`: PEM of the authorities that are trusted for it; empty: those that Node knows. No redirect is followed. Throws `ACME_FAILED`. */
export function askAuthority(
  url: string,
  request: { method: 'GET' | 'HEAD' | 'POST'; body?: string; ca: string; signal: AbortSignal },
): Promise<AcmeAnswer> {
  const { method, body, ca, signal } = request;
  if (!url.startsWith('https://')) throw acmeFailed(`The authority names an address that is not https: ${url.slice(0, 200)}`);
  return new Promise((resolve, reject) => {
    const failed = (cause: unknown): void =>
      reject(
        acmeFailed(`${new URL(url).host} cannot be asked: ${cause instanceof Error ? cause.message : String(cause)}`, { cause }),
      );
    const headers = {
      'user-agent': 'Bascule (RFC 8555)',
      ...(body !== undefined && { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
    };
    const sent = https.request(
      url,
      {
        method,
        headers,
        agent: false,
        ...(ca !== '' && { ca }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(ACME_REQUEST_WAIT_MS)]),
      },
      (response) => {
        const pieces: Buffer[] = [];
        let length = 0;
        response.on('data', (piece: Buffer) => {
          length += piece.length;
          if (length > ACME_ANSWER_MAX_BYTES) return void response.destroy(new Error('its answer is too long'));
          pieces.push(piece);
        });
        response.once('error', failed);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(pieces).toString() }),
        );
      },
    );
    sent.once('error', failed);
    sent.end(body);
  });
}
