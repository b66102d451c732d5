/** Who is at the other end of a TLS connection, by its key alone: for appliances and witnesses that pin each other (docs/spec/pair.md, 1). */
import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** SHA-256 (hex) of the certificate's public key (SPKI, DER). */
export function publicKeySha256(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

/**
 * SHA-256 (hex) of the public key whose private part the other side has proved to hold in the handshake; undefined when it showed no certificate, or one
 * whose key cannot be read. Both sides need `rejectUnauthorized: false`: such certificates are self-signed, and nothing else in them counts.
 */
export function provenKeySha256(socket: TLSSocket): string | undefined {
  try {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined ? undefined : publicKeySha256(certificate);
  } catch {
    return undefined;
  }
}

/** Whether `actual` is `pinned` (both SHA-256 in hex), in a time that tells nothing about either. False while nothing is pinned. */
export function isPinnedKey(actual: string | undefined, pinned: string | undefined): boolean {
  if (actual === undefined || pinned === undefined) return false;
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(actual), digest(pinned));
}
