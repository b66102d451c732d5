import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatelyCame } from './lately-came.ts';

test('who comes again and again counts once, who came long ago not at all, and of more than the limit the newest', () => {
  const lately = new LatelyCame(2);
  lately.came('a', 1);
  lately.came('b', 2);
  lately.came('a', 3);
  lately.came('c', 4);
  assert.deepEqual(lately.since(0), { count: 2, newestAtMs: 4 });
  assert.deepEqual(lately.since(4), { count: 1, newestAtMs: 4 });
  assert.deepEqual(lately.since(5), { count: 0, newestAtMs: null });
});
