/**
 * `backup`: 1 GB of state and 10 GB of recordings of a real site, backed up with a password while it is written to, beside `sqlite3 VACUUM INTO` and `tar | zstd | age`; then unpacked, beside
 * `age -d | zstd -d | tar x` (backup-restore.ts). The restoring on trial that follows every backup is told apart.
 *
 * BASCULE_BENCH_SCALE: both sizes times this (1). Less is taken by itself when the disk is too small.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { Site } from '../apps/site/src/compose.ts';
import { testSiteConfig } from '../apps/site/src/testing.ts';
import { measureRestore } from './backup-restore.ts';
import { fillDatabase } from './big-database.ts';
import { writeRecordings } from './sync-content.ts';

const DATABASE_BYTES = 1e9;
const RECORDING_BYTES = 10e9;
/** Source, the backup, the yardstick's, and one unpacked copy at a time. */
const DISK_FACTOR = 4;
const PASSWORD = 'a password for the benchmark';
const WRITE_EVERY_MS = 5;
const LOOK_EVERY_MS = 20;
const SMALLEST_SCALE = 0.001;

const written = defineAuditEvent('BENCH_BACKUP_WRITTEN', 'A change while a backup is made', { housekeeping: true });

/** Gives the figures of bench/RESULTS.md. */
export async function run(): Promise<Record<string, number>> {
  const scale = scaleHere();
  const config = testSiteConfig();
  const home = dirname(config.siteDir);
  try {
    say(`content at ${scale} of its size ...`);
    const first = await Site.open({ config, log: createLog('bench', 'silent') });
    await first.close();
    fillDatabase(config.paths.database, DATABASE_BYTES * scale);
    await writeRecordings(join(config.paths.recordings, '2026'), RECORDING_BYTES * scale);
    const stock = yardstick(home, config.paths.database, config.paths.recordings);
    say(`VACUUM INTO and tar | zstd | age: ${round(stock.makeMs)} ms; the backup ...`);
    const own = await measureBackup(config);
    say(`backup ${round(own.makeMs)} ms, restored on trial in ${round(own.checkMs)} ms; unpacking ...`);
    const restored = await measureRestore({ file: own.file, password: PASSWORD, work: join(home, 'restore') });
    return {
      scale,
      backup_ratio_tar: round(own.makeMs / stock.makeMs, 2),
      ...restored,
      peak_mb: round(own.peakBytes / 1e6),
      write_pause_p50_ms: round(quantile(own.pausesMs, 0.5), 1),
      write_pause_p99_ms: round(quantile(own.pausesMs, 0.99), 1),
      write_pause_max_ms: round(Math.max(...own.pausesMs), 1),
      writes: own.pausesMs.length,
      backup_s: round(own.makeMs / 1000, 1),
      tar_s: round(stock.makeMs / 1000, 1),
      trial_s: round(own.checkMs / 1000, 1),
      backup_mb: round(own.bytes / 1e6),
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function measureBackup(config: ReturnType<typeof testSiteConfig>) {
  const site = await Site.open({ config: testSiteConfig(dirname(config.siteDir)), log: createLog('bench', 'silent') });
  const { backups, store } = site.parts;
  backups.start();
  let isUnderWay = true;
  const pausesMs: number[] = [];
  const writing = (async () => {
    while (isUnderWay) {
      const startedMs = performance.now();
      store.transact(SYSTEM, written({}), (tx) => tx.run('UPDATE settings SET value = value WHERE name = ?', 'none'));
      pausesMs.push(performance.now() - startedMs);
      await delay(WRITE_EVERY_MS);
    }
  })();
  try {
    // The sizes are measured before, as the page does.
    await backups.sizes();
    const startedMs = performance.now();
    const include = { history: true, files: true, recordings: true, boxSettings: false };
    const { id } = await backups.make(SYSTEM, { include, destination: 'here', password: PASSWORD });
    let peakBytes = 0;
    while (backups.get(id).state === 'making') {
      peakBytes = Math.max(peakBytes, peakOfProgram());
      await delay(LOOK_EVERY_MS);
    }
    const makeMs = performance.now() - startedMs;
    isUnderWay = false;
    await writing;
    await backups.idle();
    const backup = backups.get(id);
    if (backup.state !== 'restorable') throw new Error(`the backup failed: ${backup.problem?.message}`);
    const file = join(backups.destinations.here, backup.fileName);
    return { makeMs, checkMs: backup.checkMs ?? 0, peakBytes, pausesMs, bytes: backup.bytes ?? 0, file };
  } finally {
    isUnderWay = false;
    await site.close();
  }
}

/** The same with what Debian has; its copy, with a key instead of a password, which costs nothing. */
function yardstick(home: string, database: string, recordings: string) {
  const work = join(home, 'stock');
  mkdirSync(work);
  execFileSync('age-keygen', ['-o', join(work, 'key')], { stdio: 'ignore' });
  const recipient = execFileSync('age-keygen', ['-y', join(work, 'key')], { encoding: 'utf8' }).trim();
  const shell = (command: string) => {
    const startedMs = performance.now();
    execFileSync('sh', ['-c', command], { cwd: work, stdio: ['ignore', 'ignore', 'inherit'] });
    return performance.now() - startedMs;
  };
  const makeMs = shell(
    `sqlite3 '${database}' "VACUUM INTO '${work}/site.db'" && tar c -C '${work}' site.db -C '${dirname(recordings)}' recordings | zstd -q -3 | age -r ${recipient} -o all.age && sync all.age`,
  );
  rmSync(work, { recursive: true });
  return { makeMs };
}

/** Resident memory of the program at its highest, as the kernel counts it (proc(5), VmHWM). */
function peakOfProgram(): number {
  for (const entry of readdirSync('/proc'))
    if (/^\d+$/.test(entry))
      try {
        const status = readFileSync(`/proc/${entry}/status`, 'latin1');
        if (!new RegExp(`^PPid:\\s+${process.pid}$`, 'm').test(status)) continue;
        if (!readFileSync(`/proc/${entry}/cmdline`, 'latin1').includes('bascule-backup')) continue;
        return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
      } catch {
        // It has just ended.
      }
  return 0;
}

function scaleHere(): number {
  const wanted = Number(process.env['BASCULE_BENCH_SCALE'] ?? 1);
  const { bavail, bsize } = statfsSync(tmpdir());
  const possible = (bavail * bsize) / ((DATABASE_BYTES + RECORDING_BYTES) * DISK_FACTOR);
  return Math.max(SMALLEST_SCALE, Math.min(wanted, possible));
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

function round(value: number, digits = 0): number {
  return Number(value.toFixed(digits));
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
