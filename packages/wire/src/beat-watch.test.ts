import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BeatWatch, within } from './beat-watch.ts';

test('silence for two beats and a half is told once; what comes meanwhile puts it off, and without beats nothing is watched', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const watch = new BeatWatch();
  let silent = 0;
  const expect = (beatMs: number | undefined) => watch.expect(beatMs, () => (silent += 1));
  expect(undefined);
  t.mock.timers.tick(60_000);
  assert.deepEqual([silent, watch.areExpected], [0, false]);
  expect(1000);
  assert.ok(watch.areExpected);
  t.mock.timers.tick(2_500);
  assert.equal(silent, 0);
  watch.heard();
  t.mock.timers.tick(2_500);
  assert.equal(silent, 0);
  t.mock.timers.tick(250);
  assert.equal(silent, 1);
  t.mock.timers.tick(60_000);
  assert.equal(silent, 1);
  expect(1000);
  watch.stop();
  t.mock.timers.tick(60_000);
  assert.deepEqual([silent, watch.areExpected], [1, true]);
});

test('what takes too long is given up', async () => {
  assert.equal(await within(60_000, Promise.resolve('in time')), 'in time');
  await assert.rejects(within(5, new Promise(() => undefined)), /in time/);
  await assert.rejects(within(60_000, Promise.reject(new Error('as it is'))), /as it is/);
});
