import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { INSTALLATION_STEPS, type InstallationStep } from '@bascule/protocol/api/updates.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';

/** Called by the engine before and after each step; `before` comes after the step was written into the journal, `after` before it is written as done. */
export type FaultPoint = (step: InstallationStep, when: 'before' | 'after') => Promise<void>;

export const FAULT_ACTIONS = [
  'kill-base',
  'kill-site',
  'kill-relay',
  'kill-boot',
  'kill-all',
  'throw',
  'disk-full',
  'exit',
  'wait',
] as const;
type FaultAction = (typeof FAULT_ACTIONS)[number];

/** With `wait` the engine stays at the point until `fault-go` is there, no longer than this. */
export const FAULT_WAIT_MS = 60_000;
/** As long as a program waits here that may not kill boot itself. */
export const FAULT_KILL_WAIT_MS = 5_000;
const FAULT_CHECK_INTERVAL_MS = 20;

export interface FaultPointOptions {
  /** `<step>/<before|after>:<action>`; nothing is done without it. */
  fault: string | undefined;
  paths: ReturnType<typeof homePaths>;
  /** The programs of the site that run. */
  processes(): ProcessState[];
  log: Log;
}

/**
 * Reads `BASCULE_FAULT` (docs/how-to/fault-points.md): one fault at one named point of an installation, once for a data directory. Throws
 * `FAULT_INVALID` for a text that names no point: a test with a slip of the pen must not pass.
 */
export function readFaultPoint({ fault, paths, processes, log }: FaultPointOptions): FaultPoint | undefined {
  if (fault === undefined || fault === '') return undefined;
  const [, step, when, action] = /^([a-z-]+)\/(before|after):([a-z-]+)$/.exec(fault) ?? [];
  if (!INSTALLATION_STEPS.some((known) => known === step) || !FAULT_ACTIONS.some((known) => known === action))
    throw new AppError(
      'invalid',
      'FAULT_INVALID',
      `BASCULE_FAULT '${fault}' names no fault point; see docs/how-to/fault-points.md.`,
    );
  const directory = dirname(paths.controlSocket);
  const fired = join(directory, 'fault-fired');
  return async (nowStep, nowWhen) => {
    if (nowStep !== step || nowWhen !== when || existsSync(fired)) return;
    writeFileSync(fired, `${fault}\n`);
    log.warn({ fault }, 'fault-point.fired');
    if (action === 'wait') return await waitForFile(join(directory, 'fault-go'), FAULT_WAIT_MS);
    if (act(action as FaultAction, processes())) return;
    // boot is root's and base is not: who runs the test kills it now.
    await waitForFile(join(directory, 'fault-go'), FAULT_KILL_WAIT_MS);
  };
}

/** False when a program that was to be killed is another user's. */
function act(action: FaultAction, processes: ProcessState[]): boolean {
  const pidsOf = (...names: ProcessState['name'][]): number[] =>
    processes.filter(({ name, pid }) => names.includes(name) && pid > 0).map(({ pid }) => pid);
  if (action === 'throw') throw new Error('a fault point threw');
  if (action === 'disk-full') throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  if (action === 'exit') process.exit(1);
  if (action === 'kill-site') return kill(pidsOf('site'));
  if (action === 'kill-relay') return kill(pidsOf('relay'));
  if (action === 'kill-boot') return kill([process.ppid]);
  return kill(action === 'kill-all' ? [...pidsOf('site', 'relay'), process.ppid, process.pid] : [process.pid]);
}

function kill(pids: number[]): boolean {
  let isAllowed = true;
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // One that has ended by itself is as good as killed.
      if ((error as NodeJS.ErrnoException).code === 'EPERM') isAllowed = false;
    }
  }
  return isAllowed;
}

async function waitForFile(file: string, limitMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && !existsSync(file); waitedMs += FAULT_CHECK_INTERVAL_MS)
    await wait(FAULT_CHECK_INTERVAL_MS);
}
