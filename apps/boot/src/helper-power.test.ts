import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayPowerOff } from './helper-power.ts';

test('the machine is switched off by root alone, under systemd, and in no container', () => {
  const machine =
    (...paths: string[]) =>
    (path: string) =>
      paths.includes(path);
  const systemd = '/run/systemd/system';
  assert.deepEqual(
    [
      mayPowerOff(machine(systemd), 0),
      mayPowerOff(machine(systemd), 1000),
      mayPowerOff(machine(), 0),
      mayPowerOff(machine(systemd, '/run/systemd/container'), 0),
      mayPowerOff(machine(systemd, '/.dockerenv'), 0),
    ],
    [true, false, false, false, false],
  );
});
