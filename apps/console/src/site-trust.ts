/** Whether what answers is the site: the certificate's own chain, the key a person confirmed, or the site identity's word. */
import { createHash, verify, X509Certificate } from 'node:crypto';
import type { z } from 'zod';
import type { vouched } from '@bascule/protocol/api/console.ts';
import type { KnownSite } from './console-home.ts';

/** A certificate that was shown. */
export interface ShownCertificate {
  /** SHA-256 of the certificate, as browsers and openssl show it, and of its public key; hex. */
  sha256: string;
  keySha256: string;
  /** Why it is not trusted by itself, as OpenSSL names it; undefined when it is. */
  problem: string | undefined;
}

/** `verified`: like any web page. `pinned`: its key is the one that a person confirmed. `changed`: it was trusted once, and is not now. */
export type TrustVerdict = 'verified' | 'pinned' | 'unknown' | 'changed';

export function judge(shown: ShownCertificate, known: KnownSite): TrustVerdict {
  if (shown.problem === undefined) return 'verified';
  if (known.keySha256 === shown.keySha256) return 'pinned';
  return known.keySha256 === null && known.authority === null ? 'unknown' : 'changed';
}

export function shownOf(certificate: X509Certificate, problem: string | undefined): ShownCertificate {
  return { sha256: sha256(certificate.raw), keySha256: keySha256Of(certificate), problem };
}

export function keySha256Of(certificate: X509Certificate): string {
  return sha256(certificate.publicKey.export({ type: 'spki', format: 'der' }));
}

/** Whether `typed` (hex, colons and case do not matter) is the certificate's fingerprint or its key's. */
export function isFingerprintOf(typed: string, shown: ShownCertificate): boolean {
  const hex = typed
    .replace(/^sha256[:/]*/i, '')
    .replaceAll(/[\s:]/g, '')
    .toLowerCase();
  return hex === shown.sha256 || hex === shown.keySha256;
}

/**
 * The certificate that signed `answer`, when it vouches for `keySha256` with our `nonce` and is the known site identity or a successor that the known one, or one of its
 * successors, certified (B114, design 5 "Trust"); undefined otherwise. Dates do not matter: the point is to survive them.
 */
export function vouchedBy(
  authority: string,
  answer: z.infer<typeof vouched>,
  asked: { nonce: string; keySha256: string },
): string | undefined {
  if (answer.keySha256 !== asked.keySha256) return undefined;
  const trusted = trustedFrom(authority, answer.chain);
  return trusted.find((certificate) => isSignedBy(certificate, answer, asked.nonce))?.toString();
}

/** The site identity that signed `answer`, for the first time, over a connection that is trusted already. */
export function firstAuthority(answer: z.infer<typeof vouched>, nonce: string): string | undefined {
  const all = answer.chain.flatMap((pem) => readCertificate(pem) ?? []);
  return all.find((certificate) => certificate.ca && isSignedBy(certificate, answer, nonce))?.toString();
}

/** Client certificates are of the same authority: only what may certify others itself counts. */
function trustedFrom(authority: string, chain: string[]): X509Certificate[] {
  const first = readCertificate(authority);
  if (first === undefined) return [];
  const trusted = [first];
  let waiting = chain.flatMap((pem) => readCertificate(pem) ?? []).filter(({ ca }) => ca);
  for (let found = true; found;) {
    const next = waiting.filter((one) => trusted.some((issuer) => one.checkIssued(issuer) && one.verify(issuer.publicKey)));
    trusted.push(...next);
    waiting = waiting.filter((one) => !next.includes(one));
    found = next.length > 0;
  }
  return trusted;
}

function isSignedBy(certificate: X509Certificate, answer: z.infer<typeof vouched>, nonce: string): boolean {
  const text = `bascule-vouch/1\n${nonce}\n${answer.keySha256}`;
  return verify('sha256', Buffer.from(text), certificate.publicKey, Buffer.from(answer.signature, 'base64'));
}

function readCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text.startsWith('-----') ? text : Buffer.from(text, 'base64'));
  } catch {
    return undefined;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
