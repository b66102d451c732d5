import { accessSync, chownSync, constants, existsSync, lstatSync, mkdirSync, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { homePaths } from '@bascule/core/home.ts';
import { isRunning, type ProcessIdentity } from '@bascule/core/process-identity.ts';
import type { Options } from './options.ts';
import { Refusal } from './refusal.ts';

/** Free space without which the appliance does not start: room for databases, audit and log until a person has made more. */
export const MIN_FREE_BYTES = 256 * 1024 * 1024;
/** A base whose boot died exits by itself; one that has not by then is killed. */
export const LEFTOVER_WAIT_MS = 3_000;
const LEFTOVER_CHECK_INTERVAL_MS = 25;

/** Throws `Refusal` when the data directory cannot be written or its disk is full. Changes nothing. */
export function checkHome(home: string, minFreeBytes: number = MIN_FREE_BYTES): void {
  let existing = home;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!statSync(existing).isDirectory()) throw new Refusal(`The data directory ${home} cannot be made: ${existing} is a file.`);
  for (const directory of existing === home ? [home, homePaths(home).run].filter(existsSync) : [existing]) {
    try {
      accessSync(directory, constants.W_OK | constants.X_OK);
    } catch {
      throw new Refusal(
        `The data directory ${home} cannot be written (${directory}); change its owner or choose another with --home.`,
      );
    }
  }
  const { bavail, bsize } = statfsSync(existing);
  if (bavail * bsize < minFreeBytes) {
    throw new Refusal(
      `Only ${Math.floor((bavail * bsize) / 2 ** 20)} MiB are free on the disk of ${home}; Bascule needs ${minFreeBytes / 2 ** 20} MiB to start.`,
    );
  }
}

/**
 * As root: throws `Refusal` when base's user could put something of its own in the place of what root reads, runs or writes there (docs/spec/boot.md, 4): the
 * data directory, and those in it that are root's.
 */
export function checkOwners(home: string, account: Options['account']): void {
  if (account === undefined) return;
  const { run, logs, bootSoftware } = homePaths(home);
  for (const directory of [home, run, logs, dirname(bootSoftware), bootSoftware]) {
    const found = lstatSync(directory, { throwIfNoEntry: false });
    const isOpen = found?.isDirectory() === true && (found.mode & constants.S_IWOTH) !== 0;
    if (found?.uid === account.uid || isOpen)
      throw new Refusal(
        `${directory} can be changed by ${isOpen ? 'everybody' : `the user '${account.name}'`}, and root would run what is put there: chown root ${directory}; chmod 755 ${directory}`,
      );
  }
}

/** Waits until the base of a boot that was killed is gone, and makes sure of it: it holds the port and box.db. */
export async function endLeftover(base: ProcessIdentity | null | undefined): Promise<void> {
  if (!base) return;
  for (let waitedMs = 0; isRunning(base); waitedMs += LEFTOVER_CHECK_INTERVAL_MS) {
    if (waitedMs === LEFTOVER_WAIT_MS) process.kill(base.pid, 'SIGKILL');
    if (waitedMs > 2 * LEFTOVER_WAIT_MS)
      throw new Refusal(`An earlier base (PID ${base.pid}) cannot be ended; restart the machine.`);
    await wait(LEFTOVER_CHECK_INTERVAL_MS);
  }
}

/**
 * Makes the directories that boot and the helper need, and, as root, those that base then owns. Owners: docs/spec/boot.md, 4. Directories that are there
 * keep their owner and mode.
 */
export function makeDirectories(options: Options): void {
  const paths = homePaths(options.home);
  const account = options.account;
  if (account === undefined) {
    for (const directory of [paths.home, paths.run, paths.logs]) make(directory, 0o700);
    return;
  }
  for (const directory of [paths.home, paths.run]) make(directory, 0o755);
  make(paths.logs, 0o700);
  if (make(dirname(paths.helperSocket), 0o750)) chownSync(dirname(paths.helperSocket), 0, account.gid);
  for (const directory of [paths.box, paths.site.site, paths.backups, dirname(paths.controlSocket)]) {
    if (make(directory, 0o700)) chownSync(directory, account.uid, account.gid);
  }
}

function make(directory: string, mode: number): boolean {
  if (existsSync(directory)) return false;
  mkdirSync(directory, { recursive: true, mode });
  return true;
}
