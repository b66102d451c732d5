/**
 * The power cut. A kill -9 keeps the page cache; a power cut loses what was not synced. strace records every write, truncation and sync of the writer; the
 * test replays them up to each sync and checks what a machine would find: all that was synced, and any part of what was not, also torn.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertReproduced, assertWhole, openCrashed } from '../test/crash-checks.ts';

const WRITER = fileURLToPath(new URL('../test/crash-writer.ts', import.meta.url));
const TRANSACTIONS = 160;
const STRING_LIMIT_BYTES = 4 * 1024 * 1024;
const TRACE_TIMEOUT_MS = 60_000;
const SECTOR_BYTES = 512;
/** Of the syncs before the first acknowledgement and after it, every n-th is examined; each also with parts of the unsynced writes. */
const SYNC_STRIDE = 5;
const TORN_VARIANTS = 2;
const TRACED =
  'pwrite64,pwritev,pwritev2,write,writev,ftruncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat,rename,renameat,renameat2';

type Operation =
  | { kind: 'write'; file: string; offset: number; bytes: Buffer }
  | { kind: 'truncate'; file: string; size: number }
  | { kind: 'sync'; file: string }
  | { kind: 'unlink'; file: string }
  | { kind: 'acknowledge'; number: number };

const unhex = (text: string) => Buffer.from(text.replaceAll('\\x', ''), 'hex');

/** One line of the trace as an operation on the database's files; other files are none of ours. Anything unforeseen fails the test. */
function parseLine(line: string): Operation | undefined {
  const call = /^(\w+)\((?:(\d+)<((?:\\x..)*)>|"((?:\\x..)*)")(.*)$/.exec(line);
  if (!call) return undefined;
  const [, name = '', , descriptorPath, plainPath, rest = ''] = call;
  const file = basename(unhex(descriptorPath ?? plainPath ?? '').toString());
  if (file === 'acks' && name === 'write')
    return { kind: 'acknowledge', number: Number(unhex(/"((?:\\x..)*)"/.exec(rest)?.[1] ?? '').toString()) };
  if (!file.startsWith('crash.db') || file.endsWith('-shm')) return undefined;
  if (name === 'fsync' || name === 'fdatasync') return { kind: 'sync', file };
  if (name === 'ftruncate') return { kind: 'truncate', file, size: Number(/^, (\d+)/.exec(rest)?.[1]) };
  if (name === 'unlink') return { kind: 'unlink', file };
  const write = /^, "((?:\\x..)*)", (\d+), (\d+)\) = (\d+)$/.exec(rest);
  assert.ok(name === 'pwrite64' && write, `the replay does not know: ${line.slice(0, 120)}`);
  const bytes = unhex(write[1] ?? '');
  assert.equal(bytes.length, Number(write[4]), 'the trace holds the whole write');
  return { kind: 'write', file, offset: Number(write[3]), bytes };
}

function record(directory: string): Operation[] {
  const trace = join(directory, 'trace');
  // Without -f only the main thread is traced: SQLite runs there, and its calls come in order.
  const run = spawnSync(
    'strace',
    [
      '-o',
      trace,
      '-xx',
      '-y',
      '-s',
      String(STRING_LIMIT_BYTES),
      '-e',
      `trace=${TRACED}`,
      process.execPath,
      WRITER,
      join(directory, 'crash.db'),
      join(directory, 'acks'),
      String(TRANSACTIONS),
    ],
    { encoding: 'utf8', timeout: TRACE_TIMEOUT_MS },
  );
  assert.equal(run.status, 0, `strace could not record the writer (apt-get install strace): ${run.error ?? run.stderr}`);
  return readFileSync(trace, 'utf8')
    .split('\n')
    .flatMap((line) => parseLine(line) ?? []);
}

function applied(content: Buffer, operation: Operation): Buffer {
  if (operation.kind === 'truncate')
    return Buffer.concat([content, Buffer.alloc(Math.max(0, operation.size - content.length))], operation.size);
  if (operation.kind !== 'write') return content;
  const end = operation.offset + operation.bytes.length;
  const result = end > content.length ? Buffer.concat([content, Buffer.alloc(end - content.length)]) : Buffer.from(content);
  operation.bytes.copy(result, operation.offset);
  return result;
}

/** The disk: what was synced of each file, and what was written since. Names are taken as durable when made or removed. */
class Disk {
  readonly #durable = new Map<string, Buffer>();
  readonly #pending = new Map<string, Operation[]>();

  take(operation: Operation): void {
    if (operation.kind === 'acknowledge') return;
    const { file } = operation;
    if (operation.kind === 'unlink') {
      this.#durable.delete(file);
      this.#pending.delete(file);
    } else if (operation.kind === 'sync') {
      this.#durable.set(file, (this.#pending.get(file) ?? []).reduce(applied, this.#durable.get(file) ?? Buffer.alloc(0)));
      this.#pending.delete(file);
    } else {
      this.#pending.set(file, [...(this.#pending.get(file) ?? []), operation]);
    }
  }

  get pendingCount(): number {
    return [...this.#pending.values()].reduce((sum, operations) => sum + operations.length, 0);
  }

  /** Writes what a power cut now may leave: of the unsynced operations those that `keep` lets through, perhaps torn at a sector. */
  leave(directory: string, keep: (operation: Operation) => Operation | undefined): void {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    for (const file of new Set([...this.#durable.keys(), ...this.#pending.keys()])) {
      const kept = (this.#pending.get(file) ?? []).flatMap((operation) => keep(operation) ?? []);
      writeFileSync(join(directory, file), kept.reduce(applied, this.#durable.get(file) ?? Buffer.alloc(0)));
    }
  }
}

/** Keeps some operations, drops some, tears some. */
function someOf(random: () => number): (operation: Operation) => Operation | undefined {
  return (operation) => {
    const dice = random();
    if (dice < 0.4) return operation;
    if (dice < 0.75 || operation.kind !== 'write') return undefined;
    return {
      ...operation,
      bytes: operation.bytes.subarray(0, Math.ceil((operation.bytes.length * random()) / SECTOR_BYTES) * SECTOR_BYTES),
    };
  };
}

function check(directory: string, acknowledged: number, withFollower: boolean): void {
  const database = join(directory, 'crash.db');
  using store = openCrashed(database);
  assertWhole(store, acknowledged);
  if (withFollower) assertReproduced(store, join(directory, 'follower.db'));
}

test('whatever a power cut leaves opens whole and holds all that was acknowledged (I4)', (t) => {
  const seed = Number(process.env['BASCULE_TEST_SEED'] ?? Date.now() % 1_000_000);
  t.diagnostic(`BASCULE_TEST_SEED=${seed}`);
  let state = seed;
  const random = () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const scratch = mkdtempSync(join(tmpdir(), 'bascule-power-'));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const operations = record(scratch);
  const disk = new Disk();
  const counts = { syncs: 0, examined: 0, torn: 0, acknowledged: 0 };
  for (const operation of operations) {
    if (operation.kind === 'acknowledge') counts.acknowledged = operation.number;
    // Just before a sync is when most is at stake.
    if (operation.kind === 'sync') {
      counts.syncs += 1;
      if (counts.syncs < 20 || counts.syncs % SYNC_STRIDE === seed % SYNC_STRIDE) {
        for (let variant = 0; variant < TORN_VARIANTS && disk.pendingCount > 0; variant += 1) {
          disk.leave(join(scratch, 'cut'), someOf(random));
          check(join(scratch, 'cut'), counts.acknowledged, false);
          counts.torn += 1;
        }
      }
    }
    disk.take(operation);
    // Nothing at all of the unsynced writes survives: after a sync, and right after an acknowledgement, when it must not matter.
    const told = operation.kind === 'acknowledge' && operation.number % SYNC_STRIDE === 0;
    if (told || (operation.kind === 'sync' && (counts.syncs < 20 || counts.syncs % SYNC_STRIDE === 0))) {
      disk.leave(join(scratch, 'cut'), () => undefined);
      check(join(scratch, 'cut'), counts.acknowledged, counts.syncs % 50 === 0);
      counts.examined += 1;
    }
  }
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.acknowledged, TRANSACTIONS);
  assert.ok(
    operations.some((operation) => operation.kind === 'write' && operation.file === 'crash.db' && operation.offset > 0),
    'a checkpoint was among it',
  );
  assert.ok(counts.syncs > TRANSACTIONS && counts.torn > 20 && counts.examined > 20);
});
