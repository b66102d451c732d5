import assert from 'node:assert/strict';
import { mock, test, beforeEach, afterEach } from 'node:test';
import { STAYS_UP_MS, TrialHealth } from './trial-health.ts';

let said: string[] = [];
const voice = {
  trouble: (failure: string) => void said.push(failure),
  giveUp: (failure: string, reason: string) => void said.push(`give-up ${failure} ${reason}`),
  healthy: () => void said.push('healthy'),
};
const settled = async () => {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
};
beforeEach(() => {
  said = [];
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => mock.timers.reset());

test('well: accepted, up in one piece for a while, and a shell', async () => {
  const health = new TrialHealth(voice, async () => undefined);
  health.accepted();
  await settled();
  mock.timers.tick(STAYS_UP_MS - 1);
  assert.deepEqual(said, ['does-not-connect', 'not-healthy-in-time']);
  mock.timers.tick(1);
  assert.equal(said.at(-1), 'healthy');
});

test('a link that breaks begins the while anew, and is the reason from then on', async () => {
  const health = new TrialHealth(voice, async () => undefined);
  health.accepted();
  await settled();
  mock.timers.tick(STAYS_UP_MS - 1);
  health.unlinked('reset');
  health.accepted();
  mock.timers.tick(STAYS_UP_MS - 1);
  assert.deepEqual(said, ['does-not-connect', 'not-healthy-in-time', 'does-not-connect', 'does-not-connect']);
  mock.timers.tick(1);
  assert.equal(said.at(-1), 'healthy');
});

test('a shell that never opens is the end, a slow one is waited for', async () => {
  let shells = 0;
  const health = new TrialHealth(voice, async () => {
    shells += 1;
    throw new Error('no terminal');
  });
  health.accepted();
  for (let turn = 0; turn < 5; turn += 1) {
    await settled();
    mock.timers.tick(500);
  }
  mock.timers.tick(STAYS_UP_MS);
  assert.equal(shells, 3);
  assert.equal(said.at(-1), 'give-up no-shell No shell can be opened: no terminal');
  assert.equal(said.includes('healthy'), false);

  const slow = Promise.withResolvers<void>();
  const other = new TrialHealth(voice, () => slow.promise);
  other.accepted();
  mock.timers.tick(STAYS_UP_MS);
  assert.notEqual(said.at(-1), 'healthy');
  slow.resolve();
  await settled();
  assert.equal(said.at(-1), 'healthy');
});
