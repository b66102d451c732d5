import 'reflect-metadata';
import { createHash } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY_MS = 24 * 60 * 60 * 1000;
export const AUTHORITY_LIFE_MS = 20 * 365 * DAY_MS;
/** Certificates begin a little in the past, so that an endpoint with a slow clock still trusts them. */
export const CLOCK_TOLERANCE_MS = DAY_MS;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** The name of the first authority of a site; those after it carry a part of their key's hash too. */
const FIRST_NAME = 'CN=Bascule site identity';

export interface KeyPair {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/** A new P-256 key; it can be exported, as it has to be kept. */
export async function newKeyPair(): Promise<KeyPair> {
  return crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

/** The pair that `keyPem` (PKCS #8) holds. Throws when it is no P-256 key. */
export async function readKeyPair(keyPem: string): Promise<KeyPair> {
  const privateKey = await crypto.subtle.importKey('pkcs8', fromPem(keyPem), KEY_ALGORITHM, true, ['sign']);
  const { x, y } = await crypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x: x!, y: y! }, KEY_ALGORITHM, true, [
    'verify',
  ]);
  return { privateKey, publicKey };
}

export async function keyToPem(pair: KeyPair): Promise<string> {
  return toPem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', pair.privateKey));
}

/** A client's key from SPKI DER. Throws when it is no P-256 key. */
export async function readPublicKey(spki: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('spki', new Uint8Array(spki), KEY_ALGORITHM, true, ['verify']);
}

/** The distinguished name of a rotated identity: two authorities of one name could be taken for each other by TLS libraries. */
export async function rotatedName(publicKey: CryptoKey): Promise<string> {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  return `${FIRST_NAME} ${createHash('sha256').update(spki).digest('hex').slice(0, 8)}`;
}

/**
 * A certificate authority's certificate (PEM) without a limit on the path below it, so that it can cross-sign its successor. It begins after `laterThanMs`: what
 * clients follow must be newer than what they have. Signed by itself, or by `issuer`.
 */
export async function makeAuthority(options: {
  name?: string;
  keys: KeyPair;
  nowMs: number;
  laterThanMs?: number;
  issuer?: { certificatePem: string; privateKey: CryptoKey };
}): Promise<string> {
  const { keys, nowMs, issuer, laterThanMs = 0 } = options;
  const subject = options.name ?? FIRST_NAME;
  const by = issuer === undefined ? undefined : new x509.X509Certificate(issuer.certificatePem);
  // Certificates count seconds.
  const fromMs = Math.max(nowMs - CLOCK_TOLERANCE_MS, laterThanMs + 1000);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject,
    issuer: by?.subject ?? subject,
    notBefore: new Date(fromMs),
    notAfter: new Date(Math.min(nowMs + AUTHORITY_LIFE_MS, by?.notAfter.getTime() ?? Infinity)),
    publicKey: keys.publicKey,
    signingKey: issuer?.privateKey ?? keys.privateKey,
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return toPem('CERTIFICATE', certificate.rawData);
}

/** A certificate (PEM) for one purpose, signed by the authority; it ends with the authority at the latest. */
export async function issueLeaf(options: {
  name: string;
  publicKey: CryptoKey;
  /** Object identifier of the extended key usage. */
  usage: string;
  lifeMs: number;
  dnsName?: string;
  authority: x509.X509Certificate;
  signingKey: CryptoKey;
  nowMs: number;
}): Promise<string> {
  const { authority, nowMs, dnsName } = options;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([options.usage], true),
  ];
  if (dnsName !== undefined) extensions.push(new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: dnsName }]));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    issuer: authority.subject,
    subject: `CN=${options.name}`,
    notBefore: new Date(nowMs - CLOCK_TOLERANCE_MS),
    notAfter: new Date(Math.min(nowMs + options.lifeMs, authority.notAfter.getTime())),
    publicKey: options.publicKey,
    signingKey: options.signingKey,
    signingAlgorithm: KEY_ALGORITHM,
    extensions,
  });
  return toPem('CERTIFICATE', certificate.rawData);
}

/** How many authorities may stand below this one; undefined when there is no limit. The authorities of 0.1.0 have 0. */
export function pathLengthOf(certificatePem: string): number | undefined {
  return new x509.X509Certificate(certificatePem).getExtension(x509.BasicConstraintsExtension)?.pathLength;
}

export function readCertificate(certificatePem: string): x509.X509Certificate {
  return new x509.X509Certificate(certificatePem);
}

/** SHA-256 of the certificate (DER), hex: what an installer token carries and a client pins (wire 3.3). */
export function fingerprintOf(certificatePem: string): string {
  return createHash('sha256').update(fromPem(certificatePem)).digest('hex');
}

function toPem(label: string, der: ArrayBuffer | Uint8Array): string {
  const base64 = Buffer.from(der instanceof Uint8Array ? der : new Uint8Array(der)).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;
}

function fromPem(text: string): Buffer<ArrayBuffer> {
  return Buffer.from(text.replace(/-----[^-]+-----/g, '').replace(/\s/g, ''), 'base64');
}

function newSerialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}
