import { createPrivateKey } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  EXPORT_PASSPHRASE_MIN_CHARACTERS,
  type CertificateExport,
  type ExportedFile,
} from '@bascule/protocol/api/certificates.ts';
import { certificatesIn } from './certificate-chain.ts';
import { writePkcs12 } from './pkcs12-write.ts';

/** What is exported of: PEM. */
export interface Exportable {
  issuedTo: string;
  chain: string;
  key: string | undefined;
}

/**
 * The chosen parts as one file (B17). The private key leaves only under a passphrase: PEM with encrypted PKCS#8, or PKCS#12, which both OpenSSL and Windows read.
 * Throws `CERTIFICATE_PASSPHRASE_SHORT`, `CERTIFICATE_KEY_MISSING`.
 */
export async function exportFile(from: Exportable, wanted: CertificateExport): Promise<ExportedFile> {
  const { certificate, key: withKey, chain: withChain, format, passphrase = '' } = wanted;
  if ((withKey || format === 'pkcs12') && passphrase.length < EXPORT_PASSPHRASE_MIN_CHARACTERS)
    throw new AppError(
      'invalid',
      'CERTIFICATE_PASSPHRASE_SHORT',
      `A file with the private key is encrypted: enter a passphrase of at least ${EXPORT_PASSPHRASE_MIN_CHARACTERS} characters.`,
      { field: 'body.passphrase', params: { least: EXPORT_PASSPHRASE_MIN_CHARACTERS } },
    );
  if (withKey && from.key === undefined)
    throw new AppError('conflict', 'CERTIFICATE_KEY_MISSING', 'Its private key is not on this appliance.');
  const [own, ...chain] = certificatesIn(from.chain);
  const chosen = [...(certificate && own !== undefined ? [own] : []), ...(withChain ? chain : [])];
  const key = withKey && from.key !== undefined ? createPrivateKey(from.key) : undefined;
  const name = from.issuedTo.replace(/[^A-Za-z0-9.-]+/g, '_').slice(0, 100) || 'certificate';
  if (format === 'pkcs12') {
    const content = await writePkcs12(
      {
        certificates: chosen.map((one) => one.raw),
        key: key?.export({ type: 'pkcs8', format: 'der' }),
        ownFirst: certificate,
      },
      passphrase,
    );
    return fileOf(`${name}.p12`, 'application/x-pkcs12', content);
  }
  const encrypted = key?.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  const text = [...chosen.map((one) => one.toString()), ...(encrypted === undefined ? [] : [String(encrypted)])].join('');
  return fileOf(`${name}.pem`, 'application/x-pem-file', Buffer.from(text));
}

function fileOf(fileName: string, mediaType: string, content: Buffer): ExportedFile {
  return { fileName, mediaType, content: content.toString('base64'), bytes: content.length };
}
