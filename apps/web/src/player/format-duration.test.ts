import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration } from './format-duration.ts';

void test('minutes and seconds, hours only when there are any', () => {
  assert.deepEqual([0, 9.99, 247, 3729, -1].map(formatDuration), ['0:00', '0:09', '4:07', '1:02:09', '0:00']);
});
