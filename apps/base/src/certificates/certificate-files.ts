import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { NotThat } from './asn1.ts';
import { DerivationBudget, missingPassphrase, unknownEncryption, wrongPassphrase } from './password-based.ts';
import { isEncryptedPkcs8, isPkcs12, openPkcs12, openPkcs8, pkcs7Certificates } from './pkcs12-read.ts';

/** Blocks of one PEM file that are looked at. */
const PEM_BLOCKS_MAX = 200;

/** How the files of one import are opened. */
interface Opening {
  passphrase: string | undefined;
  budget: DerivationBudget;
}

/** What files hold, in the order in which it lies there. */
export interface Contents {
  certificates: X509Certificate[];
  keys: KeyObject[];
}

/**
 * Reads files: PEM with anything in it, DER, PKCS#12, PKCS#7. Throws `CERTIFICATE_FILE_UNREADABLE` (with the file's name), `CERTIFICATE_PASSPHRASE_MISSING`,
 * `CERTIFICATE_PASSPHRASE_WRONG`, `CERTIFICATE_ENCRYPTION_UNKNOWN`, `CERTIFICATE_KDF_TOO_MUCH`.
 */
export async function readCertificateFiles(
  files: readonly { name: string; bytes: Uint8Array }[],
  passphrase: string | undefined,
): Promise<Contents> {
  const contents: Contents = { certificates: [], keys: [] };
  const opening: Opening = { passphrase, budget: new DerivationBudget() };
  for (const { name, bytes } of files) {
    try {
      const before = contents.certificates.length + contents.keys.length;
      await readFile(bytes, opening, contents);
      if (contents.certificates.length + contents.keys.length === before) throw new NotThat('nothing in it');
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw unreadable(name, error);
    }
  }
  return contents;
}

async function readFile(bytes: Uint8Array, opening: Opening, contents: Contents): Promise<void> {
  const { passphrase, budget } = opening;
  const text = Buffer.from(bytes).toString('latin1');
  if (text.includes('-----BEGIN ')) return await readPem(text, opening, contents);
  if (isPkcs12(bytes)) {
    // Also one without a passphrase has a MAC, by the empty one.
    const opened = await openPkcs12(bytes, passphrase ?? '', budget).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'CERTIFICATE_PASSPHRASE_WRONG' && passphrase === undefined)
        throw missingPassphrase();
      throw error;
    });
    contents.certificates.push(...opened.certificates.map((der) => new X509Certificate(der)));
    contents.keys.push(...opened.keys.map(keyOfDer));
    return;
  }
  const several = pkcs7Certificates(bytes);
  if (several !== undefined) return void contents.certificates.push(...several.map((der) => new X509Certificate(der)));
  // A certificate has more than one part in its first part; a key begins with a number.
  try {
    contents.certificates.push(new X509Certificate(bytes));
  } catch {
    contents.keys.push(await keyOfUnknownDer(bytes, opening));
  }
}

async function readPem(text: string, opening: Opening, contents: Contents): Promise<void> {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[^]*?-----END \1-----/g) ?? [];
  if (blocks.length > PEM_BLOCKS_MAX) throw new NotThat('too many blocks');
  for (const block of blocks) {
    const label = /^-----BEGIN ([A-Z0-9 ]+)-----/.exec(block)?.[1] ?? '';
    if (['CERTIFICATE', 'X509 CERTIFICATE', 'TRUSTED CERTIFICATE'].includes(label))
      contents.certificates.push(new X509Certificate(derOf(block)));
    else if (label === 'PKCS7' || label === 'CMS')
      contents.certificates.push(...(pkcs7Certificates(derOf(block)) ?? []).map((der) => new X509Certificate(der)));
    else if (label === 'ENCRYPTED PRIVATE KEY') contents.keys.push(await encryptedKey(derOf(block), opening));
    else if (label.endsWith('PRIVATE KEY')) contents.keys.push(plainOrOldKey(block, opening.passphrase));
  }
}

function derOf(block: string): Buffer {
  const body = block
    .replace(/-----[^-]+-----/g, '')
    .replace(/^[A-Za-z-]+:.*$/gm, '')
    .replace(/\s/g, '');
  return Buffer.from(body, 'base64');
}

async function encryptedKey(der: Uint8Array, { passphrase, budget }: Opening): Promise<KeyObject> {
  if (passphrase === undefined) throw missingPassphrase();
  const clear = await openPkcs8(der, passphrase, budget);
  try {
    return keyOfDer(clear);
  } catch {
    throw wrongPassphrase();
  }
}

/** PKCS#1, SEC 1 or PKCS#8 as it is, or in the encryption of old OpenSSL (`Proc-Type: 4,ENCRYPTED`), which costs one round. */
function plainOrOldKey(block: string, passphrase: string | undefined): KeyObject {
  const isEncrypted = /^Proc-Type: ?4, ?ENCRYPTED/m.test(block);
  if (isEncrypted && passphrase === undefined) throw missingPassphrase();
  try {
    return createPrivateKey(isEncrypted ? { key: block, passphrase: passphrase ?? '' } : block);
  } catch (error) {
    if (!isEncrypted) throw error;
    if (/unsupported/i.test(String(error))) throw unknownEncryption(/^DEK-Info: ?([A-Z0-9-]+)/m.exec(block)?.[1] ?? 'PEM');
    throw wrongPassphrase();
  }
}

function keyOfDer(key: Buffer): KeyObject {
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

async function keyOfUnknownDer(bytes: Uint8Array, opening: Opening): Promise<KeyObject> {
  const key = Buffer.from(bytes);
  for (const type of ['pkcs8', 'pkcs1', 'sec1'] as const)
    try {
      return createPrivateKey({ key, format: 'der', type });
    } catch {
      // Something else.
    }
  if (!isEncryptedPkcs8(key)) throw new NotThat('no key');
  return await encryptedKey(key, opening);
}

function unreadable(name: string, cause: unknown): AppError {
  return new AppError(
    'invalid',
    'CERTIFICATE_FILE_UNREADABLE',
    `${name} is no certificate and no key: PEM, DER, PKCS#12 (.pfx, .p12) and PKCS#7 (.p7b) can be read.`,
    { field: 'body.files', params: { name }, cause },
  );
}
