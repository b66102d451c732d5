/** The program that makes backups and restores them on trial: a process of its own, so that neither its memory nor its work is the site's. Started by site main, one order each, and gone with it. */
import { writeFileSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { historyBytes } from '@bascule/store/backup-copy.ts';
import { filesBelow, sizeOfMembers } from './backup/backup-contents.ts';
import { SITE_HISTORY } from './backup/backup-history.ts';
import { makeBackup, type BackupWork } from './backup/backup-make.ts';
import { BACKUP_FAULT, backupOrder, type BackupOrder, type BackupWord } from './backup/backup-order.ts';
import { openBackupPlace } from './backup/backup-place.ts';

/** When memory ends the kernel takes this program before those of the site (proc(5), oom_score_adj: up to 1000). */
const OOM_SCORE_ADJUSTMENT = 900;
/** Of the scheduler: below all that serves people. */
const NICENESS = constants.priority.PRIORITY_BELOW_NORMAL;
/** Progress is told this often at most. */
const PROGRESS_EVERY_MS = 250;

const log = createLog('backup');
process.title = 'bascule-backup';
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('disconnect', () => process.exit(0));
// Ended by site main: a signal to the whole group is not ours.
process.on('SIGINT', () => {});

const cancelling = new AbortController();
let hasOrder = false;
giveWay();
process.on('message', (value) => {
  if (value === 'cancel') return cancelling.abort(new AppError('conflict', 'BACKUP_CANCELLED', 'It was cancelled.'));
  const order = backupOrder.safeParse(value);
  // Never the value: it holds passwords.
  if (!order.success) return fail(new Error(`the order does not fit: ${order.error.issues[0]?.path.join('.')}`));
  if (hasOrder) return;
  hasOrder = true;
  carryOut(order.data).then(() => process.exit(0), fail);
});

async function carryOut(order: BackupOrder): Promise<void> {
  if (order.kind === 'measure') {
    const tables = SITE_HISTORY.map(({ table }) => table);
    const { history, whole } = historyBytes(order.database, tables);
    const files = await sizeOfMembers(filesBelow('files', order.fileStoreDir));
    const recordings = await sizeOfMembers(filesBelow('recordings', order.recordingsDir));
    return await tell({ kind: 'measured', history, whole, files, recordings });
  }
  const place = await openBackupPlace(order.place);
  try {
    let sha256 = order.kind === 'check' ? order.sha256 : null;
    if (order.kind === 'make') {
      const written = await makeBackup(order, place, work);
      sha256 = written.sha256;
      await tell(written);
    }
    // Loaded when it is needed: what only a trial uses, a backup does without.
    const { checkBackup } = await import('./backup/backup-check.ts');
    const ms = await checkBackup({ order, sha256 }, place, work);
    await tell({ kind: 'restorable', ms });
  } finally {
    place.close();
  }
}

let toldAtMs = 0;
const work: BackupWork = {
  signal: cancelling.signal,
  progress(phase, done, total) {
    const nowMs = performance.now();
    if (done > 0 && nowMs - toldAtMs < PROGRESS_EVERY_MS) return;
    toldAtMs = nowMs;
    void tell({ kind: 'progress', phase, done, total });
  },
  step(step) {
    if (process.env[BACKUP_FAULT] === step) process.kill(process.pid, 'SIGKILL');
  },
};

/** The site comes first, whatever is done here. */
function giveWay(): void {
  try {
    setPriority(Math.max(getPriority(), NICENESS));
    writeFileSync('/proc/self/oom_score_adj', String(OOM_SCORE_ADJUSTMENT));
  } catch (error) {
    log.warn({ err: error }, 'backup.gives-no-way');
  }
}

function tell(word: BackupWord): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(word, () => resolve());
    else resolve();
  });
}

/** Says why it cannot work, in one sentence, and ends. */
function fail(error: unknown): void {
  const isExpected = error instanceof AppError;
  if (!isExpected) log.error({ err: error }, 'backup.failed');
  const code = isExpected ? error.code : 'BACKUP_FAILED';
  const message = error instanceof Error ? error.message : String(error);
  void tell({ kind: 'failed', code, message: message.slice(0, 1000) }).then(() => process.exit(1));
}
