import 'reflect-metadata';
import { createHash, createPrivateKey, generateKeyPair as generateKeyPairWithCallback, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import * as x509 from '@peculiar/x509';
import { AppError } from '@bascule/errors/app-error.ts';
import type { CertificateRequest, KeyChoice } from '@bascule/protocol/api/certificates.ts';
import { encode, octets } from './asn1.ts';

const generateKeyPair = promisify(generateKeyPairWithCallback);
const RSA_BITS: Partial<Record<KeyChoice, number>> = { 'rsa-2048': 2048, 'rsa-3072': 3072 };
const DAY_MS = 24 * 60 * 60 * 1000;
/** RFC 8737, 3: what an authority looks at in a certificate that answers its challenge. */
const ACME_IDENTIFIER = '1.3.6.1.5.5.7.1.31';

/** A new private key, PKCS#8 in PEM. */
export async function makePrivateKey(choice: KeyChoice): Promise<string> {
  const modulusLength = RSA_BITS[choice];
  const { privateKey } =
    modulusLength === undefined
      ? await generateKeyPair('ec', { namedCurve: 'P-256' })
      : await generateKeyPair('rsa', { modulusLength });
  return String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
}

export type RequestSubject = Omit<CertificateRequest, 'key' | 'names'>;
const NO_SUBJECT: RequestSubject = { organization: '', organizationalUnit: '', locality: '', state: '', country: '' };

/** A certificate request (PKCS#10) for `names`, the first as its common name when it is short enough, signed by the key. PEM. */
export async function makeSigningRequest(
  privateKeyPem: string,
  names: readonly string[],
  subject: RequestSubject = NO_SUBJECT,
): Promise<string> {
  const COMMON_NAME_MAX_CHARACTERS = 64;
  const [first = ''] = names;
  const parts: [string, string][] = [
    ['C', subject.country],
    ['ST', subject.state],
    ['L', subject.locality],
    ['O', subject.organization],
    ['OU', subject.organizationalUnit],
    ['CN', first.length <= COMMON_NAME_MAX_CHARACTERS ? first : ''],
  ];
  const keys = await readKeys(privateKeyPem);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: parts.filter(([, value]) => value !== '').map(([name, value]) => ({ [name]: [value] })),
    keys,
    signingAlgorithm: { ...keys.algorithm, hash: 'SHA-256' },
    extensions: [alternativeNames(names)],
  });
  return `${request.toString('pem').trim()}\n`;
}

/** The request as DER, as ACME wants it. */
export function requestBytes(pem: string): Buffer {
  return Buffer.from(x509.PemConverter.decodeFirst(pem));
}

/** What was asked for: subject and names. */
export function describeRequest(pem: string): { subject: string; names: string[] } {
  const request = new x509.Pkcs10CertificateRequest(pem);
  const extension = request.extensions.find((one) => one instanceof x509.SubjectAlternativeNameExtension);
  return { subject: request.subject, names: extension?.names.items.map(({ value }) => value) ?? [] };
}

/** The certificate that answers a TLS-ALPN-01 challenge (RFC 8737, 3), with a key of its own. PEM. */
export async function makeChallengeCertificate(name: string, keyAuthorization: string): Promise<{ key: string; cert: string }> {
  const key = await makePrivateKey('ec-p256');
  const keys = await readKeys(key);
  const digest = createHash('sha256').update(keyAuthorization).digest();
  const nowMs = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `40${randomBytes(15).toString('hex')}`,
    name: [{ CN: ['ACME challenge'] }],
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + DAY_MS),
    keys,
    signingAlgorithm: { ...keys.algorithm, hash: 'SHA-256' },
    extensions: [alternativeNames([name]), new x509.Extension(ACME_IDENTIFIER, true, new Uint8Array(encode(octets(digest))))],
  });
  return { key, cert: `${certificate.toString('pem').trim()}\n` };
}

function alternativeNames(names: readonly string[]): x509.SubjectAlternativeNameExtension {
  return new x509.SubjectAlternativeNameExtension(
    names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
  );
}

/** For WebCrypto, which the library signs with. */
async function readKeys(pem: string): Promise<{ privateKey: CryptoKey; publicKey: CryptoKey; algorithm: { name: string } }> {
  const key = createPrivateKey(pem);
  const { namedCurve = 'P-256' } = key.asymmetricKeyDetails ?? {};
  const curve = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }[namedCurve] ?? namedCurve;
  if (key.asymmetricKeyType !== 'rsa' && key.asymmetricKeyType !== 'ec')
    throw new AppError(
      'invalid',
      'CERTIFICATE_KEY_UNFIT',
      'A request can be made for RSA and elliptic curve keys alone: make a new key.',
    );
  const algorithm =
    key.asymmetricKeyType === 'rsa'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
      : { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' };
  const jwk = key.export({ format: 'jwk' });
  const { kty, crv, x, y, n, e } = jwk;
  const open = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y };
  return {
    privateKey: await crypto.subtle.importKey('jwk', jwk as JsonWebKey, algorithm, true, ['sign']),
    publicKey: await crypto.subtle.importKey('jwk', open as JsonWebKey, algorithm, true, ['verify']),
    algorithm,
  };
}
