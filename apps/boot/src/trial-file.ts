import { closeSync, constants, fstatSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolderSync, writeFileDurablySync } from '@bascule/core/durable-file.ts';

/** software/base/trial.json (docs/spec/boot.md, 6.1). */
export interface Trial {
  folder: string;
  maxTries: number;
  tries: number;
  deadlineMs: number;
}

export const TRIAL_MAX_BYTES = 4096;
export const TRIES_MAX = 10;
/** Folders of versions: nothing that could lead out of software/base. */
const FOLDER = /^[0-9A-Za-z.+-]+$/;

/** Whether `name` is a folder of a version and nothing else. */
export function isVersionFolder(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 200 && FOLDER.test(name) && !/^\.+$/.test(name);
}

/**
 * Reads the trial; undefined when there is none, `damaged` when it is not one. The folder belongs to base's user: links are not followed, and nothing but
 * an ordinary file is read.
 */
export function readTrial(file: string): Trial | 'damaged' | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'damaged';
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile() || stat.size > TRIAL_MAX_BYTES) return 'damaged';
    return check(JSON.parse(readFileSync(descriptor, 'utf8')));
  } catch {
    return 'damaged';
  } finally {
    closeSync(descriptor);
  }
}

function check(value: unknown): Trial | 'damaged' {
  if (typeof value !== 'object' || value === null) return 'damaged';
  const { folder, maxTries, tries, deadlineMs } = value as Record<string, unknown>;
  if (!isVersionFolder(folder)) return 'damaged';
  if (!isCount(maxTries) || maxTries > TRIES_MAX || !isCount(tries) || !isCount(deadlineMs)) return 'damaged';
  return { folder, maxTries, tries, deadlineMs };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Writes the trial, on disk when this returns. Throws what the file system throws (a full disk); the file is as it was then. */
export function writeTrial(file: string, trial: Trial): void {
  // A name that base does not write; base's user cannot make root write into a file of its choice through a link.
  writeFileDurablySync(file, JSON.stringify(trial), { mode: 0o644, temporary: `${file}.boot` });
}

/** Removes the trial, on disk when this returns. False when it cannot be removed (a folder of that name, a disk that cannot be written). */
export function removeTrial(file: string): boolean {
  if (!removeFile(file)) return false;
  syncFolderSync(dirname(file));
  return true;
}

function removeFile(file: string): boolean {
  try {
    unlinkSync(file);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}
