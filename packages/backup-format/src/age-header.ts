/**
 * The header of an age file with a password (age-encryption.org/v1, "scrypt recipient type"). Format and authentication are the library's; the key derivation is Node's own, which does not
 * stop the process and does not need a heap of hundreds of megabytes (decision 0280).
 */
import { Decrypter, Encrypter, Stanza } from 'age-encryption';
import { createCipheriv, createDecipheriv, randomBytes, scrypt, type ScryptOptions } from 'node:crypto';
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { damaged, passwordWrong } from './backup-faults.ts';

/** 2^16: 64 MiB and about 0.2 s for each guess, as OWASP's list of scrypt settings begins. age's own default, 2^18, needs 256 MiB, more than a backup may take in all (decision 0280). */
export const WORK_FACTOR = 16;
/** The most that a file may ask for (256 MiB, about a second): what stock `age -p` writes. */
export const WORK_FACTOR_LIMIT = 18;
/** A header with one stanza for a password has under 300 bytes. */
export const HEADER_LIMIT_BYTES = 4096;
export const AGE_MAGIC = 'age-encryption.org/v1\n';

const SCRYPT_LABEL = 'age-encryption.org/v1/scrypt';
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const FILE_KEY_BYTES = 16;
const BLOCK_SIZE = 8;
const ZERO_NONCE = Buffer.alloc(12);
/** Beside the block that scrypt works in. */
const SCRYPT_SPARE_BYTES = 1024 * 1024;

/** A new header for `password`, and the key of the file. `workFactor`: smaller ones are for tests. */
export async function makeHeader(password: string, workFactor = WORK_FACTOR): Promise<{ header: Buffer; fileKey: Buffer }> {
  const encrypter = new Encrypter();
  let fileKey: Buffer | undefined;
  encrypter.addRecipient({
    async wrapFileKey(key) {
      fileKey = Buffer.from(key);
      return [await wrap(fileKey, password, workFactor)];
    },
  });
  const whole = Buffer.from(await encrypter.encrypt(new Uint8Array(0)));
  return {
    header: whole.subarray(0, must(headerEnd(whole), 'the end of a header that was just made')),
    fileKey: must(fileKey, 'the key of a file'),
  };
}

/** The key of a file with the header `header`. Throws `BACKUP_PASSWORD_WRONG`, `BACKUP_DAMAGED` and `BACKUP_FOREIGN_ENCRYPTION`. */
export async function openHeader(header: Uint8Array, password: string): Promise<Buffer> {
  const decrypter = new Decrypter();
  decrypter.addIdentity({ unwrapFileKey: (stanzas) => unwrap(stanzas, password) });
  try {
    return Buffer.from(await decrypter.decryptHeader(header));
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw damaged('its encryption header is not valid', error);
  }
}

/** Where the header that begins `bytes` ends; undefined: not within them. */
export function headerEnd(bytes: Buffer): number | undefined {
  const last = bytes.indexOf('\n--- ');
  const end = last === -1 ? -1 : bytes.indexOf('\n', last + 1);
  return end === -1 ? undefined : end + 1;
}

async function wrap(fileKey: Buffer, password: string, workFactor: number): Promise<Stanza> {
  const salt = randomBytes(SALT_BYTES);
  const cipher = createCipheriv('chacha20-poly1305', await derive(password, salt, workFactor), ZERO_NONCE, {
    authTagLength: TAG_BYTES,
  });
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  return new Stanza(['scrypt', salt.toString('base64').replaceAll('=', ''), String(workFactor)], body);
}

async function unwrap(stanzas: Stanza[], password: string): Promise<Uint8Array> {
  const [stanza] = stanzas;
  const [type, saltText = '', factorText = ''] = stanza?.args ?? [];
  if (stanzas.length !== 1 || type !== 'scrypt' || stanza!.args.length !== 3)
    throw new AppError(
      'invalid',
      'BACKUP_FOREIGN_ENCRYPTION',
      'The file is encrypted for a key, not with a password. Decrypt it with the age program first.',
    );
  const salt = Buffer.from(saltText, 'base64');
  if (salt.length !== SALT_BYTES || !/^[1-9]\d?$/.test(factorText) || stanza!.body.length !== FILE_KEY_BYTES + TAG_BYTES)
    throw damaged('its encryption header is not valid');
  const workFactor = Number(factorText);
  if (workFactor > WORK_FACTOR_LIMIT)
    throw damaged(`its header asks for a work factor of ${workFactor}, more than ${WORK_FACTOR_LIMIT}`);
  const body = Buffer.from(stanza!.body);
  const decipher = createDecipheriv('chacha20-poly1305', await derive(password, salt, workFactor), ZERO_NONCE, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAuthTag(body.subarray(FILE_KEY_BYTES));
  const key = decipher.update(body.subarray(0, FILE_KEY_BYTES));
  try {
    decipher.final();
  } catch {
    throw passwordWrong();
  }
  return key;
}

function derive(password: string, salt: Buffer, workFactor: number): Promise<Buffer> {
  const cost = 2 ** workFactor;
  const options: ScryptOptions = { N: cost, r: BLOCK_SIZE, p: 1, maxmem: 128 * BLOCK_SIZE * cost + SCRYPT_SPARE_BYTES };
  const salted = Buffer.concat([Buffer.from(SCRYPT_LABEL), salt]);
  return new Promise((resolve, reject) =>
    scrypt(password, salted, KEY_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error))),
  );
}
