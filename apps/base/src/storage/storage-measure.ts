/** What takes how much of the disk, by kind; read in the background, a few names at a time. */
import { fstatSync } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { homePaths } from '@bascule/core/home.ts';
import type { StorageKind } from '@bascule/protocol/api/storage.ts';

/** So many names in a row; then the disk and the few threads for files are others' for PAUSE_MS. */
const NAMES_IN_A_ROW = 64;
const PAUSE_MS = 10;
/** Deeper nothing of ours lies. */
const DEPTH_MAX = 40;
/** `st_blocks` counts these, whatever the file system's own blocks are (stat(2)). */
const BLOCK_BYTES = 512;

export interface Usage {
  bytes: number;
  files: number;
}
export type UsageByKind = Map<StorageKind, Usage>;

type Paths = ReturnType<typeof homePaths>;

/** Which kind what lies at `path` is of, if that changes there. */
function kindsByPath(paths: Paths): Map<string, StorageKind> {
  const { site } = paths;
  return new Map<string, StorageKind>([
    [site.recordings, 'recordings'],
    [site.files, 'files'],
    [join(site.site, 'file-store'), 'files'],
    [join(paths.home, 'backups'), 'backups'],
    [join(site.site, 'backups'), 'backups'],
    [paths.software, 'software'],
    [paths.updates, 'software'],
    [join(paths.box, 'clients'), 'software'],
    [site.archive, 'archives'],
    [paths.logs, 'logs'],
    [join(paths.box, 'installations'), 'logs'],
    [paths.snapshots, 'snapshots'],
    [join(paths.box, 'reserve'), 'reserve'],
  ]);
}

/** base's standard output. */
const OWN_LOG_DESCRIPTOR = 1;
const DATABASE = /\.db(-wal|-shm)?$/;

/**
 * Adds up what the disk gives for each file below the data directory; one with several names counts once. What cannot be read or goes meanwhile counts nothing. Rejects with the
 * reason of `signal` alone.
 */
export async function measureStorage(paths: Paths, signal: AbortSignal): Promise<UsageByKind> {
  const kinds = kindsByPath(paths);
  const usage: UsageByKind = new Map();
  const linked = new Set<string>();
  let names = 0;
  const add = (kind: StorageKind, bytes: number): void => {
    const sum = usage.get(kind) ?? { bytes: 0, files: 0 };
    usage.set(kind, { bytes: sum.bytes + bytes, files: sum.files + 1 });
  };
  const look = async (path: string, kind: StorageKind, depth: number): Promise<void> => {
    signal.throwIfAborted();
    if (++names % NAMES_IN_A_ROW === 0) await pause(PAUSE_MS, undefined, { signal });
    const stats = await lstat(path).catch(() => undefined);
    if (stats === undefined) return;
    const own = kinds.get(path) ?? kind;
    if (stats.isDirectory()) return depth < DEPTH_MAX ? await walk(path, own, depth + 1) : undefined;
    if (!stats.isFile()) return;
    const identity = `${stats.dev} ${stats.ino}`;
    if (stats.nlink > 1 && linked.has(identity)) return;
    if (stats.nlink > 1) linked.add(identity);
    const isDatabase = own === 'other' && DATABASE.test(basename(path)) && [paths.box, paths.site.site].includes(dirname(path));
    add(isDatabase ? 'database' : own, stats.blocks * BLOCK_BYTES);
  };
  const walk = async (folder: string, kind: StorageKind, depth: number): Promise<void> => {
    const entries = await opendir(folder).catch(() => undefined);
    if (entries === undefined) return;
    for await (const { name } of entries) await look(join(folder, name), kind, depth);
  };
  await walk(paths.home, 'other', 0);
  if (!usage.has('logs')) addOwnLog(add);
  return usage;
}

/** The folder of logs is root's where base is not root; base has the log open, as its standard output. */
function addOwnLog(add: (kind: StorageKind, bytes: number) => void): void {
  const stats = fstatSync(OWN_LOG_DESCRIPTOR);
  if (stats.isFile()) add('logs', stats.blocks * BLOCK_BYTES);
}
