/** Signing keys of an update repository (package-format 3.1 and 3.6): Ed25519, each in a PKCS#8 PEM file of its own, 0600. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { canonicalize } from '@tufjs/canonical-json';
import { syncFolder, writeNewFile } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

/** Roles of a Bascule repository. */
export const TUF_ROLES = ['root', 'targets', 'snapshot', 'timestamp', 'base', 'site', 'licence', 'client', 'runtime'] as const;
export type TufRole = (typeof TUF_ROLES)[number];
/** Roles to which `targets` delegates; each may sign only targets below `<role>/`. */
export const DELEGATED_ROLES = ['base', 'site', 'licence', 'client', 'runtime'] as const;
export type DelegatedRole = (typeof DELEGATED_ROLES)[number];
/** Of the root role, unless its keeper chooses otherwise. */
export const ROOT_KEYS = 3;
export const ROOT_THRESHOLD = 2;

const KEY_FILE_LIMIT_BYTES = 4096;
/** Length of the SPKI header before the 32 bytes of an Ed25519 key. */
const SPKI_HEADER_BYTES = 12;

/** A public key as root and targets metadata hold it. */
export interface TufPublicKey {
  keytype: 'ed25519';
  scheme: 'ed25519';
  keyval: { public: string };
}

/** Makes a key in `file`, 0600. Throws `KEY_FILE_EXISTS`: a key is never overwritten. */
export async function createKeyFile(file: string): Promise<KeyObject> {
  const { privateKey } = generateKeyPairSync('ed25519');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeNewFile(file, privateKey.export({ format: 'pem', type: 'pkcs8' })).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new AppError('conflict', 'KEY_FILE_EXISTS', `${file} exists. Keys are never overwritten: choose another name.`);
  });
  await syncFolder(dirname(file));
  return privateKey;
}

/** Reads a private key, or a public one (SPKI PEM) of a key that is kept elsewhere. Throws `KEY_FILE_UNREADABLE`. */
export async function readKeyFile(file: string): Promise<KeyObject> {
  try {
    const pem = await readFile(file);
    if (pem.length <= KEY_FILE_LIMIT_BYTES) {
      const key = pem.includes('PRIVATE KEY') ? createPrivateKey(pem) : createPublicKey(pem);
      if (key.asymmetricKeyType === 'ed25519') return key;
    }
  } catch {
    // Said below, without the key's text.
  }
  throw new AppError('invalid', 'KEY_FILE_UNREADABLE', `${file} is missing or no Ed25519 key in PEM form.`);
}

/** Development keys of `folder` (`root-1.pem` to `root-3.pem`, `targets.pem`, `base.pem` ...), made on first use. */
export async function openDevelopmentKeys(folder: string): Promise<Record<TufRole, KeyObject[]>> {
  const keys = {} as Record<TufRole, KeyObject[]>;
  for (const role of TUF_ROLES) {
    const names = role === 'root' ? Array.from({ length: ROOT_KEYS }, (_, index) => `root-${index + 1}`) : [role];
    keys[role] = [];
    for (const name of names) keys[role].push(await openOrCreate(join(folder, `${name}.pem`)));
  }
  return keys;
}

/** The public part as TUF holds it. */
export function tufPublicKey(key: KeyObject): TufPublicKey {
  const spki = (key.type === 'public' ? key : createPublicKey(key)).export({ format: 'der', type: 'spki' });
  return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: spki.subarray(SPKI_HEADER_BYTES).toString('hex') } };
}

/** The TUF key id: SHA-256 of the canonical JSON of the public key. */
export function keyIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(canonicalize(tufPublicKey(key)))
    .digest('hex');
}

async function openOrCreate(file: string): Promise<KeyObject> {
  return createKeyFile(file).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'KEY_FILE_EXISTS') return readKeyFile(file);
    throw error;
  });
}
