/** Named points of everything that a pair does, at which a test stops it to kill or to freeze either appliance there (docs/how-to/fault-points.md). Without the variable nothing of it is active. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ESTABLISH_STEPS } from './establish-contract.ts';

/** In order within each operation. */
export const PAIR_FAULT_POINTS = [
  ...ESTABLISH_STEPS.map((step) => `establish/${step}` as const),
  'establish/archived',
  'establish/keys-written',
  'establish/backup-noted',
  'sync/copy-wanted',
  'sync/copy-fetched',
  'sync/copy-archived',
  'sync/copy-in-place',
  'sync/received',
  'sync/applied',
  'swap/pulling',
  'swap/near',
  'swap/ending',
  'swap/stopped',
  'swap/acknowledged',
  'swap/signed',
  'swap/demoted',
  'swap/answered',
  'swap/handed-over',
  'demote/noted',
  'demote/done',
  'promote/stopped',
  'promote/decided',
  'promote/written',
  'promote/carried',
  'promote/serving',
  'break/noted',
  'break/told',
  'again/active',
  'again/told',
  'again/noted',
] as const;
export type PairFaultPoint = (typeof PAIR_FAULT_POINTS)[number];

/** A folder that the site's user may write: `armed` holds one point, `fired` says that it was reached, and `go` lets it go on. */
const folder = process.env['BASCULE_PAIR_FAULT'] ?? '';
/** Nobody waits longer at a point. */
const WAIT_LIMIT_MS = 60_000;
const LOOK_INTERVAL_MS = 10;

/** Waits here while a test says so; everything else of the program goes on meanwhile: what was sent arrives. */
export async function faultPoint(point: PairFaultPoint): Promise<void> {
  if (!isReached(point)) return;
  for (let waitedMs = 0; waitedMs < WAIT_LIMIT_MS && !mayGo(); waitedMs += LOOK_INTERVAL_MS) await delay(LOOK_INTERVAL_MS);
}

/** As `faultPoint`, and nothing else of the program's main thread goes on: what comes next in it never happened when it is killed. */
export function faultPointNow(point: PairFaultPoint): void {
  if (!isReached(point)) return;
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; waitedMs < WAIT_LIMIT_MS && !mayGo(); waitedMs += LOOK_INTERVAL_MS)
    Atomics.wait(nobody, 0, 0, LOOK_INTERVAL_MS);
}

/** Once for each time that it was armed: it is gone before it is told, whoever is killed then. */
function isReached(point: PairFaultPoint): boolean {
  if (folder === '') return false;
  const armed = join(folder, 'armed');
  if (!existsSync(armed) || readFileSync(armed, 'utf8').trim() !== point) return false;
  try {
    rmSync(armed);
  } catch {
    // The other appliance was there first.
    return false;
  }
  writeFileSync(join(folder, 'fired.next'), point);
  renameSync(join(folder, 'fired.next'), join(folder, 'fired'));
  return true;
}

function mayGo(): boolean {
  return existsSync(join(folder, 'go'));
}
