import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { runSchedule, type Controls, type Outcome } from '../test/simulation/schedule.ts';
import type { Figures } from '../test/simulation/ledger.ts';

const SCHEDULES = 12_000;
const CONTROL_SCHEDULES = 1_200;

/** `BASCULE_SEED=N` begins with schedule N: the one that failed. */
const { seed } = new SeededRandom();

function run(count: number, controls: Controls = {}): { failed: Outcome[]; figures: Figures; events: number } {
  const failed: Outcome[] = [];
  const figures: Figures = {
    answers: 0,
    answersAlone: 0,
    answersPromised: 0,
    takeovers: 0,
    forced: 0,
    doubleByForce: 0,
    lostAsync: 0,
  };
  let events = 0;
  for (let index = 0; index < count; index += 1) {
    const outcome = runSchedule(seed + index, controls);
    if (outcome.violations.length > 0) failed.push(outcome);
    events += outcome.events;
    for (const name of Object.keys(figures) as (keyof Figures)[]) figures[name] += outcome.figures[name];
  }
  return { failed, figures, events };
}

function say(failed: readonly Outcome[]): string {
  const [first] = failed;
  return first === undefined
    ? ''
    : `BASCULE_SEED=${first.seed}: ${first.violations.join('; ')} (and ${failed.length - 1} other schedules)`;
}

test(`no two writers, nothing lost, and service again: ${SCHEDULES} schedules of cuts, pauses, clock jumps and crashes`, (t) => {
  const { failed, figures, events } = run(SCHEDULES);
  t.diagnostic(`BASCULE_SEED=${seed}, ${events} events, ${JSON.stringify(figures)}`);
  strictEqual(say(failed), '');
  // The schedules do reach what they are about.
  ok(figures.takeovers > SCHEDULES / 10 && figures.forced > SCHEDULES / 100, 'there were takeovers');
  ok(figures.answersAlone > SCHEDULES && figures.answersPromised > SCHEDULES / 100, 'primaries went on alone, and by promise');
});

/** Schedules that broke a rule once. */
const FOUND = [
  // A person's claim was granted, and the side that made it ended before it heard of it: in whose name it goes on is on record.
  2136581201, 2136629553, 2136680485,
];
test('schedules that once found something', () => {
  deepStrictEqual(
    FOUND.flatMap((found) => runSchedule(found).violations),
    [],
  );
});

test('one seed is one run', () => {
  const one = runSchedule(seed);
  const again = runSchedule(seed);
  strictEqual(JSON.stringify(one), JSON.stringify(again));
});

const CONTROLS: [name: string, controls: Controls, violation: RegExp][] = [
  ['the fence is taken out', { noFence: true }, /two (writers|holders)/],
  ['the lease is counted on the wall clock', { usesWallClock: true }, /two (writers|holders)/],
  ['clocks run further apart than the margins', { wildClocks: true }, /two (writers|holders)/],
  ['a primary goes on alone before it is on record', { goesOnUnrecorded: true }, /lost in sync mode/],
  ['the witness answers before it has written', { witnessForgets: true }, /two (writers|holders)|lost|missing/],
];
for (const [name, controls, violation] of CONTROLS) {
  test(`control: the simulator finds out when ${name}`, (t) => {
    const { failed } = run(CONTROL_SCHEDULES, controls);
    t.diagnostic(`found in ${failed.length} of ${CONTROL_SCHEDULES} schedules`);
    ok(
      failed.some(({ violations }) => violations.some((text) => violation.test(text))),
      'a rule was broken and nobody noticed',
    );
  });
}
