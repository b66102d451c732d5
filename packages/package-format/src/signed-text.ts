/** Text that an appliance signs with its update key (package-format 6 and 7). */
import { sign, verify, type KeyObject } from 'node:crypto';
import type { z } from 'zod';
import type { AppError } from '@bascule/errors/app-error.ts';
import { readPublicKey } from './appliance-key.ts';

/** Length of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** Signs `context`, a zero byte and `payload`: a signature made for one purpose cannot serve another. */
export function signText(privateKey: KeyObject, context: string, payload: string): Buffer {
  return sign(null, Buffer.from(`${context}\0${payload}`), privateKey);
}

/**
 * Reads `payload`, JSON of the form `schema`, and checks that `signature` is that of the owner of the key which it names. Throws `faults.malformed()` when it
 * is not of this form, `faults.signature()` when it is signed by another, for another purpose, or changed.
 */
export function readSignedText<Value extends { publicKey: string }>(
  { payload, signature }: { payload: string; signature: Uint8Array },
  form: { context: string; schema: z.ZodType<Value> },
  faults: { malformed(): AppError; signature(): AppError },
): { value: Value; publicKey: KeyObject } {
  const parsed = form.schema.safeParse(jsonOf(payload));
  const publicKey = parsed.success ? publicKeyOf(parsed.data.publicKey) : undefined;
  if (!parsed.success || publicKey === undefined) throw faults.malformed();
  const signed = Buffer.from(`${form.context}\0${payload}`);
  if (signature.length !== SIGNATURE_BYTES || !verify(null, signed, publicKey, signature)) throw faults.signature();
  return { value: parsed.data, publicKey };
}

/** What `text` says; undefined, which no form allows, when it is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function publicKeyOf(text: string): KeyObject | undefined {
  try {
    return readPublicKey(text);
  } catch {
    return undefined;
  }
}
