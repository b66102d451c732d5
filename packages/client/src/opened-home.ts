import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { setTimeout as delay } from 'node:timers/promises';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from '@bascule/core/process-identity.ts';
import type { Log } from '@bascule/log/log.ts';
import { ClientHome } from './client-home.ts';
import { askLocally } from './local-control.ts';

/** Questions without an answer (10 s each) before the program that holds the home counts as stuck. */
const QUESTIONS = 2;
const DEATH_LIMIT_MS = 5000;
const DEATH_LOOK_MS = 50;
/** A supervisor that is ending tells its program within this time. */
const SECOND_LOOK_MS = 2000;

const holderFile = z.object({ pid: z.number().int().positive(), startTicks: z.string(), machineStart: z.string() });

/**
 * Opens the client's home. A program that lost its supervisor and hangs would hold it for ever, and the client be dead: it is killed, once it was asked in vain. One that
 * answers (it may have shells) is left alone; when a supervisor keeps it running, `onKept` is called, for there is nothing to wait for then. Throws UsageError as
 * `ClientHome.open` does.
 */
export async function openHome(directory: string, log: Log, onKept: () => Promise<void>): Promise<ClientHome> {
  const home = await ClientHome.open(directory).catch(async (error: unknown) => {
    if (await endStuckHolder(directory, log)) return ClientHome.open(directory);
    if ((await isKept(directory)) && (await delay(SECOND_LOOK_MS, true)) && (await isKept(directory))) await onKept();
    throw error;
  });
  const self = identifyProcess(process.pid);
  if (self !== undefined) writeFileDurablySync(join(directory, 'holder.json'), JSON.stringify(self));
  return home;
}

/** Whether the program that holds the home has a supervisor that keeps it running. */
async function isKept(directory: string): Promise<boolean> {
  return (await askLocally(directory, 'status').catch(() => undefined))?.supervised === true;
}

/** Whether there was one, and it is gone. */
async function endStuckHolder(directory: string, log: Log): Promise<boolean> {
  const holder = readHolder(directory);
  if (holder === undefined || !isRunning(holder)) return false;
  for (let asked = 0; asked < QUESTIONS; asked += 1) {
    const answer = await askLocally(directory, 'status').catch(() => undefined);
    if (answer !== undefined || !isRunning(holder)) return answer === undefined;
  }
  log.warn({ holder: holder.pid }, 'stuck-program-killed');
  process.kill(holder.pid, 'SIGKILL');
  for (let waitedMs = 0; isRunning(holder); waitedMs += DEATH_LOOK_MS) {
    if (waitedMs >= DEATH_LIMIT_MS) return false;
    await delay(DEATH_LOOK_MS);
  }
  return true;
}

function readHolder(directory: string): ProcessIdentity | undefined {
  try {
    return holderFile.parse(JSON.parse(readFileSync(join(directory, 'holder.json'), 'utf8')));
  } catch {
    return undefined;
  }
}
