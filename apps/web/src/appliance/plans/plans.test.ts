import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Plan, PlanStep } from '@bascule/protocol/api/plans.ts';
import { actionsOf, amberCodes, dividersBefore, orderedKinds, toneOf } from './plans-model.ts';

const STEP: PlanStep = {
  number: 1,
  kind: 'backup',
  on: 'alpha',
  window: 1,
  state: 'waiting',
  undo: 'nothing',
  expectedSeconds: 10,
  startedAtMs: null,
  endedAtMs: null,
  params: {},
  notes: [],
  progress: null,
};
const PLAN = { runner: 'alpha', state: 'shown', isUndoing: false, mayCancel: true, steps: [STEP] } as unknown as Plan;

describe('what a person can do with a plan', () => {
  it('starts it, pauses it, goes on, and takes it back while that is possible', () => {
    assert.deepEqual(actionsOf(PLAN, 'alpha'), ['run-through', 'next-step', 'cancel']);
    assert.deepEqual(actionsOf({ ...PLAN, state: 'running', mayCancel: false }, 'alpha'), ['pause']);
    assert.deepEqual(actionsOf({ ...PLAN, state: 'paused' }, 'alpha'), ['continue', 'next-step', 'cancel', 'give-up']);
    assert.deepEqual(actionsOf({ ...PLAN, state: 'paused', isUndoing: true }, 'alpha'), ['continue', 'give-up']);
    assert.deepEqual(actionsOf({ ...PLAN, state: 'done' }, 'alpha'), []);
  });

  it('confirms where somebody has to look, and goes on where it waits between two steps', () => {
    const steps = [{ ...STEP, state: 'waits-for-person' as const }];
    assert.deepEqual(actionsOf({ ...PLAN, state: 'waits-for-person', steps }, 'alpha'), ['confirm', 'cancel']);
    assert.deepEqual(actionsOf({ ...PLAN, state: 'waits-for-person' }, 'alpha'), ['run-through', 'next-step', 'cancel']);
  });

  it('does nothing on the appliance that only shows it', () => assert.deepEqual(actionsOf(PLAN, 'beta'), []));
});

describe('what a plan shows', () => {
  it('names the amber lines of the step that failed', () => {
    const note = { code: 'amber', text: '', params: { codes: 'clients-pending,disk-space' } };
    const steps = [{ ...STEP, state: 'failed' as const, notes: [note] }];
    assert.deepEqual(amberCodes({ state: 'paused', steps }), ['clients-pending', 'disk-space']);
    assert.deepEqual(amberCodes({ state: 'running', steps }), []);
    assert.equal(toneOf({ state: 'paused', steps }), 'bad');
  });

  it('divides the steps into windows, with the interval and the point of no return between', () => {
    const steps: PlanStep[] = [
      STEP,
      { ...STEP, window: 2 },
      { ...STEP, window: 2, undo: 'impossible' },
      { ...STEP, window: null },
    ];
    const kinds = steps.map((_step, index) => dividersBefore(steps, index).map(({ kind }) => kind));
    assert.deepEqual(kinds, [['window'], ['interval', 'window'], ['no-return'], []]);
    assert.deepEqual(dividersBefore([STEP], 0), []);
  });

  it('offers what is possible first', () => {
    assert.deepEqual(orderedKinds({ rolling: 1, asynchronous: 1, synchronous: 1 }), [
      'single',
      'rolling',
      'asynchronous',
      'synchronous',
    ]);
    assert.deepEqual(orderedKinds({ single: 1 }), ['rolling', 'asynchronous', 'synchronous', 'single']);
  });
});
