/** What a passphrase encrypts in PKCS#8 and PKCS#12: PBES2 (RFC 8018), PBES1, and the ways of old PKCS#12 (RFC 7292, appendices B and C). */
import { createDecipheriv, createHash, pbkdf2 as pbkdf2WithCallback, scrypt as scryptWithCallback } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { AppError } from '@bascule/errors/app-error.ts';
import { bytesOf, isSequence, numberOf, oidOf, partsOf, type Part } from './asn1.ts';
import { decryptRc2 } from './rc2.ts';

const pbkdf2 = promisify(pbkdf2WithCallback);
const scrypt = promisify<string, Uint8Array, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(
  scryptWithCallback,
);

/** Of all that one import asks for: whoever made the files decides, but not about our time. */
export const KDF_ROUNDS_MAX = 2_000_000;
export const SCRYPT_MEMORY_MAX_BYTES = 64 * 1024 * 1024;
const SCRYPT_PARALLEL_MAX = 4;
/** Rounds of the old derivation, which run here and not in a thread of their own, before others have their turn. */
const ROUNDS_PER_TURN = 5_000;

const PRF: Record<string, string> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.8': 'sha224',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const CIPHERS: Record<string, { name: string; keyBytes: number }> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24 },
};
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const SCRYPT = '1.3.6.1.4.1.11591.4.11';
/** PBES1: single DES, which is triple DES with one key three times. */
const PBES1: Record<string, string> = { '1.2.840.113549.1.5.3': 'md5', '1.2.840.113549.1.5.10': 'sha1' };
const OLD: Record<string, { cipher: 'des3' | 'rc2'; keyBytes: number }> = {
  '1.2.840.113549.1.12.1.3': { cipher: 'des3', keyBytes: 24 },
  '1.2.840.113549.1.12.1.4': { cipher: 'des3', keyBytes: 16 },
  '1.2.840.113549.1.12.1.5': { cipher: 'rc2', keyBytes: 16 },
  '1.2.840.113549.1.12.1.6': { cipher: 'rc2', keyBytes: 5 },
};
const DES_BLOCK_BYTES = 8;
/** Of the old way: up to two for the key, which is longer than a digest, and one for the vector. */
const OLD_DERIVATIONS = 3;

/** Rounds of derivation that one import may still ask for, all its files together. */
export class DerivationBudget {
  #left: number;

  constructor(rounds = KDF_ROUNDS_MAX) {
    this.#left = rounds;
  }

  /** Gives `rounds` back, `times` of which are taken. Throws `CERTIFICATE_KDF_TOO_MUCH` when so much is not left, before any of the work is done. */
  take(rounds: number, times = 1): number {
    this.#left -= checkRounds(rounds) * times;
    if (this.#left < 0) throw tooMuch();
    return rounds;
  }
}

/**
 * Decrypts `data` by the AlgorithmIdentifier `algorithm`. Throws `CERTIFICATE_PASSPHRASE_WRONG` when the padding says so (what is left by chance is no structure),
 * `CERTIFICATE_ENCRYPTION_UNKNOWN`, and `CERTIFICATE_KDF_TOO_MUCH`.
 */
export async function decryptByPassphrase(
  algorithm: Part,
  data: Uint8Array,
  passphrase: string,
  budget: DerivationBudget,
): Promise<Buffer> {
  const [id, parameters] = partsOf(algorithm);
  const name = oidOf(id);
  if (name === PBES2) return await decryptPbes2(parameters, data, passphrase, budget);
  const [salt, rounds] = partsOf(parameters);
  const wanted = { passphrase, salt: bytesOf(salt) };
  const hash = PBES1[name];
  if (hash !== undefined) return await decryptPbes1(hash, { ...wanted, rounds: budget.take(numberOf(rounds)) }, data);
  const old = OLD[name];
  if (old !== undefined)
    return await decryptOld(old, { ...wanted, rounds: budget.take(numberOf(rounds), OLD_DERIVATIONS) }, data);
  throw unknownEncryption(name);
}

async function decryptPbes2(
  parameters: Part | undefined,
  data: Uint8Array,
  passphrase: string,
  budget: DerivationBudget,
): Promise<Buffer> {
  const [kdf, encryption] = partsOf(parameters);
  const [cipherId, iv] = partsOf(encryption);
  const cipher = CIPHERS[oidOf(cipherId)];
  if (cipher === undefined) throw unknownEncryption(oidOf(cipherId));
  const key = await deriveKey(kdf, passphrase, cipher.keyBytes, budget);
  return decipher(cipher.name, key, bytesOf(iv), data);
}

async function deriveKey(kdf: Part | undefined, passphrase: string, keyBytes: number, budget: DerivationBudget): Promise<Buffer> {
  const [id, parameters] = partsOf(kdf);
  const [salt, ...rest] = partsOf(parameters);
  if (oidOf(id) === PBKDF2) {
    const prf = rest.find(isSequence);
    const hash = prf === undefined ? 'sha1' : PRF[oidOf(partsOf(prf)[0])];
    if (hash === undefined) throw unknownEncryption('PBKDF2');
    return await pbkdf2(passphrase, bytesOf(salt), budget.take(numberOf(rest[0])), keyBytes, hash);
  }
  if (oidOf(id) !== SCRYPT) throw unknownEncryption(oidOf(id));
  const [N, r, p] = [numberOf(rest[0]), numberOf(rest[1]), numberOf(rest[2])];
  if (N * r * 128 > SCRYPT_MEMORY_MAX_BYTES || p > SCRYPT_PARALLEL_MAX) throw tooMuch();
  budget.take(N * p);
  return await scrypt(passphrase, bytesOf(salt), keyBytes, { N, r, p, maxmem: 2 * SCRYPT_MEMORY_MAX_BYTES });
}

interface Derivation {
  passphrase: string;
  salt: Buffer;
  rounds: number;
}

async function decryptPbes1(hash: string, { passphrase, salt, rounds }: Derivation, data: Uint8Array): Promise<Buffer> {
  let derived = createHash(hash)
    .update(Buffer.concat([Buffer.from(passphrase), salt]))
    .digest();
  for (let round = 1; round < rounds; round += 1) {
    derived = createHash(hash).update(derived).digest();
    if (round % ROUNDS_PER_TURN === 0) await nextTurn();
  }
  const key = derived.subarray(0, DES_BLOCK_BYTES);
  return decipher('des-ede3-cbc', Buffer.concat([key, key, key]), derived.subarray(DES_BLOCK_BYTES, 2 * DES_BLOCK_BYTES), data);
}

async function decryptOld(
  { cipher, keyBytes }: (typeof OLD)[string],
  { passphrase, salt, rounds }: Derivation,
  data: Uint8Array,
): Promise<Buffer> {
  const password = bmpPassword(passphrase);
  const key = await deriveOld('sha1', { password, salt, rounds, purpose: 'key', bytes: keyBytes });
  const iv = await deriveOld('sha1', { password, salt, rounds, purpose: 'iv', bytes: DES_BLOCK_BYTES });
  if (cipher === 'rc2') return unpad(decryptRc2(key, iv, data));
  const whole = keyBytes === 24 ? key : Buffer.concat([key, key.subarray(0, DES_BLOCK_BYTES)]);
  return decipher('des-ede3-cbc', whole, iv, data);
}

const PURPOSES = { key: 1, iv: 2, mac: 3 } as const;
const HASH_BLOCK_BYTES: Record<string, number> = { sha384: 128, sha512: 128 };

/** RFC 7292, B.2. `password`: as `bmpPassword` gives it. */
export async function deriveOld(
  hash: string,
  wanted: { password: Uint8Array; salt: Uint8Array; rounds: number; purpose: keyof typeof PURPOSES; bytes: number },
): Promise<Buffer> {
  const { password, salt, rounds, purpose, bytes } = wanted;
  const block = HASH_BLOCK_BYTES[hash] ?? 64;
  const diversifier = Buffer.alloc(block, PURPOSES[purpose]);
  const input = Buffer.concat([stretch(salt, block), stretch(password, block)]);
  const made: Buffer[] = [];
  for (let have = 0; have < bytes;) {
    let digest = createHash(hash).update(diversifier).update(input).digest();
    for (let round = 1; round < checkRounds(rounds); round += 1) {
      digest = createHash(hash).update(digest).digest();
      if (round % ROUNDS_PER_TURN === 0) await nextTurn();
    }
    made.push(digest);
    have += digest.length;
    const added = stretch(digest, block).subarray(0, block);
    for (let at = 0; at < input.length; at += block) addOne(input.subarray(at, at + block), added);
  }
  return Buffer.concat(made).subarray(0, bytes);
}

/** The passphrase as old PKCS#12 takes it: two bytes per character, and two zeros at the end. */
export function bmpPassword(passphrase: string): Buffer {
  return Buffer.from(`${passphrase}\0`, 'utf16le').swap16();
}

/** `bytes` again and again, up to a multiple of `block`. */
function stretch(bytes: Uint8Array, block: number): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0);
  const long = Buffer.alloc(block * Math.ceil(bytes.length / block));
  for (let at = 0; at < long.length; at += 1) long[at] = bytes[at % bytes.length]!;
  return long;
}

/** `target` := `target` + `added` + 1, as numbers of that many bytes. */
function addOne(target: Buffer, added: Uint8Array): void {
  let carry = 1;
  for (let at = target.length - 1; at >= 0; at -= 1) {
    carry += target[at]! + added[at]!;
    target[at] = carry & 0xff;
    carry >>= 8;
  }
}

function decipher(name: string, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  try {
    const opened = createDecipheriv(name, key, iv);
    return Buffer.concat([opened.update(data), opened.final()]);
  } catch {
    throw wrongPassphrase();
  }
}

function unpad(padded: Buffer): Buffer {
  const count = padded.at(-1) ?? 0;
  if (count < 1 || count > DES_BLOCK_BYTES || !padded.subarray(-count).every((byte) => byte === count)) throw wrongPassphrase();
  return padded.subarray(0, -count);
}

function checkRounds(rounds: number): number {
  if (rounds < 1 || rounds > KDF_ROUNDS_MAX) throw tooMuch();
  return rounds;
}

export function wrongPassphrase(): AppError {
  return new AppError('invalid', 'CERTIFICATE_PASSPHRASE_WRONG', 'The passphrase is wrong: nothing could be read with it.', {
    field: 'body.passphrase',
  });
}

export function missingPassphrase(): AppError {
  return new AppError('invalid', 'CERTIFICATE_PASSPHRASE_MISSING', 'The key is encrypted: enter its passphrase.', {
    field: 'body.passphrase',
  });
}

function tooMuch(): AppError {
  return new AppError(
    'invalid',
    'CERTIFICATE_KDF_TOO_MUCH',
    `The file wants more work for its passphrase than is done here (${KDF_ROUNDS_MAX} rounds): export it again with the usual settings.`,
  );
}

export function unknownEncryption(algorithm: string): AppError {
  return new AppError(
    'invalid',
    'CERTIFICATE_ENCRYPTION_UNKNOWN',
    `The file is encrypted in a way that is not known here (${algorithm}): export it again with AES.`,
    { params: { algorithm } },
  );
}
