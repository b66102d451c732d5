import { createCipheriv, createHmac, pbkdf2 as pbkdf2WithCallback, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { encode, nothing, number, octets, oid, sequence, setOf, tagged, taggedOctets, type Part } from './asn1.ts';
import { bmpPassword, deriveOld } from './password-based.ts';

const pbkdf2 = promisify(pbkdf2WithCallback);
/** What OpenSSL 1.1 and Windows 10 read too. */
const ROUNDS = 100_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const MAC_BYTES = 32;
const VERSION = 3;

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const SHA256 = '2.16.840.1.101.3.4.2.1';
const LOCAL_KEY_ID = '1.2.840.113549.1.9.21';

/**
 * PKCS#12 (RFC 7292) of certificates (DER, the own one first) and a key (PKCS#8): both encrypted by AES-256 with PBKDF2, and a MAC with SHA-256. `ownFirst`: the first
 * certificate is that of the key, which programs know by an id that both bear.
 */
export async function writePkcs12(
  { certificates, key, ownFirst }: { certificates: readonly Uint8Array[]; key: Uint8Array | undefined; ownFirst: boolean },
  passphrase: string,
): Promise<Buffer> {
  const keyId = randomBytes(SALT_BYTES);
  const contents: Part[] = [];
  if (certificates.length > 0) {
    const bags = certificates.map((one, at) =>
      certificateBag(one, key !== undefined && ownFirst && at === 0 ? keyId : undefined),
    );
    contents.push(await encryptedContents(encode(sequence(...bags)), passphrase));
  }
  if (key !== undefined) {
    const { algorithm, data } = await encrypt(key, passphrase);
    const shrouded = bag('1.2.840.113549.1.12.10.1.2', sequence(algorithm, octets(data)), keyId);
    contents.push(sequence(oid(DATA), tagged(0, octets(encode(sequence(shrouded))))));
  }
  const safe = encode(sequence(...contents));
  const salt = randomBytes(SALT_BYTES);
  const wanted = { password: bmpPassword(passphrase), salt, rounds: ROUNDS, purpose: 'mac', bytes: MAC_BYTES } as const;
  const digest = createHmac('sha256', await deriveOld('sha256', wanted))
    .update(safe)
    .digest();
  return encode(
    sequence(
      number(VERSION),
      sequence(oid(DATA), tagged(0, octets(safe))),
      sequence(sequence(sequence(oid(SHA256), nothing()), octets(digest)), octets(salt), number(ROUNDS)),
    ),
  );
}

function certificateBag(certificate: Uint8Array, keyId: Uint8Array | undefined): Part {
  const X509 = '1.2.840.113549.1.9.22.1';
  return bag('1.2.840.113549.1.12.10.1.3', sequence(oid(X509), tagged(0, octets(certificate))), keyId);
}

function bag(id: string, value: Part, keyId: Uint8Array | undefined): Part {
  const attributes = keyId === undefined ? [] : [setOf(sequence(oid(LOCAL_KEY_ID), setOf(octets(keyId))))];
  return sequence(oid(id), tagged(0, value), ...attributes);
}

async function encryptedContents(contents: Uint8Array, passphrase: string): Promise<Part> {
  const { algorithm, data } = await encrypt(contents, passphrase);
  const info = sequence(oid(DATA), algorithm, taggedOctets(0, data));
  return sequence(oid(ENCRYPTED_DATA), tagged(0, sequence(number(0), info)));
}

/** PBES2 (RFC 8018, A.4). */
async function encrypt(clear: Uint8Array, passphrase: string): Promise<{ algorithm: Part; data: Buffer }> {
  const IV_BYTES = 16;
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(IV_BYTES)];
  const key = await pbkdf2(passphrase, salt, ROUNDS, KEY_BYTES, 'sha256');
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const data = Buffer.concat([cipher.update(clear), cipher.final()]);
  const hmacSha256 = sequence(oid('1.2.840.113549.2.9'), nothing());
  const kdf = sequence(oid('1.2.840.113549.1.5.12'), sequence(octets(salt), number(ROUNDS), hmacSha256));
  const aes = sequence(oid('2.16.840.1.101.3.4.1.42'), octets(iv));
  return { algorithm: sequence(oid('1.2.840.113549.1.5.13'), sequence(kdf, aes)), data };
}
