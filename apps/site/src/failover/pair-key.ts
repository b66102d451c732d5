import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** In `site/keys`. It says which appliance this is: it is never handed over, and stays when the other keys are replaced. */
export const PAIR_KEY_FILE = 'pair.key';
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Only the key counts, and no clock: two appliances whose clocks are wrong must still find each other. */
const VALID_FROM = new Date('2000-01-01T00:00:00Z');
const VALID_TO = new Date('9999-12-31T23:59:59Z');

/** The key by which the other appliance of a pair (and the witness) knows this one: P-256 with a self-signed certificate that carries nothing else. */
export class PairKey {
  /** PEM, PKCS #8. */
  readonly keyPem: string;
  readonly certificatePem: string;
  /** SHA-256 (hex) of the public key (SPKI): what the other side pins. */
  readonly sha256: string;

  private constructor(keyPem: string, certificatePem: string, sha256: string) {
    this.keyPem = keyPem;
    this.certificatePem = certificatePem;
    this.sha256 = sha256;
  }

  /** Opens `pair.key` in `keysDir`, or makes it, durably. Throws `PAIR_KEY_DAMAGED`: a new one would make this appliance a stranger to its peer. */
  static async open(keysDir: string): Promise<PairKey> {
    mkdirSync(keysDir, { recursive: true, mode: 0o700 });
    chmodSync(keysDir, 0o700);
    const file = join(keysDir, PAIR_KEY_FILE);
    if (!existsSync(file)) {
      const { privateKey } = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
      const der = await crypto.subtle.exportKey('pkcs8', privateKey);
      writeFileDurablySync(file, `${x509.PemConverter.encode(der, 'PRIVATE KEY').trim()}\n`);
    }
    const keyPem = readFileSync(file, 'utf8');
    try {
      const spki = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' });
      return new PairKey(keyPem, await selfSigned(keyPem, spki), createHash('sha256').update(spki).digest('hex'));
    } catch (error) {
      throw new AppError(
        'internal',
        'PAIR_KEY_DAMAGED',
        `${file} cannot be used: restore it from a backup; or remove it and establish the failover relationship anew.`,
        { cause: error },
      );
    }
  }
}

async function selfSigned(keyPem: string, spki: Buffer): Promise<string> {
  const privateKey = await crypto.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(keyPem), ALGORITHM, true, ['sign']);
  const publicKey = await crypto.subtle.importKey('spki', new Uint8Array(spki), ALGORITHM, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Bascule appliance',
    notBefore: VALID_FROM,
    notAfter: VALID_TO,
    keys: { privateKey, publicKey },
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(false, undefined, true)],
  });
  return `${certificate.toString('pem').trim()}\n`;
}
