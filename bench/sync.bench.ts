/**
 * `sync`: a real pair on loopback. The first copy of 1 GB of state and 10 GB of recordings, from the button until everything is durable at the backup, beside rsync; then changes
 * at the primary as fast as it answers, and how far the backup is behind meanwhile.
 *
 * BASCULE_BENCH_SCALE: both sizes times this (1). Less is taken by itself when the disk is too small.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { PairScene, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { fillDatabase } from './big-database.ts';
import { ensurePackages } from './failover-packages.ts';
import { writeRecordings } from './sync-content.ts';
import { measureRsync } from './sync-rsync.ts';
import { syncWatch, type SyncWatch } from './sync-watch.ts';

const DATABASE_BYTES = 1e9;
const RECORDING_BYTES = 10e9;
/** Source, copy, and what snapshots and write-ahead logs take meanwhile. */
const DISK_FACTOR = 3;
const SETTLE_MS = 5000;
const WRITERS = 16;
const WRITE_SECONDS = 15;
/** The looking begins before what is looked for. */
const WATCHED_BEFORE_S = 2;
const COPY_LIMIT_MS = 9 * 60_000;
const LOOK_MS = 50;
const CLOCK_TICKS_PER_SECOND = 100;
const SAY_EVERY_MS = 10_000;

/** Gives the figures of bench/RESULTS.md. */
export async function run(): Promise<Record<string, number>> {
  await ensurePackages({ rsync: 'rsync', sshd: 'openssh-server' });
  const scale = scaleHere();
  say(`two appliances; content at ${scale} of its size ...`);
  await using scene = await PairScene.start();
  const content = await fill(scene.a, scale);
  say(`${content.recordings} recordings, ${gigabytes(content.bytes)} GB in all; rsync ...`);
  const { site } = scene.a.appliance.paths;
  const rsync = await measureRsync([site.database, site.recordings]);
  say(`rsync over ssh ${round(rsync.sshSeconds, 1)} s, its own protocol ${round(rsync.daemonSeconds, 1)} s; the pair ...`);
  await scene.a.appliance.start();
  const cpuBefore = await cpuSeconds(scene);
  const copySeconds = await firstCopy(scene, content.bytes);
  const cpu = (await cpuSeconds(scene)) - cpuBefore;
  await delay(SETTLE_MS);
  say('changes ...');
  const followed = await measureChanges(scene);
  say('the backup is stopped, and catches up ...');
  const caughtUp = await measureCatchingUp(scene);
  const rate = (seconds: number) => content.bytes / seconds / 1e6;
  return {
    scale,
    changes_per_s: followed.perSecond,
    lag_p50_ms: followed.lagP50Ms,
    lag_p99_ms: followed.lagP99Ms,
    lag_max_ms: followed.lagMaxMs,
    catch_up_changes: caughtUp.changes,
    catch_up_per_s: caughtUp.comingPerSecond,
    copy_s: round(copySeconds, 1),
    copy_cpu_s_per_gb: round((cpu / content.bytes) * 1e9, 2),
    copy_mb_s: round(rate(copySeconds), 1),
    rsync_mb_s: round(rate(rsync.sshSeconds), 1),
    rsync_plain_mb_s: round(rate(rsync.daemonSeconds), 1),
    copy_ratio_rsync: round(rsync.sshSeconds / copySeconds, 2),
    copy_ratio_rsync_plain: round(rsync.daemonSeconds / copySeconds, 2),
  };
}

function scaleHere(): number {
  const wanted = Number(process.env['BASCULE_BENCH_SCALE'] ?? 1);
  const { bavail, bsize } = statfsSync(tmpdir());
  const possible = (bavail * bsize) / DISK_FACTOR / (DATABASE_BYTES + RECORDING_BYTES);
  return possible >= wanted ? wanted : round(possible, 3);
}

/** Stops the appliance, and makes its database and recordings big. */
async function fill({ appliance }: PairSide, scale: number): Promise<{ recordings: number; bytes: number }> {
  await appliance.stop();
  const { database, recordings } = appliance.paths.site;
  fillDatabase(database, DATABASE_BYTES * scale);
  const count = await writeRecordings(recordings, RECORDING_BYTES * scale);
  const { uid, gid } = statSync(appliance.paths.site.site);
  execFileSync('chown', ['-R', `${uid}:${gid}`, recordings]);
  return { recordings: count, bytes: statSync(database).size + bytesIn(recordings) };
}

/** Seconds from the button until everything is durable at the backup. */
async function firstCopy(scene: PairScene, bytes: number): Promise<number> {
  const { a, b } = scene;
  const startMs = performance.now();
  const recordings = bytesIn(a.appliance.paths.site.recordings);
  let saidMs = startMs;
  await scene.setKeys();
  await a.act('establish', { backup: b.endpoint, primary: a.endpoint, withCertificate: false, mode: 'async' });
  let isFollowing = false;
  for (;;) {
    const { copy, self } = await b.state().catch(() => ({ copy: null, self: undefined }));
    const have = bytesIn(b.appliance.paths.site.recordings);
    if (!isFollowing && self?.role === 'backup' && copy?.state === 'following') {
      isFollowing = true;
      say(`the database follows after ${seconds(startMs)} s`);
    }
    const isCopied = copy !== null && copy.recordingBytesLeft === 0 && copy.fileBytesLeft === 0 && copy.lagChanges === 0;
    if (isFollowing && isCopied && have >= recordings) break;
    if (performance.now() - saidMs > SAY_EVERY_MS) {
      saidMs = performance.now();
      say(`${gigabytes(have)} of ${gigabytes(recordings)} GB of recordings`);
    }
    if (performance.now() - startMs > COPY_LIMIT_MS) throw new Error('the first copy takes too long');
    await delay(LOOK_MS);
  }
  const copySeconds = (performance.now() - startMs) / 1000;
  say(`copied in ${round(copySeconds, 1)} s, ${round(bytes / copySeconds / 1e6, 1)} MB/s`);
  return copySeconds;
}

/** Of site main and relay of both sides. */
async function cpuSeconds({ sides }: PairScene): Promise<number> {
  let sum = 0;
  for (const { appliance } of sides)
    for (const program of ['site', 'relay'] as const) {
      const stat = readFileSync(`/proc/${await appliance.pid(program)}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      sum += (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
    }
  return sum;
}

async function measureChanges(scene: PairScene): Promise<SyncWatch> {
  const [watched] = await Promise.all([watch(scene, WRITE_SECONDS), write(scene.a)]);
  say(JSON.stringify(watched));
  return watched;
}

/** The backup hangs while changes are made, and goes on. */
async function measureCatchingUp(scene: PairScene): Promise<{ changes: number; comingPerSecond: number }> {
  const { appliance } = scene.b;
  await appliance.signalAll('SIGSTOP');
  let changes: number;
  try {
    changes = await write(scene.a);
  } catch (error) {
    await appliance.signalAll('SIGCONT');
    throw error;
  }
  const goOn = async () => {
    await delay(WATCHED_BEFORE_S * 1000);
    await appliance.signalAll('SIGCONT');
  };
  const [{ comingPerSecond }] = await Promise.all([watch(scene, WATCHED_BEFORE_S * 2), goOn()]);
  say(`${comingPerSecond} changes a second came`);
  return { changes, comingPerSecond };
}

/** Gives how many were answered. */
async function write({ appliance, site }: PairSide): Promise<number> {
  const words = [appliance.url, site.cookie, site.csrf, String(WRITERS), String(WRITE_SECONDS)];
  const { answered, failed } = z
    .object({ answered: z.number(), failed: z.number() })
    .parse(await runProgram('sync-writers.ts', words));
  say(`${answered} changes answered, ${failed} refused`);
  return answered;
}

async function watch({ a, b }: PairScene, watchSeconds: number): Promise<SyncWatch> {
  const databases = [a, b].map(({ appliance }) => appliance.paths.site.database);
  return syncWatch.parse(await runProgram('sync-watch.ts', [...databases, String(watchSeconds)]));
}

/** A program of this folder, to its end; gives the JSON that it says. */
async function runProgram(file: string, words: readonly string[]): Promise<unknown> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  await once(child, 'close');
  if (child.exitCode !== 0) throw new Error(`${file} ended with ${child.exitCode}`);
  return JSON.parse(said);
}

function bytesIn(folder: string): number {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.bsr'))
      .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  } catch {
    return 0;
  }
}

const beganMs = performance.now();
function say(line: string): void {
  process.stderr.write(`[${seconds(beganMs)} s] ${line}\n`);
}

const seconds = (sinceMs: number): number => round((performance.now() - sinceMs) / 1000, 1);
const gigabytes = (bytes: number): number => round(bytes / 1e9, 2);

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
