/** The key by which the update server knows an appliance (package-format 6): Ed25519, made on the appliance, never leaves it. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import { writeOrSayWhy } from './disk-fault.ts';

/** A PKCS#8 PEM of an Ed25519 key has 119 characters; what is much longer is something else. */
const KEY_FILE_LIMIT_BYTES = 4096;

/**
 * The appliance's private key of `file` (PKCS#8 PEM, 0600), made on first use. Throws `APPLIANCE_KEY_UNREADABLE` when the file holds something else: it is
 * never replaced by itself, since the update server knows the appliance by it.
 */
export async function openApplianceKey(file: string): Promise<KeyObject> {
  const found = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined) return privateKeyOf(found, file);
  const { privateKey } = generateKeyPairSync('ed25519');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeOrSayWhy(file, privateKey.export({ format: 'pem', type: 'pkcs8' }));
  await chmod(file, 0o600);
  return privateKey;
}

/** The public part as base64 of its SPKI: what a person registers at the update server. Takes a private or a public key. */
export function publicKeyText(key: KeyObject): string {
  return publicOf(key).export({ format: 'der', type: 'spki' }).toString('base64');
}

/** Reads what `publicKeyText` gave. Throws `APPLIANCE_KEY_INVALID`. */
export function readPublicKey(text: string): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
    if (key.asymmetricKeyType === 'ed25519' && publicKeyText(key) === text) return key;
  } catch {
    // Said below, in one place.
  }
  throw new AppError(
    'invalid',
    'APPLIANCE_KEY_INVALID',
    'This is no public key of an appliance. Copy it from Appliance > Updates.',
  );
}

/** SHA-256, as hex, of the public key's SPKI: names the appliance in bundles (package-format 5.2). */
export function applianceIdOf(key: KeyObject): string {
  return createHash('sha256')
    .update(publicOf(key).export({ format: 'der', type: 'spki' }))
    .digest('hex');
}

function publicOf(key: KeyObject): KeyObject {
  return key.type === 'public' ? key : createPublicKey(key);
}

function privateKeyOf(pem: Buffer, file: string): KeyObject {
  try {
    if (pem.length <= KEY_FILE_LIMIT_BYTES) {
      const key = createPrivateKey(pem);
      if (key.asymmetricKeyType === 'ed25519') return key;
    }
  } catch {
    // Said below, without the key's text.
  }
  throw new AppError(
    'internal',
    'APPLIANCE_KEY_UNREADABLE',
    `The appliance's update key ${file} cannot be read. Put it back from a backup, or remove it and register the appliance again at the update server.`,
  );
}
