/** The witness' own key, by which appliances know it (the first part of a code). */
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

const KEY_FILE = 'witness.key';
const CERTIFICATE_FILE = 'witness.crt';
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** The key alone counts, and no clock. */
const VALID_FROM = new Date('2000-01-01T00:00:00Z');
const VALID_TO = new Date('9999-12-31T23:59:59Z');

export interface WitnessKey {
  keyPem: string;
  certificatePem: string;
  sha256: string;
}

/** Makes folder and key. Throws `WITNESS_EXISTS`: another key would make this witness a stranger to all its appliances. */
export async function makeWitnessKey(state: string): Promise<WitnessKey> {
  mkdirSync(state, { recursive: true, mode: 0o700 });
  if (existsSync(join(state, KEY_FILE))) {
    throw new AppError('conflict', 'WITNESS_EXISTS', `There is a witness in ${state} already: start it by 'run'.`);
  }
  // Certificates are made here alone: the program that runs needs no such library.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Bascule witness',
    notBefore: VALID_FROM,
    notAfter: VALID_TO,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(false, undefined, true)],
  });
  const pem = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  writeFileDurablySync(join(state, CERTIFICATE_FILE), `${certificate.toString('pem').trim()}\n`);
  // Last: with it the witness is there.
  writeFileDurablySync(join(state, KEY_FILE), `${pem.trim()}\n`);
  return readWitnessKey(state);
}

/** Throws `WITNESS_MISSING` and `WITNESS_KEY_DAMAGED`. */
export function readWitnessKey(state: string): WitnessKey {
  if (!existsSync(join(state, KEY_FILE))) {
    throw new AppError('not-found', 'WITNESS_MISSING', `There is no witness in ${state}: make one by 'init'.`);
  }
  const keyPem = readFileSync(join(state, KEY_FILE), 'utf8');
  try {
    const certificatePem = readFileSync(join(state, CERTIFICATE_FILE), 'utf8');
    const sha256 = keySha256Of(new X509Certificate(certificatePem));
    const own = createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
    if (createHash('sha256').update(own).digest('hex') !== sha256) throw new Error('the certificate is of another key');
    return { keyPem, certificatePem, sha256 };
  } catch (error) {
    throw new AppError(
      'internal',
      'WITNESS_KEY_DAMAGED',
      `The key in ${state} cannot be used: put witness.key and witness.crt back from a copy, or make another witness and enter its code anew.`,
      { cause: error },
    );
  }
}

/** SHA-256 (hex) of the public key (SPKI) of a certificate: how both sides name each other. */
export function keySha256Of(certificate: X509Certificate): string {
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
}
