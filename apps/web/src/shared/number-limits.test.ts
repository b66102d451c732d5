import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinLimits } from './number-limits.ts';

test('only whole numbers between the limits pass; an empty field does not', () => {
  const limits = { min: 1, max: 10 };
  for (const good of [1, 5, 10]) assert.ok(withinLimits(good, limits), String(good));
  for (const bad of [0, 11, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) assert.ok(!withinLimits(bad, limits), String(bad));
});
