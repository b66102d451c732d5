import { accessSync, constants, mkdtempSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IN_MEMORY = '/dev/shm';
/** Containers often have 64 MiB there, which one large database fills. */
const FREE_MIN_BYTES = 1024 ** 3;

/** A new directory, in memory where there is enough of it: for tests of what files say, not of whether they survive, which would wait for the disk. */
export function memoryDirectory(prefix: string): string {
  return mkdtempSync(join(hasMemory() ? IN_MEMORY : tmpdir(), prefix));
}

function hasMemory(): boolean {
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    return bavail * bsize >= FREE_MIN_BYTES;
  } catch {
    return false;
  }
}
