/** A backup is laid into a folder as the site that it holds, or only as much of it as is needed to look into it. */
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder, writeFileDurably } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { backupManifest, refuseNewerSchema, type BackupManifest } from '@bascule/backup-format/backup-manifest.ts';
import { BackupReader } from '@bascule/backup-format/backup-reader.ts';
import { unpackBackup } from '@bascule/backup-format/unpack-backup.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import type { Unpacked } from '@bascule/protocol/restore-program.ts';
import { prepareCopy } from '@bascule/store/received-copy.ts';
import { knownMigrations } from '../site-store.ts';
import { FILE_STORE_FOLDER } from './backup-source.ts';
import { readSource } from './restored-source.ts';
import { freeBytesOf } from './restored-space.ts';

/** Left free beside what is unpacked: for the databases, and recordings that come meanwhile. */
export const RESTORE_SPACE_RESERVE_BYTES = 512 * 1024 * 1024;
/** In the folder, beside what was unpacked: who made it, and what is in it. */
const MANIFEST_FILE = 'manifest.json';
/** What is looked into before anybody decides: the first parts of the file, in its order. */
const LOOKED_AT: ReadonlySet<BackupPart> = new Set<BackupPart>(['state', 'identity', 'box-settings']);

export interface Source {
  file: string;
  password: string | undefined;
}

/**
 * Reads `file` through, and lays what is in it into the new folder `target`; gives what it was, to be compared with what was looked into. Throws what the reader throws (`BACKUP_*`),
 * `BACKUP_NEWER` for one of newer software, `RESTORE_DISK_SPACE`, and `RESTORE_CHANGED` when the file changed meanwhile.
 */
export async function unpack(
  { file, password }: Source,
  target: string,
  onProgress: (done: number, total: number) => void,
): Promise<Unpacked> {
  await rm(target, { recursive: true, force: true });
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const unpackedBytesLimit = Math.max(0, (await freeBytesOf(dirname(target))) - RESTORE_SPACE_RESERVE_BYTES);
  const { found, mark } = await readSource(file, (bytes) =>
    unpackBackup(bytes, target, {
      ...(password !== undefined && { password }),
      unpackedBytesLimit,
      accept: (manifest) => refuseNewerSchema(manifest, knownMigrations),
      onProgress,
    }),
  );
  const { manifest } = found;
  await writeFileDurably(join(target, MANIFEST_FILE), JSON.stringify(manifest));
  await moveFileStore(target);
  return { id: manifest.id, madeAtMs: manifest.madeAtMs, mark };
}

/** A backup has the files of the file store alone; in a site they lie beside what packages bring. */
async function moveFileStore(target: string): Promise<void> {
  const files = join(target, 'files');
  if (!existsSync(files)) return;
  const store = join(target, 'file-store');
  await rename(files, store);
  await mkdir(files, { mode: 0o700 });
  await rename(store, join(files, FILE_STORE_FOLDER));
  await syncFolder(files);
  await syncFolder(target);
}

/** What was read of a backup to look into it. */
export interface Head {
  manifest: BackupManifest;
  /** Whether it was decrypted, with the password. */
  wasEncrypted: boolean;
  /** Of the file (`readSource`). */
  mark: string;
}

/** Lays the database, the identity and the settings of the box into the new folder `target`, and reads no further. Throws as `unpack`. */
export async function unpackHead(
  { file, password }: Source,
  target: string,
  onProgress: (done: number, total: number) => void,
): Promise<Head> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true, mode: 0o700 });
  const { found, mark } = await readSource(file, (bytes) => readHead(bytes, password, target, onProgress));
  return { ...found, mark };
}

async function readHead(
  bytes: AsyncIterable<Uint8Array>,
  password: string | undefined,
  target: string,
  onProgress: (done: number, total: number) => void,
): Promise<Omit<Head, 'mark'>> {
  const reader = await BackupReader.open(bytes, password === undefined ? {} : { password });
  try {
    const { manifest, wasEncrypted } = reader;
    refuseNewerSchema(manifest, knownMigrations);
    const total = manifest.parts.reduce((sum, { part, bytes }) => sum + (LOOKED_AT.has(part) ? bytes : 0), 0);
    if ((await freeBytesOf(target)) - RESTORE_SPACE_RESERVE_BYTES < total) throw noSpace(total);
    let done = 0;
    for await (const member of reader.members()) {
      if (!LOOKED_AT.has(member.part)) break;
      const path = join(target, member.path);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeAll(path, member.content, (bytes) => onProgress((done += bytes), total));
    }
    return { manifest, wasEncrypted };
  } finally {
    reader.close();
  }
}

/** The list of contents that `unpack` has left in `folder`; undefined for a state from the archive. */
export async function manifestIn(folder: string): Promise<BackupManifest | undefined> {
  const file = join(folder, MANIFEST_FILE);
  return existsSync(file) ? backupManifest.parse(JSON.parse(await readFile(file, 'utf8'))) : undefined;
}

/** Reads the database in `folder` through, and takes out of it what describes the file that it was. Throws `RESTORE_DATABASE_DAMAGED`. */
export async function checkDatabase(folder: string): Promise<void> {
  try {
    await prepareCopy(join(folder, 'site.db'));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError('invalid', 'RESTORE_DATABASE_DAMAGED', `The database in the backup cannot be used: ${error.message}`, {
      cause: error,
    });
  }
}

async function writeAll(path: string, content: AsyncIterable<Buffer>, tell: (bytes: number) => void): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const piece of content) {
      await handle.writeFile(piece);
      tell(piece.length);
    }
  } finally {
    await handle.close();
  }
}

function noSpace(bytes: number): AppError {
  const megabytes = Math.ceil(bytes / 1024 / 1024);
  return new AppError(
    'conflict',
    'RESTORE_DISK_SPACE',
    `The disk of the appliance has too little room for the ${megabytes} MB of database in this backup. Free some, then try again.`,
    { params: { megabytes } },
  );
}
