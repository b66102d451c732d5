/** Plans in the states that the page shows, by the real core: what a runner would have made of them. */
import type { Plan, PlansState } from '@bascule/protocol/api/plans.ts';
import { step } from '../../../apps/base/src/plans/plan-core.ts';
import type { Outcome, PlanRecord } from '../../../apps/base/src/plans/plan-contract.ts';
import { shownPlan } from '../../../apps/base/src/plans/plan-shown.ts';
import { PLAN, TwoAppliances } from '../../../apps/base/src/plans/testing.ts';

const NOW_MS = Date.UTC(2026, 10, 21, 3, 0, 0);
const SECOND_MS = 1_000;

/** The record of a plan whose first `steps` steps are done. */
export function recordAt(kind: Plan['kind'], steps: number, through = true): PlanRecord {
  const record = TwoAppliances.record(kind);
  const windows = kind === 'single' ? [{ number: 1 as const, proposedAtMs: NOW_MS, expectedSeconds: 420 }] : WINDOWS;
  let core = step(record.core, { kind: 'run', through, overrule: [], atMs: NOW_MS }).state;
  let atMs = NOW_MS;
  for (let done = 0; done < steps; done++) {
    for (let part = 0; part < 3; part++) core = put(core, { kind: 'done' }, (atMs += 4 * SECOND_MS));
  }
  return { ...record, createdAtMs: NOW_MS, startedAtMs: NOW_MS, windows, core };
}

/** The same plan, after its present part came to `outcome`. */
export function after(record: PlanRecord, ...outcomes: Outcome[]): PlanRecord {
  let { core } = record;
  for (const outcome of outcomes) core = put(core, outcome, NOW_MS + 90 * SECOND_MS);
  return { ...record, core };
}

export function shownRecord(kind: Plan['kind']): PlanRecord {
  const record = TwoAppliances.record(kind);
  const consumersByAddress = [{ name: 'integration-client/2.1', address: '192.0.2.17' }];
  return { ...record, createdAtMs: NOW_MS, windows: WINDOWS, consumersByAddress };
}

export function stateOfPlans(record: PlanRecord | undefined, more: Partial<PlansState> = {}): PlansState {
  return {
    nowMs: NOW_MS + 100 * SECOND_MS,
    applianceName: 'A',
    current: record === undefined ? null : shownPlan(PLAN, 'A', record),
    earlier: [],
    unavailable: {},
    ...more,
  };
}

const DAY_MS = 86_400_000;
const WINDOWS: PlanRecord['windows'] = [
  { number: 1, proposedAtMs: NOW_MS + DAY_MS, expectedSeconds: 780 },
  { number: 2, proposedAtMs: NOW_MS + 2 * DAY_MS, expectedSeconds: 640 },
];

function put(core: PlanRecord['core'], outcome: Outcome, atMs: number): PlanRecord['core'] {
  return step(core, { kind: 'performed', token: core.token, outcome, atMs }).state;
}
