/** A test of the standby as it is shown: on the page, to the primary, and in pair.db. */
import type { RehearsalState } from '@bascule/protocol/api/failover.ts';
import type { RehearsalReport } from '@bascule/protocol/rehearsal.ts';
import type { RehearsalRecord } from './rehearsal-records.ts';
import type { RehearsalRun } from './rehearsal-run.ts';

export const NO_REHEARSAL: RehearsalState = {
  state: 'none',
  startedAtMs: null,
  endsAtMs: null,
  users: [],
  clients: [],
  steps: [],
};

export const NO_REPORT: RehearsalReport = {
  rehearsal: null,
  state: 'none',
  startedAtMs: null,
  endsAtMs: null,
  steps: [],
  clients: [],
  sessions: [],
  archive: null,
  reason: null,
};

const namesOf = (all: readonly { name: string }[]): string[] => all.map(({ name }) => name);

/** For the page, with the steps of both sides. */
export function stateOfRun(run: RehearsalRun): RehearsalState {
  const { users, clients } = run.order;
  return {
    state: run.state === 'ending' ? (run.hasFailed ? 'failed' : 'closed') : run.state,
    startedAtMs: run.startedAtMs,
    endsAtMs: run.endsAtMs,
    users: namesOf(users),
    clients: namesOf(clients),
    steps: run.allSteps,
  };
}

/** For the primary, of one that is under way or just ending. */
export function reportOfRun(run: RehearsalRun): RehearsalReport {
  const { startedAtMs, endsAtMs, steps, clients, state, reason } = run;
  return {
    rehearsal: run.order.rehearsal,
    state,
    startedAtMs,
    endsAtMs,
    steps,
    clients,
    sessions: [],
    archive: null,
    reason: reason === '' ? null : reason,
  };
}

/** For the primary, of the newest one that is over (or that a cut left). */
export function reportOfRecord(record: RehearsalRecord): RehearsalReport {
  const { rehearsal, startedAtMs, endsAtMs, steps, clients, sessions, archive, reason } = record;
  return {
    rehearsal,
    state: record.state !== 'closed' ? 'ending' : record.hasFailed ? 'failed' : 'closed',
    startedAtMs,
    endsAtMs,
    steps,
    clients: clients.map((client) => ({ ...client, connected: false })),
    sessions,
    archive,
    reason,
  };
}

/** For pair.db. */
export function recordOf(run: RehearsalRun): RehearsalRecord {
  const { rehearsal, by, users, clients } = run.order;
  const { startedAtMs, endsAtMs, wasOpened, steps, hasFailed, reason } = run;
  return {
    rehearsal,
    by,
    users,
    clients,
    startedAtMs,
    endsAtMs,
    state: run.isEnding ? 'ending' : 'open',
    hasFailed,
    wasOpened,
    steps,
    reason: reason === '' ? null : reason,
    folder: null,
    archive: null,
    sessions: [],
  };
}
