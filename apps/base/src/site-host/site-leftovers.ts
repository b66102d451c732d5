import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { isRunning, type ProcessIdentity } from '@bascule/core/process-identity.ts';

/** Site programs exit when their base dies; one that has not after this long is killed. */
export const LEFTOVER_WAIT_MS = 2_000;
const LEFTOVER_CHECK_INTERVAL_MS = 20;

const identities = z
  .array(z.object({ pid: z.number().int().positive(), startTicks: z.string(), machineStart: z.string() }))
  .max(16);

/** Notes which processes run, for the base after this one. */
export function noteSitePrograms(file: string, running: ProcessIdentity[]): void {
  writeFileSync(`${file}.new`, JSON.stringify(running), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * Waits until the site programs of an earlier base are gone, and kills those that stay. Two programs on one socket path would take each other's socket
 * away; what the old ones still write is stopped by the generation (I5).
 */
export async function endLeftovers(file: string): Promise<void> {
  for (const leftover of readSitePrograms(file)) {
    for (let waitedMs = 0; isRunning(leftover); waitedMs += LEFTOVER_CHECK_INTERVAL_MS) {
      if (waitedMs === LEFTOVER_WAIT_MS) process.kill(leftover.pid, 'SIGKILL');
      if (waitedMs > 2 * LEFTOVER_WAIT_MS) break;
      await wait(LEFTOVER_CHECK_INTERVAL_MS);
    }
  }
}

function readSitePrograms(file: string): ProcessIdentity[] {
  try {
    return identities.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // No file: the first start. No sense in it: it was cut, and the generation guards alone.
    return [];
  }
}
