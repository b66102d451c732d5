import { ok } from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bootClockMs } from './boot-clock.ts';

test('the boot clock is that of the machine, and never goes back', () => {
  const before = bootClockMs();
  const machineMs = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
  const after = bootClockMs();
  ok(before <= Math.round(machineMs) && Math.round(machineMs) <= after, `${before} ${machineMs} ${after}`);
  ok(Number.isInteger(before) && before > 0);
});
