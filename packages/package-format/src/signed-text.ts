/** Text that an appliance signs with its update key (package-format 6 and 7). */
import { sign, verify, type KeyObject } from 'node:crypto';

/** Length of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

/** Signs `context`, a zero byte and `payload`: a signature made for one purpose cannot serve another. */
export function signText(privateKey: KeyObject, context: string, payload: string): Buffer {
  return sign(null, Buffer.from(`${context}\0${payload}`), privateKey);
}

/** Whether `signature` is that of `payload` for `context` by the owner of `publicKey`. */
export function isSignedText(publicKey: KeyObject, context: string, payload: string, signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, Buffer.from(`${context}\0${payload}`), publicKey, signature);
}
