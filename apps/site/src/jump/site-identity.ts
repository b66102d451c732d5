import 'reflect-metadata';
import { createHash, sign as signBytes, verify as verifyBytes, X509Certificate as NodeCertificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY_LIFE_MS = 20 * 365 * DAY_MS;
const LINK_LEAF_LIFE_MS = 365 * DAY_MS;
/** How long a client certificate is valid; the client gets a new one when a third is left (protocol: `accepted.certificate`). */
export const CLIENT_CERTIFICATE_LIFE_MS = 2 * 365 * DAY_MS;
/** Certificates begin a little in the past, so that an endpoint with a slow clock still trusts them. */
const CLOCK_TOLERANCE_MS = DAY_MS;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

export interface LinkTls {
  /** PEM, PKCS #8. */
  key: string;
  /** PEM: the leaf, then the authority. */
  certificate: string;
  /** PEM of the authority. */
  authority: string;
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

/**
 * The site identity: a small P-256 certificate authority that is the root of all trust between clients and the site
 * (architecture section 5, "Trust"). It issues link certificates and client certificates, and signs audit heads.
 */
export class SiteIdentity {
  #keyPem: string;
  #signingKey: CryptoKey;
  #authority: x509.X509Certificate;
  #now: () => number;
  /** PEM of the authority's certificate. */
  readonly certificatePem: string;
  /** SHA-256 of the authority's certificate (DER), hex: what an installer token carries and a client pins (wire 3.3). */
  readonly fingerprintSha256: string;

  private constructor(parts: { keyPem: string; signingKey: CryptoKey; certificatePem: string; now: () => number }) {
    this.#keyPem = parts.keyPem;
    this.#signingKey = parts.signingKey;
    this.#authority = new x509.X509Certificate(parts.certificatePem);
    this.#now = parts.now;
    this.certificatePem = parts.certificatePem;
    this.fingerprintSha256 = createHash('sha256').update(new Uint8Array(this.#authority.rawData)).digest('hex');
  }

  /** Opens the identity in `keysDir`, or makes it when neither key nor certificate is there. Throws `SITE_IDENTITY_INCOMPLETE` when one is missing. */
  static async open(options: { keysDir: string; now?: () => number }): Promise<SiteIdentity> {
    const now = options.now ?? Date.now;
    mkdirSync(options.keysDir, { recursive: true, mode: 0o700 });
    chmodSync(options.keysDir, 0o700);
    const keyFile = join(options.keysDir, 'identity.key');
    const certificateFile = join(options.keysDir, 'identity.crt');
    if (!existsSync(keyFile) && existsSync(certificateFile)) {
      throw new AppError(
        'internal',
        'SITE_IDENTITY_INCOMPLETE',
        `${certificateFile} has no key beside it: restore identity.key from a backup.`,
      );
    }
    // The certificate is written last: a start that was cut between the two makes it again from the key.
    if (!existsSync(keyFile)) {
      const pair = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
      writeFileDurablySync(keyFile, toPem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', pair.privateKey)));
    }
    const keyPem = readFileSync(keyFile, 'utf8');
    const signingKey = await crypto.subtle.importKey('pkcs8', fromPem(keyPem), KEY_ALGORITHM, true, ['sign']);
    if (!existsSync(certificateFile)) writeFileDurablySync(certificateFile, await makeAuthority(signingKey, now()));
    const certificatePem = readFileSync(certificateFile, 'utf8');
    return new SiteIdentity({ keyPem, signingKey, certificatePem, now });
  }

  /** Issues a new leaf for links, with a new key: name `link.bascule.internal`, server authentication, one year (wire 3.1). */
  async issueLinkTls(): Promise<LinkTls> {
    const pair = await crypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.#issue({
      name: LINK_SERVER_NAME,
      publicKey: pair.publicKey,
      usage: SERVER_AUTH,
      lifeMs: LINK_LEAF_LIFE_MS,
      dnsName: LINK_SERVER_NAME,
    });
    return {
      key: toPem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
      certificate: leaf + this.certificatePem,
      authority: this.certificatePem,
    };
  }

  /** Issues a certificate (PEM) that says: the holder of `publicKey` (SPKI DER, P-256) is the client `clientId` (wire 3.4). Throws when the key is no P-256 key. */
  async issueClientCertificate(clientId: string, publicKey: Uint8Array): Promise<string> {
    const key = await crypto.subtle.importKey('spki', new Uint8Array(publicKey), KEY_ALGORITHM, true, ['verify']);
    return await this.#issue({ name: clientId, publicKey: key, usage: CLIENT_AUTH, lifeMs: CLIENT_CERTIFICATE_LIFE_MS });
  }

  /** Signs `bytes` (ECDSA, SHA-256; the signature in DER): for heads of the audit chain. */
  sign(bytes: Uint8Array): Uint8Array {
    return signBytes('sha256', bytes, this.#keyPem);
  }

  /** Whether `signature` is this identity's signature over `bytes`. */
  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verifyBytes('sha256', bytes, new NodeCertificate(this.certificatePem).publicKey, signature);
  }

  async #issue(leaf: { name: string; publicKey: CryptoKey; usage: string; lifeMs: number; dnsName?: string }): Promise<string> {
    const nowMs = this.#now();
    const extensions: x509.Extension[] = [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([leaf.usage], true),
    ];
    if (leaf.dnsName !== undefined)
      extensions.push(new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: leaf.dnsName }]));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: newSerialNumber(),
      issuer: this.#authority.subject,
      subject: `CN=${leaf.name}`,
      notBefore: new Date(nowMs - CLOCK_TOLERANCE_MS),
      notAfter: new Date(Math.min(nowMs + leaf.lifeMs, this.#authority.notAfter.getTime())),
      publicKey: leaf.publicKey,
      signingKey: this.#signingKey,
      signingAlgorithm: KEY_ALGORITHM,
      extensions,
    });
    return toPem('CERTIFICATE', certificate.rawData);
  }
}

async function makeAuthority(signingKey: CryptoKey, nowMs: number): Promise<string> {
  const jwk = await crypto.subtle.exportKey('jwk', signingKey);
  const publicKey = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x: jwk.x!, y: jwk.y! }, KEY_ALGORITHM, true, [
    'verify',
  ]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(),
    name: 'CN=Bascule site identity',
    notBefore: new Date(nowMs - CLOCK_TOLERANCE_MS),
    notAfter: new Date(nowMs + AUTHORITY_LIFE_MS),
    keys: { privateKey: signingKey, publicKey },
    signingAlgorithm: KEY_ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return toPem('CERTIFICATE', certificate.rawData);
}
