/** What an appliance asks the update server, signed with its update key (package-format 7): who asks, when, and a number used once. */
import { randomBytes, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import { applianceIdOf, publicKeyText } from './appliance-key.ts';
import { jsonOf, readSignedText, signText } from './signed-text.ts';

/** How far the clocks may differ; for this long, both ways, the update server remembers each nonce. */
export const QUESTION_CLOCK_LEEWAY_MS = 10 * 60_000;
/** Of a whole question; the body of an HTTP request may be no longer. */
export const QUESTION_LIMIT_CHARACTERS = 65_536;
const NONCE_BYTES = 18;
const CONTEXT = 'bascule-question/1';

const envelopeSchema = z.object({ payload: z.string().max(QUESTION_LIMIT_CHARACTERS), signature: z.string().max(100) });
const payloadSchema = z.object({
  format: z.literal(CONTEXT),
  publicKey: z.string().max(100),
  atMs: instantMs,
  nonce: z.string().regex(/^[0-9A-Za-z_-]{16,64}$/),
  body: z.unknown(),
});

export interface Question {
  applianceId: string;
  /** base64 of the SPKI: whether it is registered is for the server to say. */
  publicKey: string;
  atMs: number;
  /** The server refuses one that it has seen within `QUESTION_CLOCK_LEEWAY_MS`. */
  nonce: string;
  /** Not validated: each question has a schema of its own. */
  body: unknown;
}

/** Signs `body` (what JSON can hold) as a question of `nowMs`; the text is the body of a request. */
export function signQuestion(privateKey: KeyObject, body: unknown, nowMs: number): string {
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  const payload = JSON.stringify({ format: CONTEXT, publicKey: publicKeyText(privateKey), atMs: nowMs, nonce, body });
  return JSON.stringify({ payload, signature: signText(privateKey, CONTEXT, payload).toString('base64') });
}

/** Reads and verifies a question. Throws `QUESTION_MALFORMED`, `QUESTION_SIGNATURE` or `QUESTION_TIME` (the clocks differ by more than 10 minutes). */
export function readQuestion(raw: string, nowMs: number): Question {
  if (raw.length > QUESTION_LIMIT_CHARACTERS) throw malformed();
  const envelope = envelopeSchema.safeParse(jsonOf(raw));
  if (!envelope.success) throw malformed();
  const { payload, signature } = envelope.data;
  const signed = { payload, signature: Buffer.from(signature, 'base64') };
  const form = { context: CONTEXT, schema: payloadSchema };
  const { value, publicKey: key } = readSignedText(signed, form, { malformed, signature: altered });
  const { publicKey, atMs, nonce, body } = value;
  if (Math.abs(nowMs - atMs) > QUESTION_CLOCK_LEEWAY_MS)
    throw new AppError(
      'unauthenticated',
      'QUESTION_TIME',
      'The clocks of the appliance and of the update server differ by more than 10 minutes. Check the time of both.',
      { params: { applianceMs: atMs, serverMs: nowMs } },
    );
  return { applianceId: applianceIdOf(key), publicKey, atMs, nonce, body };
}

function altered(): AppError {
  return new AppError('unauthenticated', 'QUESTION_SIGNATURE', 'The signature of this request does not fit its text.');
}

function malformed(): AppError {
  return new AppError('invalid', 'QUESTION_MALFORMED', 'This is no signed question of an appliance.');
}
