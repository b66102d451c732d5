import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { RESTORE_STEPS, type RestoreStep } from '@bascule/protocol/api/restore.ts';
import { INSTALLATION_STEPS, type InstallationStep } from '@bascule/protocol/api/updates.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';

/** Points of a restore; `restore-rename` comes around each single rename of its `swap`. */
export type RestoreFaultStep = `restore-${RestoreStep}` | 'restore-rename';
const STEPS: readonly string[] = [...INSTALLATION_STEPS, ...RESTORE_STEPS.map((step) => `restore-${step}`), 'restore-rename'];

/**
 * Called by the engine (and by a restore) before and after each step; `before` comes after the step was written into the journal, `after` before it is written as
 * done.
 */
export type FaultPoint = (step: InstallationStep | RestoreFaultStep, when: 'before' | 'after') => Promise<void>;

export const FAULT_ACTIONS = [
  'kill-base',
  'kill-site',
  'kill-relay',
  'kill-boot',
  'kill-all',
  'throw',
  'disk-full',
  'disk-fault',
  'exit',
  'wait',
] as const;
type FaultAction = (typeof FAULT_ACTIONS)[number];

/** With this as `BASCULE_FAULT` each point looks into the file `run/control/fault`: one fault after the other without a restart. */
export const FAULT_BY_FILE = 'file';
/** With `wait` the engine stays at the point until `fault-go` is there, no longer than this. */
export const FAULT_WAIT_MS = 60_000;
/** As long as a program waits here that may not kill boot itself. */
export const FAULT_KILL_WAIT_MS = 5_000;
const FAULT_CHECK_INTERVAL_MS = 20;

export interface FaultPointOptions {
  /** `<step>/<before|after>:<action>`, or `FAULT_BY_FILE`; nothing is done without it. */
  fault: string | undefined;
  paths: ReturnType<typeof homePaths>;
  /** The programs of the site that run. */
  processes(): ProcessState[];
  log: Log;
}

interface Fault {
  text: string;
  step: string;
  when: string;
  action: FaultAction;
}

/**
 * Reads `BASCULE_FAULT` (docs/how-to/fault-points.md): one fault at one named point of an installation, once for a data directory, or one after the other
 * from a file. Throws `FAULT_INVALID` for a text that names no point: a test with a slip of the pen must not pass.
 */
export function readFaultPoint({ fault, paths, processes, log }: FaultPointOptions): FaultPoint | undefined {
  if (fault === undefined || fault === '') return undefined;
  const directory = dirname(paths.controlSocket);
  const armed = join(directory, 'fault');
  const fired = join(directory, 'fault-fired');
  const fixed = fault === FAULT_BY_FILE ? undefined : parseFault(fault);
  return async (step, when) => {
    const next = fixed ?? readArmed(armed);
    if (next?.step !== step || next.when !== when || (fixed !== undefined && existsSync(fired))) return;
    // Gone before it is done: it is done once, whoever is killed.
    if (fixed === undefined) rmSync(armed);
    const victims = victimsOf(next.action, processes());
    writeFileSync(`${fired}.next`, `${next.text}\n${victims.join(' ')}\n`);
    renameSync(`${fired}.next`, fired);
    log.warn({ fault: next.text }, 'fault-point.fired');
    if (next.action === 'wait') return await waitForFile(join(directory, 'fault-go'), FAULT_WAIT_MS);
    act(next.action);
    if (kill(victims)) return;
    // boot is root's and base is not: who runs the test kills all that the file names.
    await waitForFile(join(directory, 'fault-go'), FAULT_KILL_WAIT_MS);
  };
}

function readArmed(file: string): Fault | undefined {
  return existsSync(file) ? parseFault(readFileSync(file, 'utf8').trim()) : undefined;
}

function parseFault(text: string): Fault {
  const [, step, when, action] = /^([a-z-]+)\/(before|after):([a-z-]+)$/.exec(text) ?? [];
  const known = FAULT_ACTIONS.find((one) => one === action);
  if (step === undefined || when === undefined || known === undefined || !STEPS.includes(step))
    throw new AppError(
      'invalid',
      'FAULT_INVALID',
      `BASCULE_FAULT '${text}' names no fault point; see docs/how-to/fault-points.md.`,
    );
  return { text, step, when, action: known };
}

function act(action: FaultAction): void {
  if (action === 'throw') throw new Error('a fault point threw');
  if (action === 'disk-full') throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  if (action === 'disk-fault') throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  if (action === 'exit') process.exit(1);
}

/** Whom the action kills, this process last. */
function victimsOf(action: FaultAction, processes: ProcessState[]): number[] {
  const pidsOf = (...names: ProcessState['name'][]): number[] =>
    processes.filter(({ name, pid }) => names.includes(name) && pid > 0).map(({ pid }) => pid);
  if (action === 'kill-site') return pidsOf('site');
  if (action === 'kill-relay') return pidsOf('relay');
  if (action === 'kill-boot') return [process.ppid];
  if (action === 'kill-base') return [process.pid];
  return action === 'kill-all' ? [...pidsOf('site', 'relay'), process.ppid, process.pid] : [];
}

/** Kills all of them; none, and false, when one is another user's. */
function kill(pids: number[]): boolean {
  try {
    for (const pid of pids) if (isAlive(pid)) process.kill(pid, 0);
  } catch {
    return false;
  }
  for (const pid of pids) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  return true;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

async function waitForFile(file: string, limitMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && !existsSync(file); waitedMs += FAULT_CHECK_INTERVAL_MS)
    await wait(FAULT_CHECK_INTERVAL_MS);
}
