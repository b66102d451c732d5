import { createHmac, timingSafeEqual } from 'node:crypto';
import { bytesOf, isTagged, NotThat, numberOf, oidOf, only, parse, partsOf, rawOf, type Part } from './asn1.ts';
import {
  bmpPassword,
  decryptByPassphrase,
  deriveOld,
  unknownEncryption,
  wrongPassphrase,
  type DerivationBudget,
} from './password-based.ts';

const DATA = '1.2.840.113549.1.7.1';
const SIGNED_DATA = '1.2.840.113549.1.7.2';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const BAG = {
  key: '1.2.840.113549.1.12.10.1.1',
  shroudedKey: '1.2.840.113549.1.12.10.1.2',
  certificate: '1.2.840.113549.1.12.10.1.3',
  contents: '1.2.840.113549.1.12.10.1.6',
};
const X509_CERTIFICATE = '1.2.840.113549.1.9.22.1';
const DIGESTS: Record<string, { hash: string; bytes: number }> = {
  '1.3.14.3.2.26': { hash: 'sha1', bytes: 20 },
  '2.16.840.1.101.3.4.2.4': { hash: 'sha224', bytes: 28 },
  '2.16.840.1.101.3.4.2.1': { hash: 'sha256', bytes: 32 },
  '2.16.840.1.101.3.4.2.2': { hash: 'sha384', bytes: 48 },
  '2.16.840.1.101.3.4.2.3': { hash: 'sha512', bytes: 64 },
};
/** Bags within bags; programs write none. */
const NESTING_MAX = 3;
const BAGS_MAX = 200;
/** Parts of one file, each of which may be encrypted by itself; programs write one or two. */
const PARTS_MAX = 200;

/** What a file holds, as DER: certificates, and private keys as PKCS#8. */
export interface Opened {
  certificates: Buffer[];
  keys: Buffer[];
}

/** Whether `bytes` look like PKCS#12: version 3, then contents. */
export function isPkcs12(bytes: Uint8Array): boolean {
  const VERSION = 3;
  try {
    const [version, contents] = partsOf(parse(bytes));
    return numberOf(version) === VERSION && [DATA, SIGNED_DATA].includes(oidOf(partsOf(contents)[0]));
  } catch {
    return false;
  }
}

/**
 * Opens PKCS#12 (RFC 7292) with what protects it: the passphrase is checked by the MAC before anything is decrypted. Throws `NotThat` for what is no PKCS#12,
 * `CERTIFICATE_PASSPHRASE_WRONG`, `CERTIFICATE_ENCRYPTION_UNKNOWN`, `CERTIFICATE_KDF_TOO_MUCH`.
 */
export async function openPkcs12(bytes: Uint8Array, passphrase: string, budget: DerivationBudget): Promise<Opened> {
  const [, contents, mac] = partsOf(parse(bytes));
  const [kind, content] = partsOf(contents);
  if (oidOf(kind) !== DATA) throw unknownEncryption('signed PKCS#12');
  const safe = bytesOf(only(content));
  const parts = partsOf(parse(safe));
  if (parts.length > PARTS_MAX) throw new NotThat('too many parts');
  if (mac !== undefined) await checkMac(mac, safe, passphrase, budget);
  const opened: Opened = { certificates: [], keys: [] };
  const opening: Opening = { passphrase, budget, opened };
  for (const part of parts) await openContents(await clearContents(part, opening), opening, 0);
  return opened;
}

/** One file that is being opened. */
interface Opening {
  passphrase: string;
  budget: DerivationBudget;
  opened: Opened;
}

async function checkMac(mac: Part, safe: Buffer, passphrase: string, budget: DerivationBudget): Promise<void> {
  const [info, salt, rounds] = partsOf(mac);
  const [algorithm, digest] = partsOf(info);
  const id = oidOf(partsOf(algorithm)[0]);
  const known = DIGESTS[id];
  if (known === undefined) throw unknownEncryption(id);
  const { hash, bytes } = known;
  const expected = bytesOf(digest);
  // As many bytes are derived as this has: another length is no digest, and could ask for any work.
  if (expected.length !== bytes) throw new NotThat('a digest of its length expected');
  // An empty passphrase is written in two ways.
  const passwords = passphrase === '' ? [bmpPassword(''), Buffer.alloc(0)] : [bmpPassword(passphrase)];
  for (const password of passwords) {
    const wanted = {
      password,
      salt: bytesOf(salt),
      rounds: budget.take(rounds === undefined ? 1 : numberOf(rounds)),
      purpose: 'mac',
      bytes,
    } as const;
    const actual = createHmac(hash, await deriveOld(hash, wanted))
      .update(safe)
      .digest();
    if (timingSafeEqual(actual, expected)) return;
  }
  throw wrongPassphrase();
}

async function clearContents(info: Part, { passphrase, budget }: Opening): Promise<Buffer> {
  const [kind, content] = partsOf(info);
  if (oidOf(kind) === DATA) return bytesOf(only(content));
  if (oidOf(kind) !== ENCRYPTED_DATA) throw unknownEncryption(oidOf(kind));
  const [, encrypted] = partsOf(only(content));
  const [, algorithm, text] = partsOf(encrypted);
  if (algorithm === undefined) throw new NotThat('an algorithm expected');
  return await decryptByPassphrase(algorithm, bytesOf(text), passphrase, budget);
}

async function openContents(contents: Buffer, opening: Opening, depth: number): Promise<void> {
  const { passphrase, budget, opened } = opening;
  if (depth > NESTING_MAX) throw new NotThat('too many levels');
  for (const bag of readParts(contents)) {
    const [id, wrapper] = partsOf(bag);
    const value = only(wrapper);
    switch (oidOf(id)) {
      case BAG.key:
        opened.keys.push(rawOf(value));
        break;
      case BAG.shroudedKey:
        opened.keys.push(await openPkcs8(rawOf(value), passphrase, budget));
        break;
      case BAG.certificate: {
        const [type, certificate] = partsOf(value);
        if (oidOf(type) === X509_CERTIFICATE) opened.certificates.push(bytesOf(only(certificate)));
        break;
      }
      case BAG.contents:
        await openContents(rawOf(value), opening, depth + 1);
        break;
      default: // Revocation lists and secrets of other programs.
    }
    if (opened.certificates.length + opened.keys.length > BAGS_MAX) throw new NotThat('too many bags');
  }
}

/** What was decrypted with a wrong passphrase can have right padding by chance, and is no structure then. */
function readParts(bytes: Buffer): Part[] {
  try {
    return partsOf(parse(bytes));
  } catch {
    throw wrongPassphrase();
  }
}

/** Whether `bytes` look like an EncryptedPrivateKeyInfo: an algorithm, then what it hides. */
export function isEncryptedPkcs8(bytes: Uint8Array): boolean {
  try {
    const [algorithm, data, ...more] = partsOf(parse(bytes));
    return more.length === 0 && oidOf(partsOf(algorithm)[0]) !== '' && bytesOf(data).length > 0;
  } catch {
    return false;
  }
}

/** Decrypts an EncryptedPrivateKeyInfo (PKCS#8). Throws as `decryptByPassphrase`. */
export async function openPkcs8(bytes: Uint8Array, passphrase: string, budget: DerivationBudget): Promise<Buffer> {
  const [algorithm, data] = partsOf(parse(bytes));
  if (algorithm === undefined) throw new NotThat('an algorithm expected');
  return await decryptByPassphrase(algorithm, bytesOf(data), passphrase, budget);
}

/** The certificates of a PKCS#7 file (RFC 5652, 5.1), as authorities send chains; undefined when it is none. */
export function pkcs7Certificates(bytes: Uint8Array): Buffer[] | undefined {
  try {
    const [kind, content] = partsOf(parse(bytes));
    if (oidOf(kind) !== SIGNED_DATA) return undefined;
    const certificates = partsOf(only(content)).find((part) => isTagged(part, 0));
    return partsOf(certificates).map(rawOf);
  } catch {
    return undefined;
  }
}
