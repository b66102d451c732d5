/** Which files go into a backup, in the order of the format. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackupMember } from '@bascule/backup-format/backup-writer.ts';
import { IDENTITY_FILES, PART_PATHS } from '@bascule/backup-format/backup-manifest.ts';
import { isMemberPath } from '@bascule/backup-format/backup-tar.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';

const FOLDER_DEPTH_MAX = 16;

export interface FolderSize {
  bytes: number;
  count: number;
}

/** The files of `dir` as members of `part`, ascending by the bytes of their paths. What vanishes meanwhile is passed over, links and odd names are left out. */
export async function* filesBelow(
  part: BackupPart,
  dir: string,
  prefix: string = PART_PATHS[part],
  depth = 0,
): AsyncGenerator<BackupMember> {
  if (depth > FOLDER_DEPTH_MAX) return;
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  // A folder sorts as its content does: with the slash behind it.
  const sorted = entries
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => ({
      name: entry.name,
      isFolder: entry.isDirectory(),
      key: Buffer.from(entry.isDirectory() ? `${entry.name}/` : entry.name),
    }))
    .toSorted((one, other) => Buffer.compare(one.key, other.key));
  for (const { name, isFolder } of sorted) {
    const path = `${prefix}${name}`;
    const source = join(dir, name);
    if (isFolder) yield* filesBelow(part, source, `${path}/`, depth + 1);
    else if (isMemberPath(path)) {
      const stats = await lstat(source).catch(() => undefined);
      if (stats?.isFile()) yield { part, path, source, bytes: stats.size, modifiedS: Math.floor(stats.mtimeMs / 1000) };
    }
  }
}

/** The files of the site identity. */
export async function* identityFiles(keysDir: string): AsyncGenerator<BackupMember> {
  for (const name of IDENTITY_FILES) {
    const source = join(keysDir, name);
    const stats = await lstat(source).catch(() => undefined);
    if (!stats?.isFile()) continue;
    const path = `${PART_PATHS.identity}${name}`;
    yield { part: 'identity', path, source, bytes: stats.size, modifiedS: Math.floor(stats.mtimeMs / 1000) };
  }
}

export async function sizeOfMembers(members: AsyncIterable<BackupMember>): Promise<FolderSize> {
  const size = { bytes: 0, count: 0 };
  for await (const { bytes } of members) {
    size.bytes += bytes;
    size.count += 1;
  }
  return size;
}
