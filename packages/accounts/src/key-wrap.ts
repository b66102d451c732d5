import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolderSync, writeNewFileSync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 1;

/** Wraps secrets before they enter a database. `purpose` is bound in: what was wrapped for one purpose does not open for another. */
export interface KeyWrap {
  wrap(secret: Uint8Array, purpose: string): Uint8Array;
  /** Throws KEY_WRAP_FAILED when `wrapped` was changed, or belongs to another key or purpose. */
  unwrap(wrapped: Uint8Array, purpose: string): Uint8Array;
}

/** Opens the key file at `path` (0600), and makes it, durably, when there is none. AES-256-GCM: version, nonce, tag, ciphertext. */
export function openKeyWrap(path: string): KeyWrap {
  const key = readOrMakeKey(path);
  return {
    wrap(secret, purpose) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(purpose));
      const text = Buffer.concat([cipher.update(secret), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), text]);
    },
    unwrap(wrapped, purpose) {
      const bytes = Buffer.from(wrapped);
      const tagAt = 1 + NONCE_BYTES;
      try {
        if (bytes[0] !== VERSION) throw new Error('unknown version');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, tagAt), { authTagLength: TAG_BYTES }).setAAD(
          Buffer.from(purpose),
        );
        decipher.setAuthTag(bytes.subarray(tagAt, tagAt + TAG_BYTES));
        return Buffer.concat([decipher.update(bytes.subarray(tagAt + TAG_BYTES)), decipher.final()]);
      } catch (error) {
        throw new AppError(
          'internal',
          'KEY_WRAP_FAILED',
          'A secret in the database does not open with the key of this installation.',
          { cause: error },
        );
      }
    },
  };
}

function readOrMakeKey(path: string): Buffer {
  const known = readKey(path);
  if (known !== undefined) return known;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  rmSync(temporary, { force: true });
  writeNewFileSync(temporary, randomBytes(KEY_BYTES));
  try {
    // link, unlike rename, never replaces a key that another program has made meanwhile.
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolderSync(dirname(path));
  const key = readKey(path);
  if (key === undefined) throw new Error(`bug: the key file ${path} was not made`);
  return key;
}

function readKey(path: string): Buffer | undefined {
  try {
    const key = readFileSync(path);
    if (key.length === KEY_BYTES) return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  throw new AppError('internal', 'KEY_FILE_BROKEN', `The key file ${path} is damaged; put the right one back from a backup.`);
}
