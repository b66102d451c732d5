import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fleetSettings, upgradeRing, type Rollout } from '@bascule/protocol/api/fleet.ts';
import {
  bytesAxisEnd,
  BANDWIDTH_LIMITS,
  chartLine,
  headlineOf,
  KIBIBYTE,
  LIMITS,
  moveRing,
  PERCENT_LIMITS,
  percentCurrent,
  redeployCsv,
  segmentsOf,
  unsupportedBeside,
  WAIT_MINUTES_LIMITS,
  type NumberField,
  type RolloutCounts,
} from './fleet-model.ts';

const NONE: RolloutCounts = {
  total: 0,
  current: 0,
  pending: 0,
  absent: 0,
  waitingForSession: 0,
  downloading: 0,
  restarting: 0,
  failed: 0,
  rolledBack: 0,
  unsupported: 0,
};
const at = (state: Rollout['state'], counts: Partial<RolloutCounts>) =>
  headlineOf({ state, counts: { ...NONE, ...counts } } as Rollout).kind;

test('each client is in one part of the bar: who is away is not counted as waiting, too', () => {
  const segments = segmentsOf({ ...NONE, total: 20, current: 8, pending: 10, absent: 4, failed: 2 });
  assert.equal(segments.pending, 6);
  assert.equal(
    Object.values(segments).reduce((sum, count) => sum + count, 0),
    20,
  );
});

test('done is called so only when nobody was left behind, and 100 % only when all are current', () => {
  assert.equal(at('done', { total: 5, current: 5 }), 'done');
  assert.equal(at('done', { total: 5, current: 4, rolledBack: 1, pending: 1 }), 'doneFailures');
  assert.equal(at('done', { total: 5, current: 4, pending: 1, absent: 1 }), 'doneAbsent');
  assert.equal(at('done', { total: 5, current: 4, unsupported: 1 }), 'doneUnsupported');
  assert.equal(at('done', {}), 'nobody');
  assert.equal(at('halted', { total: 5 }), 'halted');
  assert.equal(percentCurrent({ ...NONE, total: 15_000, current: 14_999 }), 99);
  assert.equal(percentCurrent(NONE), 100);
});

test('who cannot upgrade itself is not to go, and is named beside the headline once', () => {
  const of = (state: Rollout['state'], counts: Partial<RolloutCounts>) => ({ state, counts: { ...NONE, ...counts } }) as Rollout;
  const running = of('running', { total: 5, current: 3, pending: 1, unsupported: 1 });
  assert.equal(headlineOf(running).count, 1);
  assert.equal(unsupportedBeside(running), 1);
  assert.equal(unsupportedBeside(of('done', { total: 5, current: 3, failed: 1, unsupported: 1 })), 1);
  assert.equal(unsupportedBeside(of('done', { total: 5, current: 4, unsupported: 1 })), 0);
});

test('a chart fills its box from left to right, and is empty with one point', () => {
  assert.equal(
    chartLine(
      [
        { atMs: 1000, value: 0 },
        { atMs: 2000, value: 50 },
        { atMs: 3000, value: 100 },
      ],
      100,
    ),
    '0.0,120.0 300.0,60.0 600.0,0.0',
  );
  assert.equal(chartLine([{ atMs: 1000, value: 5 }], 10), '');
  assert.deepEqual([0, 3, 1024, 1025, 19.6 * 1024 ** 2, 1000 * 1024].map(bytesAxisEnd), [
    1,
    5,
    1024,
    2048,
    20 * 1024 ** 2,
    1000 * 1024,
  ]);
});

test('the form refuses what the schema refuses, and takes what it takes', () => {
  for (const [field, { min, max }] of Object.entries(LIMITS) as [NumberField, { min: number; max: number }][]) {
    const schema = fleetSettings.shape[field];
    assert.deepEqual(
      [min, max, min - 1, max + 1].map((value) => schema.safeParse(value).success),
      [true, true, false, false],
      field,
    );
  }
  const { percent, waitMinutes } = upgradeRing.shape;
  for (const [schema, { min, max }] of [
    [percent, PERCENT_LIMITS],
    [waitMinutes, WAIT_MINUTES_LIMITS],
  ] as const)
    assert.deepEqual(
      [min, max, min - 1, max + 1].map((value) => schema.safeParse(value).success),
      [true, true, false, false],
    );
  for (const kibibytes of [BANDWIDTH_LIMITS.min, BANDWIDTH_LIMITS.max])
    assert.ok(fleetSettings.shape.maxBytesPerSecond.safeParse(kibibytes * KIBIBYTE).success);
});

test('rings change places, and stay where they are at the ends', () => {
  const rings = ['a', 'b', 'c'].map((name) => ({ name, groupIds: [], percent: 10, waitMinutes: 0 }));
  const names = (index: number, by: -1 | 1) =>
    moveRing(rings, index, by)
      .map((ring) => ring.name)
      .join('');
  assert.deepEqual([names(0, 1), names(2, -1), names(0, -1), names(2, 1)], ['bac', 'acb', 'abc', 'abc']);
});

test('the list for redeployment has every client, with no formula in it', () => {
  const csv = redeployCsv([{ id: 'jc_1', name: '=cmd()', hostName: 'web-1', groupName: null, state: 'told' }]);
  assert.equal(csv, '"id","name","host","group","state"\r\n"jc_1","\'=cmd()","web-1","","told"\r\n');
});
