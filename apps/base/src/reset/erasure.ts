/**
 * Erasing all state (B8, B207): a journal outside of box.db, which goes too. It is run by a base that has opened nothing yet; whatever cuts it, the next start goes on. Each step is
 * harmless when it is done again.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, ftruncateSync, fstatSync, readFileSync, rmSync } from 'node:fs';
import { open, readdir, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { syncFolder, writeFileDurably, writeFileDurablySync } from '@bascule/core/durable-file.ts';
import type { homePaths } from '@bascule/core/home.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  ERASED_KINDS,
  erasureReport,
  type ErasedKind,
  type ErasureReport,
  type ShownErasureReport,
} from '@bascule/protocol/api/reset.ts';
import { instantMs } from '@bascule/protocol/text.ts';
import { placesOf, type Place } from './erasure-places.ts';

type Paths = ReturnType<typeof homePaths>;

const LEFT_NAMED_MAX = 100;
const STANDARD_OUTPUT = 1;

const journal = erasureReport
  .omit({ endedAtMs: true, sha256: true, left: true, format: true })
  .extend({ format: z.literal('bascule-erasure-journal/1'), startedAtMs: instantMs });
export type ErasureJournal = z.infer<typeof journal>;
export type ErasureOrder = Pick<
  ErasureJournal,
  'applianceName' | 'baseVersion' | 'orderedBy' | 'startedAtMs' | 'keptBackups' | 'elsewhere' | 'shutDownAfter'
>;

/** In base's own folder of `run`: nothing else outlives the data. */
export function erasureFiles(paths: Paths): { journal: string; report: string } {
  const folder = dirname(paths.controlSocket);
  return { journal: join(folder, 'erasure.json'), report: join(folder, 'erasure-report.json') };
}

/** From here on the appliance is erased, whatever happens: at the next start of base. */
export function orderErasure(paths: Paths, order: ErasureOrder): void {
  const first: ErasureJournal = { format: 'bascule-erasure-journal/1', ...order, interruptions: -1, steps: [] };
  writeFileDurablySync(erasureFiles(paths).journal, JSON.stringify(first));
}

/** Whether an erasure was ordered and has not ended. */
export function isErasing(paths: Paths): boolean {
  return existsSync(erasureFiles(paths).journal);
}

/** Does what an ordered erasure has left to do; nothing without one. Rejects with what the file system says. `onStep`: where tests cut it. */
export async function finishErasure(
  paths: Paths,
  log: Log,
  { now = Date.now, onStep = () => undefined }: { now?: () => number; onStep?: (point: string) => void } = {},
): Promise<ErasureReport | undefined> {
  if (!isErasing(paths)) return undefined;
  const files = erasureFiles(paths);
  const state = journal.parse(JSON.parse(readFileSync(files.journal, 'utf8')));
  // The first run is no interruption.
  state.interruptions += 1;
  const note = () => writeFileDurably(files.journal, JSON.stringify(state));
  await note();
  for (const kind of ERASED_KINDS) {
    if (state.steps.some((step) => step.kind === kind)) continue;
    onStep(`${kind}: begun`);
    const done = await erase(kind, paths, state.keptBackups, onStep);
    state.steps.push({ kind, ...done, overwritten: kind === 'keys', endedAtMs: now() });
    await note();
    log.info({ kind, files: done.files }, 'erasure.step');
    onStep(`${kind}: noted`);
  }
  const left = await whatIsLeft(paths, state.keptBackups);
  const { format: _format, ...rest } = state;
  const body = { format: 'bascule-erasure/1' as const, ...rest, endedAtMs: now(), left };
  const report: ErasureReport = { ...body, sha256: createHash('sha256').update(JSON.stringify(body)).digest('hex') };
  await writeFileDurably(files.report, JSON.stringify(report));
  onStep('reported');
  rmSync(files.journal);
  await syncFolder(dirname(files.journal));
  onStep('ended');
  return report;
}

/** The report of the last erasure, if it is still there. */
export function readReport(paths: Paths): ErasureReport | null {
  try {
    return erasureReport.parse(JSON.parse(readFileSync(erasureFiles(paths).report, 'utf8')));
  } catch {
    return null;
  }
}

/** What of it anybody may see. */
export function shownReport({ orderedBy: _by, left, elsewhere, ...rest }: ErasureReport): ShownErasureReport {
  return { ...rest, leftCount: left.length, elsewhereCount: elsewhere?.length ?? null };
}

export function removeReport(paths: Paths): void {
  rmSync(erasureFiles(paths).report, { force: true });
}

async function erase(
  kind: ErasedKind,
  paths: Paths,
  keepBackups: boolean,
  onStep: (point: string) => void,
): Promise<{ files: number; bytes: number }> {
  const places = await placesOf(kind, paths, { keepBackups });
  const sum = { files: 0, bytes: 0 };
  const folders = new Set<string>();
  for (const place of places) {
    const isGone = await remove(place, kind).catch(() => false);
    if (!isGone) continue;
    sum.files += 1;
    sum.bytes += place.bytes;
    folders.add(dirname(place.path));
    onStep(`${kind}: removed`);
  }
  for (const folder of folders) await syncFolder(folder).catch(() => undefined);
  await removeEmptyFolders(paths, keepBackups);
  if (kind === 'logs') emptyOwnLog();
  return sum;
}

/** Keys are overwritten where they lie before their name goes. What cannot be removed (another user's) is named in the report. */
async function remove({ path, bytes }: Place, kind: ErasedKind): Promise<boolean> {
  if (kind === 'keys' && bytes > 0) {
    const handle = await open(path, 'r+').catch(() => undefined);
    if (handle !== undefined)
      try {
        await handle.write(randomBytes(bytes), 0, bytes, 0);
        await handle.sync();
      } finally {
        await handle.close();
      }
  }
  await unlink(path);
  return true;
}

/** Folders directly below the data directory are boot's to make: they stay. */
async function removeEmptyFolders(paths: Paths, keepBackups: boolean): Promise<void> {
  const outside = new Set([paths.run, paths.software, paths.site.run, join(paths.home, 'hooks')]);
  const prune = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const path = join(folder, entry.name);
      if (!entry.isDirectory() || outside.has(path) || (keepBackups && entry.name === 'backups')) continue;
      await prune(path);
      // Refused while it is not empty.
      if (folder !== paths.home) await rmdir(path).catch(() => undefined);
    }
  };
  await prune(paths.home);
}

/** The log is root's where base is not root; base has it open as its standard output, and may cut it there. */
function emptyOwnLog(): void {
  try {
    if (fstatSync(STANDARD_OUTPUT).isFile()) ftruncateSync(STANDARD_OUTPUT);
  } catch {
    // Then it is named as left.
  }
}

async function whatIsLeft(paths: Paths, keepBackups: boolean): Promise<string[]> {
  const left: string[] = [];
  for (const kind of ERASED_KINDS)
    for (const { path, bytes } of await placesOf(kind, paths, { keepBackups })) {
      // Emptied, and written to again by this very program.
      const isOwnLog = path === join(paths.logs, 'appliance.log');
      if (bytes > 0 && !isOwnLog && left.length < LEFT_NAMED_MAX) left.push(relative(paths.home, path));
    }
  return left;
}
