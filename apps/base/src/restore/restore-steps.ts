/** What is done in each step of a restore and of its undo. Each is harmless when it is done again. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { homePaths } from '@bascule/core/home.ts';
import { syncFolderSync, writeFileDurably } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  RESTORE_LINE_MAX_LENGTH,
  RESTORE_LINES_MAX,
  RESTORE_STEPS,
  type RestoreProgress,
  type RestoreStep,
} from '@bascule/protocol/api/restore.ts';
import { kept, unpacked, type RestoreOrder } from '@bascule/protocol/restore-program.ts';
import type { FaultPoint } from '../software/software.ts';
import { checkSame } from './restore-checks.ts';
import type { RestoreHost } from './restore-host.ts';
import type { RestoreEntry, RestoreJournal } from './restore-journal.ts';
import { remarksOnEnded } from './restore-ended.ts';
import { runProgram } from './restore-program.ts';
import { notStarted } from './restore-remarks.ts';
import { move, movesForward, planSwap, type SwapFolders } from './restore-swap.ts';

/** A restored site that does not work by then is taken back: its migrations were made before it was put in place. */
export const SITE_START_LIMIT_MS = 120_000;
/** The break of a pair is asked for so long; it goes on when the peer does not answer. */
const BREAK_LIMIT_MS = 60_000;
const BREAK_LOOK_MS = 500;
const SETTINGS_FILE = join('box', 'settings.json');
/** In every folder of the archive: what it holds, and since when. */
const ABOUT_FILE = 'about.json';

export interface RestoreParts {
  host: RestoreHost;
  journal: RestoreJournal;
  paths: ReturnType<typeof homePaths>;
  applianceName: string;
  /** The highest epoch that this box has known. */
  knownEpoch(): { history: string; epoch: number } | undefined;
  /** The whole file of an upload; throws as `Uploads.whole`. */
  uploadedFile(id: string): Promise<string>;
  /** Applies what a backup holds of the box's settings; gives what was applied, in words. Throws why not. */
  applySettings(text: string, by: string): Promise<string[]>;
  faultPoint: FaultPoint | undefined;
  startLimitMs: number;
  /** Gives an order to the program that reads backups; tests have one of their own. */
  program: typeof runProgram;
  log: Log;
}

/** A restore that is under way in this process. */
export interface RestoreWork {
  readonly id: string;
  readonly signal: AbortSignal;
  /** Of the backup; in memory alone. */
  readonly password: string | undefined;
  entry(): RestoreEntry;
  say(text: string): void;
  progress(progress: RestoreProgress): void;
  /** Of the box's settings, for the report. */
  settings: { applied: string[]; failed: string[] };
}

type StepWork = (parts: RestoreParts, work: RestoreWork) => Promise<'skipped' | void>;

export const STEP_WORK: Partial<Record<RestoreStep, StepWork>> = { unpack, check, keep, trial, freeze, swap, start, settings };

/** Of an undo: the state is whole, and was tried before. */
export const UNDO_STEPS: readonly RestoreStep[] = RESTORE_STEPS.filter(
  (step) => !['unpack', 'check', 'trial', 'settings'].includes(step),
);

async function unpack(parts: RestoreParts, work: RestoreWork): Promise<void> {
  const { upload, looked } = work.entry().details;
  if (upload === null) throw new Error('bug: a restore without an upload');
  const file = await parts.uploadedFile(upload);
  const { incoming } = foldersOf(parts, work.entry());
  const answer = await order(
    parts,
    work,
    { kind: 'unpack', file, password: work.password, siteDir: parts.paths.site.site, target: incoming },
    'bytes',
  );
  checkSame(looked, unpacked.parse(answer));
}

async function check(parts: RestoreParts, work: RestoreWork): Promise<void> {
  await order(parts, work, { kind: 'check', folder: foldersOf(parts, work.entry()).incoming }, 'bytes');
}

async function keep(parts: RestoreParts, work: RestoreWork): Promise<void> {
  const { restoration, details } = work.entry();
  const { source, startedBy, operation } = restoration;
  const made = new Date(source.madeAtMs).toISOString().slice(0, 16).replace('T', ' ');
  const words =
    operation === 'undo' ? `the state before the restore of ${made} UTC` : `the backup of ${source.appliance} of ${made} UTC`;
  const answer = await order(
    parts,
    work,
    {
      kind: 'keep',
      folder: foldersOf(parts, { details }).incoming,
      siteDir: parts.paths.site.site,
      isBackup: operation === 'restore',
      appliance: parts.applianceName,
      by: startedBy,
      source: words.slice(0, 300),
      known: parts.knownEpoch() ?? null,
    },
    'bytes',
  );
  const found = kept.parse(answer);
  const { history, epoch, lostClients, contents } = found;
  const ended = remarksOnEnded(found.ended);
  parts.journal.note(work.id, { history, epoch, lostClients, contents, ended });
  for (const { message } of ended) work.say(message);
  work.say(
    `keys: ${found.keysFrom}; ${found.recordings} recordings and ${found.files} files added; history ${history}, epoch ${epoch}`,
  );
}

async function trial({ host, paths }: RestoreParts, work: RestoreWork): Promise<void> {
  const { incoming } = foldersOf({ paths }, work.entry());
  const report = await host.tryOn(host.software, incoming, work.signal);
  work.say(`works on trial after ${report.startMs} ms`);
}

async function freeze(parts: RestoreParts, work: RestoreWork): Promise<void> {
  const { breakPair, contents } = work.entry().details;
  if (breakPair) await breakOff(parts, work);
  const { incoming } = foldersOf(parts, work.entry());
  // Once beside the site that runs: what is left for the moment in which it does not is little.
  const late = { kind: 'keep-late', folder: incoming, siteDir: parts.paths.site.site, contents } as const;
  if (contents.length > 0) await order(parts, work, late, 'bytes');
  parts.journal.note(work.id, { frozenAtMs: Date.now() });
  await parts.host.hold();
  if (contents.length > 0) await order(parts, work, late, 'bytes');
}

async function swap(parts: RestoreParts, work: RestoreWork): Promise<void> {
  const entry = work.entry();
  const folders = foldersOf(parts, entry);
  mkdirSync(folders.archive, { recursive: true, mode: 0o700 });
  const { operation, startedBy, startedAtMs } = entry.restoration;
  const about = {
    format: 'bascule-archive/1',
    reason: operation === 'undo' ? 'undone' : 'restored',
    atMs: startedAtMs,
    by: startedBy,
  };
  await writeFileDurably(
    join(folders.archive, ABOUT_FILE),
    `${JSON.stringify({ ...about, appliance: parts.applianceName }, undefined, 2)}\n`,
  );
  syncFolderSync(parts.paths.site.archive);
  const items = planSwap(folders, entry.details.contents);
  // From here on it goes on after a crash (restore.ts, resume).
  parts.journal.note(work.id, { items });
  for (const next of movesForward(items, folders)) {
    await parts.faultPoint?.('restore-rename', 'before');
    move(next);
    await parts.faultPoint?.('restore-rename', 'after');
  }
}

async function start({ host, journal, startLimitMs }: RestoreParts, work: RestoreWork): Promise<void> {
  // After a crash base has started it already.
  if (!host.ready) await host.restore(host.software);
  const outcome = await host.whenReady(startLimitMs);
  if (outcome !== 'ready') throw notStarted(host.failure ?? `it was not ready within ${Math.round(startLimitMs / 1000)} s.`);
  const { frozenAtMs } = work.entry().details;
  if (frozenAtMs !== null) journal.note(work.id, { unavailableMs: Math.max(0, Date.now() - frozenAtMs) });
}

/** The restored site works by now: what goes wrong here is told, and takes nothing back. */
async function settings(parts: RestoreParts, work: RestoreWork): Promise<'skipped' | void> {
  const { restoration, details } = work.entry();
  const file = join(foldersOf(parts, { details }).incoming, SETTINGS_FILE);
  if (!details.withBoxSettings || !existsSync(file)) return 'skipped';
  try {
    const applied = await parts.applySettings(readFileSync(file, 'utf8'), restoration.startedBy);
    work.settings.applied.push(...applied.slice(0, RESTORE_LINES_MAX).map((line) => line.slice(0, RESTORE_LINE_MAX_LENGTH)));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    work.settings.failed.push(why.slice(0, 500));
    work.say(`the settings of the box were not applied: ${why}`);
  }
}

/** The relationship is broken off for good: nobody may follow, or take over from, a history that has ended. */
async function breakOff({ host, log }: RestoreParts, work: RestoreWork): Promise<void> {
  const limit = AbortSignal.timeout(BREAK_LIMIT_MS);
  try {
    for (;;) {
      const { outcome, error } = await host.pairDo(work.id, 1, { kind: 'break', isLasting: true });
      if (outcome === 'done') return work.say('the relationship with the other appliance is broken off');
      if (outcome === 'failed') throw new Error(error);
      if (limit.aborted) throw new Error('it took too long');
      await new Promise((resolve) => setTimeout(resolve, BREAK_LOOK_MS));
    }
  } catch (error) {
    // A primary that does not work cannot break anything off: what is restored has no relationship, and a higher epoch.
    log.warn({ err: error }, 'restore.pair-not-broken-off');
    work.say('the other appliance could not be told that the relationship is broken off');
  }
}

async function order(
  parts: RestoreParts,
  work: RestoreWork,
  text: RestoreOrder,
  unit: RestoreProgress['unit'],
): Promise<unknown> {
  return await parts.program({
    software: parts.host.software,
    order: text,
    result: z.unknown(),
    signal: work.signal,
    onProgress: (done, total) => work.progress({ done, total, unit }),
    log: parts.log,
  });
}

/** Folders of a restore; those in its details are below the folder of the site. */
export function foldersOf({ paths }: Pick<RestoreParts, 'paths'>, { details }: Pick<RestoreEntry, 'details'>): SwapFolders {
  const { site } = paths.site;
  return { site, incoming: join(site, details.incoming), archive: join(site, details.archive) };
}

/** Removes what was unpacked and is not in use; of an undo that was done, the folder of the archive that is empty now. */
export function removeScratch(parts: Pick<RestoreParts, 'paths'>, { restoration, details }: RestoreEntry): void {
  const { incoming } = foldersOf(parts, { details });
  if (restoration.operation === 'undo') {
    if (existsSync(incoming) && readdirSync(incoming).every((name) => name === ABOUT_FILE)) rmSync(incoming, { recursive: true });
    return;
  }
  // Only ever a folder of ours.
  if (basename(join(incoming, '..')) !== SCRATCH_FOLDER)
    throw new AppError('internal', 'RESTORE_FAILED', 'bug: a scratch folder elsewhere');
  rmSync(incoming, { recursive: true, force: true });
}

/** Below the folder of the site: what is being unpacked, a folder for each restore. */
export const SCRATCH_FOLDER = 'restore';
