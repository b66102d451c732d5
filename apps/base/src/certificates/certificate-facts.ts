import { createHash, X509Certificate, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import type { CertificateFacts, ChainLink } from '@bascule/protocol/api/certificates.ts';
import { isKnownRoot, leadsToKnownRoot } from './known-roots.ts';
import { shortAddress } from '../config/config.ts';

const CURVE_BITS: Record<string, number> = { prime256v1: 256, secp384r1: 384, secp521r1: 521, secp256k1: 256 };

/** What is in the certificate `own`, with the `chain` that leads to its authority, in order. */
export function factsOf(own: X509Certificate, chain: readonly X509Certificate[]): CertificateFacts {
  return {
    issuedTo: nameOf(own.subject) || (namesOf(own)[0] ?? own.subject),
    issuedBy: nameOf(own.issuer),
    names: namesOf(own),
    notBeforeMs: own.validFromDate.getTime(),
    notAfterMs: own.validToDate.getTime(),
    key: keyFacts(own.publicKey),
    signature: own.signatureAlgorithm ?? own.signatureAlgorithmOid,
    serialNumber: own.serialNumber.toLowerCase(),
    sha256: sha256Of(own),
    chain: chain.map(linkOf),
    isSelfSigned: isSelfSigned(own),
    isPubliclyTrusted: isPubliclyTrusted([own, ...chain]),
  };
}

/** Every step was verified when the chain was put in order: its end decides. */
function isPubliclyTrusted(path: readonly X509Certificate[]): boolean {
  const last = path.at(-1);
  return last !== undefined && (isKnownRoot(last) || leadsToKnownRoot(last));
}

function linkOf(certificate: X509Certificate): ChainLink {
  return {
    issuedTo: nameOf(certificate.subject),
    issuedBy: nameOf(certificate.issuer),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    sha256: sha256Of(certificate),
    isRoot: isSelfSigned(certificate),
  };
}

/** Kind and strength of a public key, and its SHA-256 (SPKI). */
export function keyFacts(key: KeyObject): CertificateFacts['key'] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const sha256 = keySha256(key);
  if (type === 'rsa' || type === 'rsa-pss') return { kind: 'rsa', bits: details?.modulusLength ?? 0, curve: null, sha256 };
  if (type === 'ec') {
    const curve = details?.namedCurve ?? '';
    return { kind: 'ec', bits: CURVE_BITS[curve] ?? (Number(/\d+/.exec(curve)?.[0]) || 0), curve, sha256 };
  }
  return type === 'ed25519'
    ? { kind: 'ed25519', bits: 256, curve: null, sha256 }
    : { kind: 'other', bits: 0, curve: type ?? null, sha256 };
}

/** SHA-256 (hex) of a public key, as pins have it. */
export function keySha256(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}

export function sha256Of(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase();
}

export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey);
}

/** Names and addresses of the subjectAltName, lower case; names first. What is neither (e-mail, URI) is left out. */
export function namesOf({ subjectAltName = '' }: X509Certificate): string[] {
  const found = subjectAltName
    // A value with a comma or a quote is written as JSON.
    .split(/, (?=(?:[^"]*"[^"]*")*[^"]*$)/)
    .map((part) => /^(DNS|IP Address):(.*)$/.exec(part))
    .filter((match) => match !== null);
  const dns = found.filter(([, kind]) => kind === 'DNS').map(([, , name = '']) => name.toLowerCase());
  const addresses = found.filter(([, kind]) => kind !== 'DNS').map(([, , address = '']) => shortAddress(address));
  return [...new Set([...dns, ...addresses])];
}

/** The common name of a distinguished name as Node writes it (a line per part), else its organization, else all of it. */
export function nameOf(distinguished: string): string {
  for (const part of ['CN', 'O', 'OU']) {
    const value = new RegExp(`^${part}=(.*)$`, 'm').exec(distinguished)?.[1];
    if (value !== undefined) return value.replace(/\\(.)/g, '$1');
  }
  return distinguished.replaceAll('\n', ', ');
}

/**
 * How well `names` stand for `host`: 0 not at all, 1 by a wildcard, which stands for one whole label (RFC 9525, 6.3), 2 by name or address.
 */
export function fit(names: readonly string[], host: string): 0 | 1 | 2 {
  const wanted = isIP(host) === 0 ? host.toLowerCase().replace(/\.$/, '') : shortAddress(host);
  if (names.includes(wanted)) return 2;
  if (isIP(wanted) !== 0) return 0;
  const dot = wanted.indexOf('.');
  return dot > 0 && names.includes(`*${wanted.slice(dot)}`) ? 1 : 0;
}
