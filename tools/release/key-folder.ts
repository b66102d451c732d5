/** Signing keys on disk: which there are, and development keys where none were made. */
import type { KeyObject } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { TufAuthor } from '@bascule/package-format/tuf-author.ts';
import { keyIdOf, openDevelopmentKeys, readKeyFile, TUF_ROLES, type TufRole } from '@bascule/package-format/tuf-keys.ts';
import { ReleaseError } from './release-error.ts';

/** A key is found in a folder or one of its subfolders, so that each holder's may have its own. */
const FOLDERS_DEPTH = 2;

export interface FoundKey {
  file: string;
  role: TufRole;
  keyId: string;
  key: KeyObject;
  /** Whether the private part is here; a key that is kept elsewhere has a public file. */
  isPrivate: boolean;
}

/** Where keys are kept when nothing else is said: outside every checkout. */
export function defaultKeyFolder(): string {
  return join(process.env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'bascule', 'keys');
}

/** Every `ROLE.pem` or `ROLE-anything.pem` below the folders, and `.pub` for public parts. Throws ReleaseError for a folder that others may enter, `KEY_FILE_UNREADABLE` for a bad file. */
export async function findKeys(folders: string[]): Promise<FoundKey[]> {
  const found: FoundKey[] = [];
  for (const file of folders.flatMap((folder) => pemFiles(folder, FOLDERS_DEPTH))) {
    const role = roleOf(file);
    if (role === undefined) continue;
    const key = await readKeyFile(file);
    const isPrivate = key.type === 'private';
    if (isPrivate && (statSync(file).mode & 0o077) !== 0)
      throw new ReleaseError(`${file} can be read by others: chmod 600 it, and think about whether it still is secret.`);
    found.push({ file, role, keyId: keyIdOf(key), key, isPrivate });
  }
  // A public part beside its private one says nothing more.
  return found.filter((key) => key.isPrivate || !found.some((other) => other.isPrivate && other.keyId === key.keyId));
}

/**
 * The keys of the folders. In a single folder that has none, development keys are made (0600 in a folder of 0700), and `say` gets the sentence about it; they
 * are never overwritten.
 */
export async function findOrMakeKeys(folders: string[], say: (text: string) => void): Promise<FoundKey[]> {
  const found = await findKeys(folders);
  if (found.length > 0 || folders.length > 1) return found;
  const folder = folders[0]!;
  await openDevelopmentKeys(folder);
  say(
    `Made development keys in ${folder}: every role in one place, which is enough for trying out and for tests, and not for releases. ` +
      'How keys for releases are made: docs/operator/update-keys.md.',
  );
  return await findKeys(folders);
}

/** The private keys: what signs. */
export function signingKeys(keys: FoundKey[]): KeyObject[] {
  return keys.filter(({ isPrivate }) => isPrivate).map(({ key }) => key);
}

/** Whether snapshot and timestamp can be signed here; otherwise that is left to the machine that has their keys. */
export function isOnlineHere(author: TufAuthor, keys: FoundKey[]): boolean {
  return (['snapshot', 'timestamp'] as const).every((role) => {
    const { keyIds } = author.roleKeys(role);
    return keys.some((key) => key.isPrivate && keyIds.includes(key.keyId));
  });
}

function roleOf(file: string): TufRole | undefined {
  return TUF_ROLES.find((role) => new RegExp(`^${role}(-[a-z0-9-]+)?\\.(pem|pub)$`).test(basename(file)));
}

function pemFiles(folder: string, depth: number): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((one, other) => one.name.localeCompare(other.name, 'en'))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return depth > 1 ? pemFiles(path, depth - 1) : [];
      return entry.isFile() && /\.(pem|pub)$/.test(entry.name) ? [path] : [];
    });
}
