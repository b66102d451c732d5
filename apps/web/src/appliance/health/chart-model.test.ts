import assert from 'node:assert/strict';
import { test } from 'node:test';
import { areaOf, highest, linesOf, niceMaximum } from './chart-model.ts';

test('lines stop where nothing was measured, and a point by itself is a dot', () => {
  assert.equal(linesOf([0, 5, null, 10, null], 10, 400, 100), 'M0,100L100,50M300,0L300,0');
  assert.equal(linesOf([null, null], 10, 400, 100), '');
  assert.equal(areaOf([0, 5, null, 10], 10, 300, 100), 'M0,100L0,100L100,50L100,100Z');
});

test('scales end at a round number, above every point', () => {
  assert.deepEqual(
    [0, 0.3, 1, 3, 42, 501].map((value) => niceMaximum(value)),
    [1, 0.5, 1, 5, 50, 1000],
  );
  assert.equal(
    highest([
      { label: 'a', points: [1, null, 7] },
      { label: 'b', points: [] },
    ]),
    7,
  );
  assert.deepEqual(
    [300 * 1024, 3 * 1024 ** 3].map((value) => niceMaximum(value, true)),
    [500 * 1024, 5 * 1024 ** 3],
  );
});
