/** How whoever downloads the Debian package knows that it is genuine: its SHA-256, and a signature of that by a key of its own. */
import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createKeyFile, readKeyFile } from '@bascule/package-format/tuf-keys.ts';
import { sha256Of } from './built.ts';
import { ReleaseError } from './release-error.ts';

/** Apart from the keys of the repository: who may sign packages of base and site need not be who may sign what runs as root. */
const KEY_FILE = 'deb.pem';
const PUBLIC_KEY_FILE = 'bascule-appliance.pub';

/** Writes `<file>.sha256`, `<file>.sha256.sig` and the public key beside `file`. Throws ReleaseError without a key. */
export async function signChecksum(
  file: string,
  { keys, makesKey, out }: { keys: string[]; makesKey: boolean; out: string },
): Promise<{ sha256: string; bytes: number; publicKeyFile: string }> {
  const key = await keyOf(keys, makesKey);
  const sha256 = await sha256Of(file);
  const text = Buffer.from(`${sha256}  ${basename(file)}\n`);
  const publicKeyFile = join(out, PUBLIC_KEY_FILE);
  await writeFile(`${file}.sha256`, text, { mode: 0o644 });
  await writeFile(`${file}.sha256.sig`, sign(null, text, key), { mode: 0o644 });
  await writeFile(publicKeyFile, createPublicKey(key).export({ format: 'pem', type: 'spki' }), { mode: 0o644 });
  return { sha256, bytes: (await stat(file)).size, publicKeyFile };
}

async function keyOf(folders: string[], makesKey: boolean): Promise<KeyObject> {
  const found = folders.map((folder) => join(folder, KEY_FILE)).find((file) => existsSync(file));
  if (found !== undefined) {
    if (((await stat(found)).mode & 0o077) !== 0)
      throw new ReleaseError(`${found} can be read by others: chmod 600 it, and think about whether it still is secret.`);
    return await readKeyFile(found);
  }
  const [folder = ''] = folders;
  if (makesKey) return await createKeyFile(join(folder, KEY_FILE));
  throw new ReleaseError(
    `There is no ${KEY_FILE} in ${folders.join(', ')}: make it once, where keys are made: (umask 077; openssl genpkey -algorithm ed25519 -out ${join(folder, KEY_FILE)})`,
  );
}
