/** Sessions around whatever may touch them, for the report: who was in one before, and who is not any more afterwards. */
import type { Party } from './plan-contract.ts';
import { answered, mayServe, softwareOf, type Performed, type PlanPorts, type Task } from './plan-ports.ts';
import { DONE, wait } from './step-work.ts';

/** So long sessions may take to be there again before they are called ended. */
export const SESSIONS_BACK_MS = 30_000;

/** Notes who is in a session now, before a step that could touch them. Who cannot be asked is not waited for: a plan must not hang on its report. */
export async function measureBefore(ports: PlanPorts, task: Task): Promise<NonNullable<Performed['measured']>> {
  const running = await runningSessions(ports, task);
  if (running === undefined) return {};
  return { sessionsBefore: running, sessionsAtStart: task.record.measured.sessionsAtStart ?? running.length };
}

/** After such a step: done when all are there again, or when they have had the time for it. */
export async function measureSessions(ports: PlanPorts, task: Task): Promise<Performed> {
  const before = task.record.measured.sessionsBefore;
  if (before === null || before.length === 0) return DONE;
  const running = await runningSessions(ports, task);
  const gone = running === undefined ? before.length : before.filter((session) => !running.includes(session)).length;
  if (gone > 0 && task.waitedMs < SESSIONS_BACK_MS) return wait('Sessions come back.', before.length - gone, before.length);
  // Nobody could be asked: then nothing is known of them, and nothing is claimed.
  const ended = running === undefined ? 0 : gone;
  return { ...DONE, measured: { sessionsEnded: task.record.measured.sessionsEnded + ended, sessionsBefore: running ?? before } };
}

async function runningSessions(ports: PlanPorts, { record }: Task): Promise<string[] | undefined> {
  try {
    const { sessions } = await answered(ports, await servingParty(ports, record.sides.length > 1), { kind: 'sessions' });
    return sessions?.running;
  } catch {
    return undefined;
  }
}

/** Who answers people and clients now. */
export async function servingParty(ports: PlanPorts, isPair: boolean): Promise<Party> {
  if (!isPair) return 'self';
  return mayServe((await softwareOf(ports, 'self')).role) ? 'self' : 'peer';
}
