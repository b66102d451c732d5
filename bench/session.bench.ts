/**
 * `session`: what a person at a recorded shell feels, beside ssh to the same machine in the same run. Keystroke echo through browser-side client, base, relay and
 * agent; bulk output until the recording is complete, beside `ssh -tt` and the bare PTY.
 */
import { readFileSync, rmSync, mkdtempSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { spawn as spawnPty } from '@lydell/node-pty';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { Sshd } from './sshd.ts';

const KEYSTROKES = 500;
/** Both sides type in turns, so that a busy moment of the machine meets both. */
const TURN = 50;
/** A person types about this fast; echoes are not to queue. */
const PAUSE_MS = 5;
const BULK_BYTES = 96 * 1024 * 1024;
const BULK_RUNS = 3;
const CLOCK_TICKS_PER_SECOND = 100;
const PASSWORD = 'correct horse battery';

export async function run(): Promise<Record<string, number>> {
  using sshd = await Sshd.start();
  await using appliance = await launchAppliance();
  const client = await appliance.startJumpClient({ name: 'bench' });
  const api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  const item = await api.onlineItem('bench');

  const echo = await measureEcho(api, item, sshd);
  const bulk = await measureBulk(appliance, api, item, sshd, client.pid);
  return { ...echo, ...bulk };
}

/** One end that can be typed at; `onData` hears what comes back. */
interface Line {
  type(text: string): void;
  onData: (text: string) => void;
}

async function measureEcho(api: ApiClient, item: string, sshd: Sshd): Promise<Record<string, number>> {
  const session = await api.openSession(item);
  using viewer = new TestViewer(api, session);
  const bascule: Line = { type: (text) => viewer.type(text), onData: () => {} };
  viewer.onBytes = (bytes) => bascule.onData(Buffer.from(bytes).toString('latin1'));
  const process = sshd.open();
  const ssh: Line = { type: (text) => process.stdin!.write(text), onData: () => {} };
  process.stdout!.on('data', (bytes: Buffer) => ssh.onData(bytes.toString('latin1')));
  for (const line of [bascule, ssh]) await prompt(line);

  const times: Record<'bascule' | 'ssh', number[]> = { bascule: [], ssh: [] };
  for (let typed = 0; typed < KEYSTROKES; typed += TURN) {
    for (const [name, line] of [
      ['bascule', bascule],
      ['ssh', ssh],
    ] as const) {
      for (let index = 0; index < TURN; index++) times[name].push(await keystroke(line));
      line.type('\x15');
      await delay(PAUSE_MS * 4);
    }
  }
  process.kill();
  await api.send('POST', `access-sessions/${session}/end`, {});
  const of = (name: 'bascule' | 'ssh', percent: number) => percentile(times[name], percent);
  report(
    'echo',
    `Bascule p50 ${of('bascule', 50).toFixed(3)} p99 ${of('bascule', 99).toFixed(3)} ms; ssh p50 ${of('ssh', 50).toFixed(3)} p99 ${of('ssh', 99).toFixed(3)} ms`,
  );
  return {
    echo_p50_ms: round(of('bascule', 50), 3),
    echo_p50_ratio_ssh: round(of('bascule', 50) / of('ssh', 50), 2),
    echo_p99_ratio_ssh: round(of('bascule', 99) / of('ssh', 99), 2),
  };
}

/** Both ends get the same shell without start-up files, and say when they are ready. */
async function prompt(line: Line): Promise<void> {
  const ready = Promise.withResolvers<void>();
  let text = '';
  line.onData = (piece) => {
    text += piece;
    if (text.includes('READY-42')) ready.resolve();
  };
  line.type('exec bash --norc --noprofile\n');
  line.type("PS1='$ '; echo READY-$((6*7))\n");
  await ready.promise;
  await delay(300);
}

async function keystroke(line: Line): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  const startedAtMs = performance.now();
  line.onData = (piece) => {
    if (piece.includes('k')) resolve(performance.now() - startedAtMs);
  };
  line.type('k');
  const tookMs = await promise;
  await delay(PAUSE_MS);
  return tookMs;
}

async function measureBulk(
  appliance: LaunchedAppliance,
  api: ApiClient,
  item: string,
  sshd: Sshd,
  clientPid: number,
): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-bulk-'));
  const file = join(folder, 'bulk.txt');
  writeFileSync(file, Array.from({ length: BULK_BYTES / 64 }, (_, index) => `${String(index).padStart(63, 'x')}\n`).join(''));
  // The terminal turns each newline into two bytes.
  const bytes = BULK_BYTES + BULK_BYTES / 64;
  const rates: Record<'pty' | 'ssh' | 'bascule', number[]> = { pty: [], ssh: [], bascule: [] };
  let serverSeconds = 0;
  let agentSeconds = 0;
  try {
    for (let index = 0; index < BULK_RUNS; index++) {
      rates.pty.push(bytes / (await barePty(file, bytes)) / 1e6);
      rates.ssh.push(bytes / (await overSsh(sshd, file, bytes)) / 1e6);
      const pids = (await appliance.processes())
        .filter(({ name }) => ['base', 'site', 'relay'].includes(name))
        .map(({ pid }) => pid);
      const before = [cpuSeconds(pids), cpuSeconds([clientPid])] as const;
      rates.bascule.push(bytes / (await recorded(api, item, file, bytes)) / 1e6);
      serverSeconds += cpuSeconds(pids) - before[0];
      agentSeconds += cpuSeconds([clientPid]) - before[1];
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const rate = (name: 'pty' | 'ssh' | 'bascule') => percentile(rates[name], 50);
  const gigabytes = (bytes * BULK_RUNS) / 1e9;
  report(
    'bulk',
    `bare PTY ${rate('pty').toFixed(1)}, ssh -tt ${rate('ssh').toFixed(1)}, Bascule recorded ${rate('bascule').toFixed(1)} MB/s; agent ${(agentSeconds / gigabytes).toFixed(1)} CPU-s/GB`,
  );
  return {
    bulk_mb_s: round(rate('bascule'), 1),
    bulk_ratio_pty: round(rate('bascule') / rate('pty'), 2),
    cpu_s_per_gb: round(serverSeconds / gigabytes, 1),
  };
}

/** Reads the file through a PTY in a process of its own, and drops it. Returns seconds. */
async function barePty(file: string, bytes: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  const startedAtMs = performance.now();
  const pty = spawnPty('/bin/cat', [file], { encoding: null, cols: 80, rows: 24 });
  pty.onData((chunk) => {
    seen += chunk.length;
    if (seen >= bytes) resolve();
  });
  await promise;
  return (performance.now() - startedAtMs) / 1000;
}

async function overSsh(sshd: Sshd, file: string, bytes: number): Promise<number> {
  const child = sshd.open(`sleep 0.5; echo START; exec cat ${file}`);
  let seen = -1;
  let startedAtMs = 0;
  child.stdout!.on('data', (chunk: Buffer) => {
    if (seen < 0) {
      startedAtMs = performance.now();
      seen = chunk.length - 'START\r\n'.length;
    } else seen += chunk.length;
  });
  await once(child.stdout!, 'end');
  if (seen < bytes) throw new Error(`ssh gave ${seen} of ${bytes} bytes`);
  return (performance.now() - startedAtMs) / 1000;
}

/** From the command to the end of the session, which is when the recording is complete on the disk. */
async function recorded(api: ApiClient, item: string, file: string, bytes: number): Promise<number> {
  const session = await api.openSession(item);
  using viewer = new TestViewer(api, session);
  viewer.keepsBytes = false;
  let seen = '';
  viewer.onBytes = (piece) => {
    if (seen.length < 4096) seen += Buffer.from(piece).toString('latin1');
  };
  viewer.type('exec bash --norc --noprofile\nstty -echo; echo READY-$((6*7))\n');
  await viewer.until('the shell is ready', () => seen.includes('READY-42'));
  const startedAtMs = performance.now();
  viewer.type(`exec cat ${file}\n`);
  await viewer.until('the session ended', () => viewer.client.status === 'ended', 120_000);
  const seconds = (performance.now() - startedAtMs) / 1000;
  const { session: row } = await api.endedSession(session);
  if (row.outBytes < bytes) throw new Error(`only ${row.outBytes} of ${bytes} bytes were recorded`);
  return seconds;
}

function cpuSeconds(pids: number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
  }, 0);
}

function percentile(values: number[], percent: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function report(what: string, text: string): void {
  process.stdout.write(`${what}: ${text}\n`);
}
