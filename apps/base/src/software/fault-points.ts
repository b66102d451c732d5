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
    if (action === 'wait') return await waitForFile(join(directory, 'fault-go'));
    act(action as FaultAction, processes());
  };
}

function act(action: FaultAction, processes: ProcessState[]): void {
  const pidsOf = (...names: ProcessState['name'][]): number[] =>
    processes.filter(({ name, pid }) => names.includes(name) && pid > 0).map(({ pid }) => pid);
  const kill = (pids: number[]): void => pids.forEach((pid) => process.kill(pid, 'SIGKILL'));
  if (action === 'throw') throw new Error('a fault point threw');
  if (action === 'disk-full') throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  if (action === 'exit') process.exit(1);
  if (action === 'kill-site') kill(pidsOf('site'));
  if (action === 'kill-relay') kill(pidsOf('relay'));
  if (action === 'kill-base') kill([process.pid]);
  if (action === 'kill-boot') kill([process.ppid]);
  if (action === 'kill-all') kill([...pidsOf('site', 'relay'), process.ppid, process.pid]);
}

async function waitForFile(file: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < FAULT_WAIT_MS && !existsSync(file); waitedMs += FAULT_CHECK_INTERVAL_MS)
    await wait(FAULT_CHECK_INTERVAL_MS);
}
