import 'reflect-metadata';
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { nameOf, namesOf } from './certificate-facts.ts';

/** Browsers accept no more than 398 days. */
export const SELF_MADE_DAYS = 397;
export const RENEW_BEFORE_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** The certificate of the web, with what pages show of it. */
export interface WebCertificate {
  key: string;
  cert: string;
  /** SHA-256 of the public key (SPKI), base64: `curl --pinnedpubkey sha256//<this>`. */
  keyPin: string;
  issuedTo: string;
  names: string[];
  notAfterMs: number;
  selfMade: boolean;
  /** SHA-256 of the certificate, hex. */
  sha256: string;
  /** Whether this call made it. */
  madeNow: boolean;
}

/**
 * The web certificate in `directory`, made anew when there is none, when it ends in less than RENEW_BEFORE_DAYS, or when it lacks one of `names`. The key
 * stays, so that pins go on to hold (I6). Both are one file, so that a crash never leaves a key beside another's certificate.
 */
export async function openWebCertificate(
  directory: string,
  names: string[],
  now: () => number = Date.now,
): Promise<WebCertificate> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'web.pem');
  const stored = readStored(file);
  if (stored !== undefined && !needsRenewal(stored.cert, names, now())) return describe(stored.key, stored.cert, false);
  const keys = stored === undefined ? await makeKeys() : await readKeys(stored.key);
  const cert = await issue(keys, names, now());
  const key = pem(x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'));
  writeFileDurablySync(file, `${key}${cert}`);
  return describe(key, cert, true);
}

/** The web certificate in `directory` as it is, also when it is due; undefined when there is none. Writes nothing. */
export function readWebCertificate(directory: string): WebCertificate | undefined {
  const stored = readStored(join(directory, 'web.pem'));
  return stored && describe(stored.key, stored.cert, false);
}

/** The certificate of one key, made anew for the names that it has: when it is self-made, its end comes near, and there is nobody else to make it. */
export async function renewSelfMade(former: WebCertificate, now: () => number): Promise<WebCertificate> {
  const cert = await issue(await readKeys(former.key), former.names, now());
  return describe(former.key, cert, true);
}

/** A certificate (PEM, with what leads to its authority) and its key. Throws when they cannot be read or do not belong together. */
export function readPair(keyPem: string, certificatePem: string): WebCertificate {
  const key = createPrivateKey(keyPem);
  if (!new X509Certificate(certificatePem).checkPrivateKey(key)) throw new Error('the key belongs to another certificate');
  return describe(pem(keyPem), pem(certificatePem), false);
}

function readStored(file: string): { key: string; cert: string } | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const [key] = /-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/.exec(text) ?? [];
  const [cert] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/.exec(text) ?? [];
  if (key === undefined || cert === undefined) return undefined;
  return { key, cert };
}

function needsRenewal(cert: string, names: string[], nowMs: number): boolean {
  const parsed = new X509Certificate(cert);
  if (parsed.validToDate.getTime() - nowMs < RENEW_BEFORE_DAYS * DAY_MS) return true;
  // A clock that was wrong at the last start may have made one that is not valid yet.
  if (parsed.validFromDate.getTime() > nowMs) return true;
  return !names.every((name) => (isIP(name) === 0 ? parsed.checkHost(name) : parsed.checkIP(name)) !== undefined);
}

type Keys = { privateKey: CryptoKey; publicKey: CryptoKey };

function makeKeys(): Promise<Keys> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function readKeys(key: string): Promise<Keys> {
  const privateKey = await crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(key), ALGORITHM, true, ['sign']);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await crypto.subtle.importKey('jwk', { kty, crv, x, y }, ALGORITHM, true, ['verify']);
  return { privateKey, publicKey };
}

async function issue(keys: Keys, names: string[], nowMs: number): Promise<string> {
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40; // Positive, and no leading zero (RFC 5280, 4.1.2.2).
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial.toString('hex'),
    name: [{ CN: [names[0] ?? 'localhost'] }, { O: ['Bascule (self-made)'] }],
    // A day of leave for browsers whose clock is behind.
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + (SELF_MADE_DAYS - 1) * DAY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ],
  });
  return pem(certificate.toString('pem'));
}

function describe(key: string, cert: string, madeNow: boolean): WebCertificate {
  const parsed = new X509Certificate(cert);
  return {
    key,
    cert,
    keyPin: createHash('sha256')
      .update(parsed.publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64'),
    issuedTo: nameOf(parsed.subject),
    names: namesOf(parsed),
    notAfterMs: parsed.validToDate.getTime(),
    selfMade: parsed.issuer === parsed.subject,
    sha256: parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
    madeNow,
  };
}

function pem(text: string): string {
  return `${text.trim()}\n`;
}
