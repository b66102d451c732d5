/** Steps that work on the relationship of the two appliances, ordered at the own site. Before an order the pair is looked at: what is so already is not ordered. */
import { z } from 'zod';
import { must } from '@bascule/core/must.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import type { Measured, Note } from './plan-contract.ts';
import { measureBefore, measureSessions } from './step-measure.ts';
import {
  orderNumber,
  serves,
  softwareOf,
  viewPair,
  type PairView,
  type Performed,
  type PlanPorts,
  type Task,
} from './plan-ports.ts';
import { DONE, refused, wait, type StepProcedures, type StepWork } from './step-work.ts';

/** Names of what was not pulled that a step lists. */
export const LEFT_NAMED_MAX = 45;

const needsPeer: StepWork = async (ports, { plan, record }) => {
  const view = await viewPair(ports, plan);
  if (view.busy !== null) return wait(`The pair is busy: ${view.busy.what}.`, view.busy.done, view.busy.total);
  if (view.conflict !== null)
    return refused('conflict', 'The two appliances disagree about their roles: use Fix under Management > Failover first.', {});
  if (view.peerState !== 'unreachable') return DONE;
  const name = peerName(record.sides, view);
  return {
    kind: 'silent',
    note: { code: 'no-answer', text: `${name} cannot be reached.`, params: { name, reason: 'unreachable' } },
  };
};

export const pairProcedures: StepProcedures = {
  'sync-now': {
    precondition: needsPeer,
    action: (ports, task) => ordered(ports, task, { kind: 'sync-now' }),
    check: async (ports, { plan }) => {
      const { copy } = await viewPair(ports, plan);
      return copy?.stopped == null
        ? DONE
        : refused('not-following', `The copy is stopped: ${copy.stopped.text}`, { reason: copy.stopped.text });
    },
  },
  break: {
    precondition: needsPeer,
    action: async (ports, task) =>
      isApart(await viewPair(ports, task.plan)) ? DONE : await ordered(ports, task, { kind: 'break' }),
    check: async (ports, { plan }) => (isApart(await viewPair(ports, plan)) ? DONE : wait('The relationship is being broken.')),
    undo: (ports, task) => establish(ports, task, task.record.primary, 'undo'),
  },
  'pull-changes': {
    precondition: needsPeer,
    action: (ports, task) => ordered(ports, task, { kind: 'pull-changes', into: task.step.on }),
  },
  swap: {
    precondition: async (ports, task) => {
      const reachable = await needsPeer(ports, task);
      if (reachable.kind !== 'done' || (await isPrimary(ports, task, target(task)))) return reachable;
      const next = await softwareOf(ports, 'peer');
      if (!next.isReady) return wait(`${target(task)} is not ready.`);
      if (next.running !== null) return wait(`${target(task)} is installing something.`);
      return { ...DONE, measured: { ...(await measureBefore(ports, task)), ...lagOf(await viewPair(ports, task.plan)) } };
    },
    action: (ports, task) => swap(ports, task, target(task), 'action'),
    check: async (ports, task) =>
      (await isPrimary(ports, task, target(task))) ? await measureSessions(ports, task) : wait(`${target(task)} takes over.`),
    undo: async (ports, task) => {
      const { primary } = task.record;
      if (await isPrimary(ports, task, primary)) return DONE;
      if (isApart(await viewPair(ports, task.plan))) {
        const pulled = await ordered(ports, task, { kind: 'pull-changes', into: primary }, 'undo-pull');
        if (pulled.kind !== 'done') return pulled;
      }
      return await swap(ports, task, primary, 'undo');
    },
  },
  establish: {
    precondition: async (ports, task) => {
      const reachable = await needsPeer(ports, task);
      if (reachable.kind !== 'done') return reachable;
      const [self, peer] = await Promise.all([softwareOf(ports, 'self'), softwareOf(ports, 'peer')]);
      if (self.base === peer.base && self.site === peer.site) return DONE;
      return refused(
        'unlike-packages',
        `Both must have the same packages: base ${self.base} and ${peer.base}, site ${self.site} and ${peer.site}.`,
        {
          selfBase: self.base,
          peerBase: peer.base,
          selfSite: self.site,
          peerSite: peer.site,
        },
      );
    },
    action: (ports, task) => establish(ports, task, target(task), 'action'),
    check: async (ports, task) => {
      const view = await viewPair(ports, task.plan);
      if (isTogether(view, target(task))) return DONE;
      if (!isApart(view) || view.busy !== null) return wait('The relationship is being established.');
      // One side was cut before it was through: nothing goes on by itself.
      const reason = 'The relationship was not established after all.';
      return refused('order-failed', `${task.step.on}: ${reason}`, { name: task.step.on, reason });
    },
  },
  migrate: {
    action: async (ports, { plan }) => {
      const { self, peer } = await viewPair(ports, plan);
      if (peer !== null && self.schema === peer.schema) return DONE;
      return wait(`Schema ${self.schema} here, ${peer?.schema ?? '?'} there.`);
    },
  },
  compare: {
    precondition: needsPeer,
    action: (ports, task) => ordered(ports, task, { kind: 'compare' }),
  },
};

/** Gives the order to main, and says how it is. */
export async function ordered(
  ports: PlanPorts,
  task: Task,
  order: PairOrder,
  what: 'action' | 'undo' | 'undo-pull' = 'action',
): Promise<Performed> {
  const { outcome, error, result } = await ports.pairDo(task.plan, orderNumber(task, what), order);
  if (outcome === 'running') return waiting(result);
  if (outcome === 'failed')
    return refused('order-failed', `${task.step.on}: ${error ?? 'the site gave no reason'}`, {
      name: task.step.on,
      reason: error ?? '',
    });
  return { kind: 'done', notes: leftBehind(result) };
}

/** Main is asked for `primary` to be primary, and for nothing else: who was it gives way first, whatever is cut. */
async function swap(ports: PlanPorts, task: Task, primary: string, what: 'action' | 'undo'): Promise<Performed> {
  const { busy } = await viewPair(ports, task.plan);
  if (await isPrimary(ports, task, primary)) return DONE;
  const outcome = await ordered(ports, task, { kind: 'swap', primary }, what);
  if (outcome.kind === 'wait' && busy !== null) return wait(busy.step, busy.done, busy.total);
  // Only the roles themselves say that it is done.
  return outcome.kind === 'done' && what === 'undo' ? wait(`${primary} takes over.`) : outcome;
}

async function establish(ports: PlanPorts, task: Task, primary: string, what: 'action' | 'undo'): Promise<Performed> {
  const view = await viewPair(ports, task.plan);
  if (isTogether(view, primary)) return DONE;
  if (view.busy !== null) return wait(view.busy.step, view.busy.done, view.busy.total);
  const outcome = await ordered(ports, task, { kind: 'establish-again', primary }, what);
  return outcome.kind === 'done' && what === 'undo' ? wait('The relationship is being established.') : outcome;
}

/** Whether `name` alone is primary, as both sides say. */
async function isPrimary(ports: PlanPorts, { record }: Task, name: string): Promise<boolean> {
  const [self, peer] = await Promise.all([softwareOf(ports, 'self'), softwareOf(ports, 'peer')]);
  const [wanted, other] = record.sides[0]?.appliance === name ? [self, peer] : [peer, self];
  return serves(wanted.role) && !serves(other.role);
}

function isApart(view: PairView): boolean {
  return view.broken !== null;
}

function isTogether({ self, peer, broken }: PairView, primary: string): boolean {
  if (broken !== null || peer === null) return false;
  const [wanted, other] = self.appliance === primary ? [self, peer] : [peer, self];
  return wanted.role === 'primary' && other.role === 'backup';
}

const busyResult = z.object({ done: z.number(), total: z.number().nullable(), step: z.string() });
function waiting(result: unknown): Performed {
  const { data } = busyResult.safeParse(result);
  return data === undefined ? { kind: 'wait' } : wait(data.step, data.done, data.total);
}

const leftResult = z.object({ left: z.array(z.string()) });
/** What stays behind, by name: on the side that had it, which keeps it. */
function leftBehind(result: unknown): Note[] {
  const { left } = leftResult.safeParse(result).data ?? { left: [] };
  const named = left
    .slice(0, LEFT_NAMED_MAX)
    .map((name) => ({ code: 'left', text: `Not taken over: ${name}`, params: { what: name } }));
  const more = left.length - named.length;
  return more === 0 ? named : [...named, { code: 'left-more', text: `Not taken over: ${more} more`, params: { count: more } }];
}

/** What the one that takes over lacks: of the copy, or of what it pulled while the relationship is broken. */
function lagOf({ copy, apart }: PairView): Partial<Measured> {
  const lag = copy ?? apart;
  return lag === undefined ? {} : { lagAtSwitch: { changes: Math.round(lag.lagChanges), seconds: lag.lagSeconds } };
}

function peerName(sides: Task['record']['sides'], view: PairView): string {
  return sides[1]?.appliance ?? view.peer?.appliance ?? view.broken?.peer ?? '';
}

function target({ step }: Task): string {
  return must(step.target, 'the name of the next primary');
}
