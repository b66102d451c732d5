import type { KeyObject } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { signQuestion } from '@bascule/package-format/appliance-question.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import { asSentence } from './updates-errors.ts';

/** Below the server's address. A server without it is a plain mirror, from which everybody may have everything. */
export const QUESTION_PATH = 'api/question';
export const QUESTION_ANSWER_MAX_BYTES = 1024 * 1024;
export const QUESTION_WAIT_MS = 30_000;

/** What an appliance says about itself when it asks. */
export interface QuestionBody {
  kind: 'offers';
  applianceName: string;
  installed: { base: string; site: string; runtimes: string[] };
}

/** What the update server says about this appliance. */
export const offersAnswer = z.object({
  /** Until when releases are for it (B211, B212); null for no such limit. */
  maintainedUntilMs: instantMs.nullable(),
  /** Per target that it may have, from when on (B42). What is not named is not offered (yet). */
  offers: z.array(z.object({ target: z.string().max(200), fromMs: instantMs })).max(10_000),
});
export type OffersAnswer = z.infer<typeof offersAnswer>;

const refusal = z.object({ error: z.object({ code: z.string().max(100), message: z.string().max(1000) }) });

/**
 * Asks the update server at `serverUrl` what this appliance may have. Undefined for a plain mirror (404). Throws `UPDATE_SERVER_REFUSED` with the server's own
 * sentence (and its code in `params.serverCode`), `UPDATE_SERVER_ANSWER` for what is no such answer, and what `fetch` throws.
 */
export async function askForOffers(
  serverUrl: string,
  question: { privateKey: KeyObject; body: QuestionBody; nowMs: number },
  signal: AbortSignal,
): Promise<OffersAnswer | undefined> {
  const url = new URL(QUESTION_PATH, serverUrl.endsWith('/') ? serverUrl : `${serverUrl}/`);
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: signQuestion(question.privateKey, question.body, question.nowMs),
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(QUESTION_WAIT_MS)]),
  });
  // A static server answers 405 or 501 to a POST, or 404.
  if ([404, 405, 501].includes(response.status)) {
    await response.body?.cancel();
    return undefined;
  }
  const answer = await readJson(response);
  if (!response.ok) throw refused(response.status, refusal.safeParse(answer).data?.error);
  const parsed = offersAnswer.safeParse(answer);
  if (!parsed.success)
    throw new AppError(
      'unavailable',
      'UPDATE_SERVER_ANSWER',
      'The update server answered what this appliance does not understand.',
    );
  return parsed.data;
}

function refused(status: number, said: { code: string; message: string } | undefined): AppError {
  // It is shown on pages, in mails and in root's terminal.
  const message = said?.message.replace(/[\p{Cc}\s]+/gu, ' ').trim();
  return new AppError(
    'unavailable',
    'UPDATE_SERVER_REFUSED',
    message === undefined ? `The update server failed (HTTP ${status}).` : asSentence(`The update server refused: ${message}`),
    { params: { status, ...(said !== undefined && { serverCode: said.code }) } },
  );
}

async function readJson(response: Response): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of response.body ?? []) {
    bytes += piece.byteLength;
    if (bytes > QUESTION_ANSWER_MAX_BYTES)
      throw new AppError('unavailable', 'UPDATE_SERVER_ANSWER', 'The answer of the update server is too long.');
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString()) as unknown;
  } catch {
    return undefined;
  }
}
