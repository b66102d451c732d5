/**
 * A public copy of trusted metadata (package-format 9.2), named as a mirror with consistent snapshots names it: every root, `timestamp.json`, and the versions that
 * it leads to. Whoever reads it while it is renewed sees the old set or the new one, and so does whoever reads it after a power cut.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { writeOrSayWhy } from './disk-fault.ts';
import { METADATA_LIMIT_BYTES } from './mirror.ts';
import { readTrusted, type TrustedView } from './trusted-view.ts';
import { DELEGATED_ROLES, type DelegatedRole } from './tuf-keys.ts';

const ROOT_NAME = /^(\d+)\.root\.json$/;
/** Anybody on the machine may read it: it is what every mirror shows. */
const PUBLIC_FILE_MODE = 0o644;
const PUBLIC_FOLDER_MODE = 0o755;
/** How often a set is read anew because its files were replaced meanwhile. */
const READ_TRIES = 3;
const ROOTS_LIMIT = 256;

export interface MetadataFile {
  /** `3.root.json`, `timestamp.json`, `12.client.json`. */
  name: string;
  bytes: Buffer;
}

const timestampShape = z.object({
  signed: z.object({ meta: z.object({ 'snapshot.json': z.object({ version: z.number().int().positive() }) }) }),
});
const snapshotShape = z.object({
  signed: z.object({ meta: z.record(z.string(), z.object({ version: z.number().int().positive() })) }),
});

/**
 * Makes `directory` hold `files`, of which `timestamp.json` is one. The files that it leads to are written before it, so that the set is whole at any moment; what
 * the former timestamp led to stays until the next renewal, for those who read at this moment. Gives whether anything changed. Throws `DISK_FULL`.
 */
export async function renewMetadataCopy(directory: string, files: MetadataFile[]): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: PUBLIC_FOLDER_MODE });
  const former = new Map((await namedFiles(directory, DELEGATED_ROLES).catch(() => [])).map(({ name, bytes }) => [name, bytes]));
  const wanted = new Map(files.map(({ name, bytes }) => [name, bytes]));
  const isSame = files.every(({ name, bytes }) => former.get(name)?.equals(bytes));
  const isOtherTrust = files.some(({ name, bytes }) => ROOT_NAME.test(name) && former.get(name)?.equals(bytes) === false);
  // Of another publisher: nothing of the former set fits, and a mixture must not look whole.
  if (isOtherTrust) await rm(join(directory, 'timestamp.json'), { force: true });
  if (!isSame) {
    const ordered = files.toSorted((a, b) => Number(a.name === 'timestamp.json') - Number(b.name === 'timestamp.json'));
    for (const { name, bytes } of ordered)
      if (!former.get(name)?.equals(bytes)) await writeOrSayWhy(join(directory, name), bytes, PUBLIC_FILE_MODE);
  }
  for (const name of await readdir(directory)) {
    const stays = wanted.has(name) || (former.has(name) && !isSame && !isOtherTrust);
    if (!stays) await rm(join(directory, name), { force: true });
  }
  await syncFolder(directory);
  return !isSame;
}

/**
 * Reads one whole set: every root, and of `roles` what `timestamp.json` leads to. Nothing is verified. Undefined when there is none. Throws
 * `METADATA_COPY_UNREADABLE` for a set that stays incomplete.
 */
export async function readMetadataCopy(
  directory: string,
  roles: readonly DelegatedRole[] = DELEGATED_ROLES,
): Promise<MetadataFile[] | undefined> {
  for (let tries = 1; ; tries++) {
    try {
      const files = await namedFiles(directory, roles);
      return files.length === 0 ? undefined : files;
    } catch (error) {
      if (tries < READ_TRIES) continue;
      throw new AppError(
        'unavailable',
        'METADATA_COPY_UNREADABLE',
        `The copy of the update metadata in ${directory} is incomplete. Check for updates again: it is renewed then.`,
        { cause: error },
      );
    }
  }
}

/** Verifies a set by its own newest root and gives what it says (package-format 4.4); undefined when it is no whole set. Whoever made it vouches for the root. */
export async function trustedViewOf(
  files: MetadataFile[],
  log: Log,
  roles: readonly DelegatedRole[] = DELEGATED_ROLES,
): Promise<TrustedView | undefined> {
  const newest = newestRoot(files);
  const read = async (role: string) =>
    role === 'root'
      ? newest?.bytes
      : files.find(({ name }) => name === `${role}.json` || name.replace(/^\d+\./, '') === `${role}.json`)?.bytes;
  const view = await readTrusted({ read }, log, roles);
  return view?.validUntil === undefined ? undefined : view;
}

/** The root with the highest version among `files`. */
export function newestRoot(files: MetadataFile[]): MetadataFile | undefined {
  return files.filter(({ name }) => ROOT_NAME.test(name)).toSorted((a, b) => rootVersion(b.name) - rootVersion(a.name))[0];
}

async function namedFiles(directory: string, roles: readonly DelegatedRole[]): Promise<MetadataFile[]> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (!names.includes('timestamp.json')) return [];
  const read = async (name: string): Promise<MetadataFile> => {
    const bytes = await readFile(join(directory, name));
    if (bytes.length > METADATA_LIMIT_BYTES) throw new Error(`${name} is longer than metadata may be`);
    return { name, bytes };
  };
  const timestamp = await read('timestamp.json');
  const { version } = timestampShape.parse(JSON.parse(timestamp.bytes.toString('utf8'))).signed.meta['snapshot.json'];
  const snapshot = await read(`${version}.snapshot.json`);
  const { meta } = snapshotShape.parse(JSON.parse(snapshot.bytes.toString('utf8'))).signed;
  const files = [timestamp, snapshot];
  for (const role of ['targets', ...roles]) {
    const named = meta[`${role}.json`];
    if (named !== undefined) files.push(await read(`${named.version}.${role}.json`));
  }
  const roots = names.filter((name) => ROOT_NAME.test(name)).toSorted((a, b) => rootVersion(b) - rootVersion(a));
  for (const name of roots.slice(0, ROOTS_LIMIT)) files.push(await read(name));
  return files;
}

function rootVersion(name: string): number {
  return Number(ROOT_NAME.exec(name)?.[1]);
}
