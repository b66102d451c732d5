/** Restores a backup on trial: reads it back from where it lies, and has a site work on it (B184: a backup counts when it has been restored). */
import { createHash } from 'node:crypto';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unpackBackup } from '@bascule/backup-format/unpack-backup.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import { findProblems } from '@bascule/store/integrity.ts';
import type { BackupWork } from './backup-make.ts';
import type { CheckOrder } from './backup-order.ts';
import { notRestorable, trySite } from './backup-trial.ts';
import type { BackupPlace } from './place-parts.ts';

/** What a site needs to start. Files and recordings are read and compared with their checksums, and not written a second time. */
const TRIED_PARTS: ReadonlySet<BackupPart> = new Set<BackupPart>(['state', 'identity', 'box-settings']);

export interface CheckedBackup {
  order: Pick<CheckOrder, 'id' | 'fileName' | 'password' | 'workDir' | 'trial'>;
  /** What was written; null: not known. */
  sha256: string | null;
}

/** Gives how long it took, in milliseconds. Throws `BACKUP_NOT_RESTORABLE` and the faults of reading a backup. The scratch folder is removed in any case. */
export async function checkBackup({ order, sha256 }: CheckedBackup, place: BackupPlace, work: BackupWork): Promise<number> {
  const startedMs = performance.now();
  const scratch = join(order.workDir, 'trial');
  await rm(scratch, { recursive: true, force: true });
  work.step('reading-back');
  try {
    const hash = createHash('sha256');
    const read = (async function* () {
      for await (const piece of place.read(order.fileName)) {
        hash.update(piece);
        yield piece;
      }
    })();
    const { manifest } = await unpackBackup(read, scratch, {
      ...(order.password !== undefined && { password: order.password }),
      parts: TRIED_PARTS,
      signal: work.signal,
      onProgress: (done, total) => work.progress('reading-back', done, total),
    });
    if (manifest.id !== order.id) throw notRestorable('the file is that of another backup');
    if (sha256 !== null && hash.digest('hex') !== sha256) throw notRestorable('the file is not the one that was written');
    work.step('unpacked');
    await tryUnpacked(scratch, order, work);
    work.step('tried');
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return Math.round(performance.now() - startedMs);
}

async function tryUnpacked(scratch: string, { trial }: CheckedBackup['order'], work: BackupWork): Promise<void> {
  work.progress('restoring-on-trial', 0, null);
  const database = join(scratch, 'site.db');
  const problems = await findProblems(database);
  if (problems.length > 0) throw notRestorable(`its database is damaged: ${problems[0]}`);
  const siteDir = join(scratch, 'site');
  await mkdir(siteDir, { mode: 0o700 });
  await rename(database, join(siteDir, 'site.db'));
  await rename(join(scratch, 'keys'), join(siteDir, 'keys')).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
  await chmod(siteDir, 0o700);
  await trySite(trial, siteDir, work.signal);
}
