import assert from 'node:assert/strict';
import { test } from 'node:test';
import { must } from '@bascule/core/must.ts';
import type { PairOrder } from '@bascule/protocol/base-site.ts';
import type { PairDone, Task } from './plan-ports.ts';
import { pairProcedures } from './step-pair.ts';
import { PLAN, TwoAppliances } from './testing.ts';

/** Two appliances whose site says how far the other is while a plan keeps the two apart. */
class ApartAppliances extends TwoAppliances {
  override async pairDo(plan: string, step: number, order: PairOrder): Promise<PairDone> {
    const done = await super.pairDo(plan, step, order);
    if (order.kind !== 'state') return done;
    return { ...done, result: { ...(done.result as object), apart: { lagChanges: 2, lagSeconds: 0.4 } } };
  }
}

test('what the next primary lacks at the switch is measured in a plan that has broken the relationship, too', async () => {
  const record = TwoAppliances.record('asynchronous');
  const step = must(
    record.core.steps.find(({ kind }) => kind === 'swap'),
    'a swap',
  );
  const task: Task = { plan: PLAN, record, step, part: 'precondition', attempt: 1, waitedMs: 0 };
  const measuredBy = async (appliances: TwoAppliances) => {
    appliances.isBroken = true;
    appliances.sides.peer.role = 'read-only';
    const precondition = must(pairProcedures.swap?.precondition, 'a precondition');
    return (await precondition(appliances, task)).measured?.lagAtSwitch;
  };
  assert.deepEqual(await measuredBy(new ApartAppliances('asynchronous')), { changes: 2, seconds: 0.4 });
  assert.equal(await measuredBy(new TwoAppliances('asynchronous')), undefined, 'a site of before does not say it');
});

test('a relationship that is broken again while it is established is not waited for: a person tries again', async () => {
  const record = TwoAppliances.record('asynchronous');
  const step = must(
    record.core.steps.find(({ kind }) => kind === 'establish'),
    'a step that establishes',
  );
  const task: Task = { plan: PLAN, record, step, part: 'check', attempt: 1, waitedMs: 0 };
  const check = must(pairProcedures.establish?.check, 'a check');
  const appliances = new TwoAppliances('asynchronous');
  appliances.isBroken = true;
  assert.equal((await check(appliances, task)).kind, 'refused');
  appliances.isBroken = false;
  appliances.sides.self.role = 'backup';
  appliances.sides.peer.role = 'primary';
  assert.equal((await check(appliances, task)).kind, 'done');
});
