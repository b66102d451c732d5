import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CheckInClock } from './check-in-clock.ts';

const HOUR_MS = 3_600_000;

function clockAt(random: number) {
  const now = { wallMs: 1_800_000_000_000, steadyMs: 5000 };
  const clock = new CheckInClock({ wallMs: () => now.wallMs, steadyMs: () => now.steadyMs, random: () => random });
  return { now, clock };
}

test('a passive client checks in within its hours, and not all at the same moment (B107)', () => {
  for (const [random, hours] of [
    [0, 24],
    [1, 21.6],
  ] as const) {
    const { now, clock } = clockAt(random);
    assert.equal(clock.leftMs(24), hours * HOUR_MS);
    now.wallMs += hours * HOUR_MS - 1;
    now.steadyMs += hours * HOUR_MS - 1;
    assert.equal(clock.leftMs(24), 1);
    now.wallMs += 1;
    assert.equal(clock.leftMs(24), 0);
    clock.restart();
    assert.equal(clock.leftMs(24), hours * HOUR_MS);
  }
});

test('a clock set back never delays a check-in; one set forward, or a machine that slept, makes it due', () => {
  const { now, clock } = clockAt(0);
  now.wallMs -= 365 * 24 * HOUR_MS;
  now.steadyMs += 24 * HOUR_MS;
  assert.equal(clock.leftMs(24), 0);
  clock.restart();
  now.wallMs += 24 * HOUR_MS;
  assert.equal(clock.leftMs(24), 0);
});

test('other hours hold at once', () => {
  const { now, clock } = clockAt(0);
  now.steadyMs += 5 * HOUR_MS;
  assert.equal(clock.leftMs(24), 19 * HOUR_MS);
  assert.equal(clock.leftMs(4), 0);
});
