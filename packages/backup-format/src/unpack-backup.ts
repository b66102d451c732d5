/** Unpacks a backup into a new folder. */
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import type { BackupManifest } from './backup-manifest.ts';
import { BackupReader, type ReadBackupOptions } from './backup-reader.ts';

export interface UnpackBackupOptions extends ReadBackupOptions {
  /** Which parts are written; the others are read and checked like all. Absent: all. */
  parts?: ReadonlySet<BackupPart>;
  /** Looks at the manifest before anything is written, and refuses by throwing. */
  accept?(manifest: BackupManifest): void | Promise<void>;
  /** Bytes of members so far, and of all. */
  onProgress?(bytes: number, total: number): void;
}

export interface UnpackedBackup {
  manifest: BackupManifest;
  members: number;
  bytes: number;
}

/**
 * Unpacks `file` into the folder `into`, which is new or empty: `site.db`, `keys/`, `box/`, `files/`, `recordings/` as in the backup, files 0600 and folders 0700, on disk when it resolves. What
 * it made until a failure stays: the caller removes `into`. Throws as `BackupReader.open`, and `BACKUP_FOLDER_NOT_EMPTY`.
 */
export async function unpackBackup(
  file: AsyncIterable<Uint8Array>,
  into: string,
  options: UnpackBackupOptions = {},
): Promise<UnpackedBackup> {
  await mkdir(into, { recursive: true, mode: 0o700 });
  if ((await readdir(into)).length > 0)
    throw new AppError(
      'conflict',
      'BACKUP_FOLDER_NOT_EMPTY',
      `${into} is not empty; a backup is unpacked into a new folder only.`,
    );
  const reader = await BackupReader.open(file, options);
  const { manifest } = reader;
  const total = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
  const folders = new Set<string>([into]);
  const unpacked = { manifest, members: 0, bytes: 0 };
  try {
    await options.accept?.(manifest);
    for await (const member of reader.members()) {
      const target = options.parts?.has(member.part) === false ? undefined : join(into, member.path);
      if (target !== undefined) await makeFolder(dirname(target), folders);
      await writeMember(target, member.content, (bytes) => {
        unpacked.bytes += bytes;
        options.onProgress?.(unpacked.bytes, total);
      });
      unpacked.members += 1;
    }
  } finally {
    reader.close();
  }
  for (const folder of folders) await syncFolder(folder);
  await syncFolder(dirname(into));
  return unpacked;
}

async function makeFolder(folder: string, known: Set<string>): Promise<void> {
  if (known.has(folder)) return;
  await makeFolder(dirname(folder), known);
  await mkdir(folder, { mode: 0o700 });
  known.add(folder);
}

/** Without a target the content is only read. `wx` follows no link and replaces nothing. */
async function writeMember(
  target: string | undefined,
  content: AsyncIterable<Buffer>,
  tell: (bytes: number) => void,
): Promise<void> {
  if (target === undefined) {
    for await (const piece of content) tell(piece.length);
    return;
  }
  const handle = await open(target, 'wx', 0o600);
  try {
    for await (const piece of content) {
      await handle.writeFile(piece);
      tell(piece.length);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
