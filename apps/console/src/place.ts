/** Where this console lies, and where its next version may be put (docs/decisions/0166-a-console-upgrades-itself-at-its-next-start.md). */
import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { ProgramFolder } from '@bascule/client/program-folder.ts';

/** A version that failed here is not tried again before. */
const FAILED_AGAIN_AFTER_MS = 24 * 60 * 60 * 1000;
const PLAIN_MODE = 0o644;

/** The program folder that holds the running `main.mjs`; undefined for a checkout. */
export function installedPlace(folder: string = import.meta.dirname): ProgramFolder | undefined {
  const place = dirname(dirname(folder));
  return existsSync(join(folder, 'bascule-client.json')) && existsSync(join(place, 'current'))
    ? new ProgramFolder(place)
    : undefined;
}

/**
 * The folder in which this user's console is upgraded: the installation itself, or one of the user's own beside an installation that only root may write. Undefined when
 * the installation is locked (a file `locked` in it), or the user has no folder that can be written: it must be redeployed then (B92).
 */
export function upgradablePlace(installed: ProgramFolder, env: NodeJS.ProcessEnv): ProgramFolder | undefined {
  // First: on Windows a folder never says that it cannot be written.
  if (existsSync(join(installed.directory, 'locked'))) return undefined;
  if (isWritable(installed.directory)) return installed;
  const own = new ProgramFolder(ownFolder(env));
  try {
    if (textOf(own, 'base') !== installed.pointer('current')) seed(own, installed);
    return own;
  } catch {
    return undefined;
  }
}

/** As the launcher names it. */
function ownFolder(env: NodeJS.ProcessEnv): string {
  const data = env['XDG_DATA_HOME'];
  return join(data === undefined || data === '' ? join(homedir(), '.local', 'share') : data, 'bascule-console-upgrades');
}

/** An empty folder of the user's own that stands on the installation: its bundle, runtime and libraries by links. */
function seed(own: ProgramFolder, installed: ProgramFolder): void {
  const bundle = installed.pointer('current');
  const runtime = bundle === undefined ? undefined : installed.runtimeOf(bundle);
  if (bundle === undefined || runtime === undefined) throw new Error('the installation is not whole');
  rmSync(own.directory, { recursive: true, force: true });
  for (const name of ['bundles', 'runtimes']) mkdirSync(join(own.directory, name), { recursive: true, mode: 0o700 });
  symlinkSync(installed.bundle(bundle), own.bundle(bundle));
  symlinkSync(installed.runtime(runtime), own.runtime(runtime));
  symlinkSync(join(installed.directory, 'lib'), join(own.directory, 'lib'));
  writeText(own, 'current', bundle);
  writeText(own, 'base', bundle);
}

/** Makes `folder` what the launcher starts, on trial: `markWorked` ends it, and the launcher goes back to `previous` when that does not come. */
export function switchTo(place: ProgramFolder, folder: string): void {
  const former = place.pointer('current');
  if (former === undefined) throw new Error('the installation is not whole');
  rmSync(join(place.directory, 'trial-starts'), { force: true });
  writeText(place, 'previous', former);
  writeText(place, 'trial', folder);
  writeText(place, 'current', folder);
  place.removeUnneeded();
}

/** Counts a start of the version on trial, as the launcher does. */
export function countTrialStart(place: ProgramFolder): void {
  appendFileSync(join(place.directory, 'trial-starts'), 'start\n');
}

/** The running version does its work: the trial, if this is one, is over. */
export function markWorked(place: ProgramFolder | undefined): void {
  if (place === undefined || !existsSync(join(place.directory, 'trial'))) return;
  try {
    for (const name of ['trial', 'trial-starts', 'failed']) rmSync(join(place.directory, name), { force: true });
  } catch {
    // A folder that became read-only: the launcher goes back after some starts, which is said then.
  }
}

/** Whether `folder` was tried here not long ago, and failed. */
export function hasFailed(place: ProgramFolder, folder: string, nowMs: number): boolean {
  const failed = statSync(join(place.directory, 'failed'), { throwIfNoEntry: false });
  return failed !== undefined && nowMs - failed.mtimeMs < FAILED_AGAIN_AFTER_MS && textOf(place, 'failed') === folder;
}

/** The version that this user's console tried last and that failed. */
export function failedVersion(installed: ProgramFolder, env: NodeJS.ProcessEnv): string | undefined {
  const place = isWritable(installed.directory) ? installed : new ProgramFolder(ownFolder(env));
  return /^\d+\.\d+\.\d+(?=-)/.exec(textOf(place, 'failed') ?? '')?.[0];
}

/** `folder` does not work here. */
export function noteFailed(place: ProgramFolder, folder: string): void {
  writeText(place, 'failed', folder);
}

function writeText(place: ProgramFolder, name: string, text: string): void {
  const temporary = join(place.directory, `${name}.${process.pid}.tmp`);
  writeFileDurablySync(join(place.directory, name), `${text}\n`, { mode: PLAIN_MODE, temporary });
}

function textOf(place: ProgramFolder, name: string): string | undefined {
  try {
    return readFileSync(join(place.directory, name), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(join(directory, 'bundles'), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
