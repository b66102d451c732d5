import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { CLIENT_WAIT_MS, FLEET_ASK_INTERVAL_MS, FLEET_KNOWN_MS, FleetConditions, mustWait } from './fleet-condition.ts';
import type { FleetState } from './installer-host.ts';

const COUNTS = { total: 9, current: 6, pending: 3, absent: 2, failed: 0, text: '' };
let nowMs = 1_000_000_000;
let site = { version: '0.2.0', installedAtMs: 0 as number | null };
let asked = 0;
let answer: FleetState | undefined;
const host = {
  ready: true,
  fleet: () => {
    asked++;
    return answer === undefined ? Promise.reject(new Error('it does not know the question')) : Promise.resolve(answer);
  },
};
let conditions: FleetConditions;

beforeEach(() => {
  nowMs = 1_000_000_000;
  site = { version: '0.2.0', installedAtMs: nowMs - 60_000 };
  [asked, answer, host.ready] = [0, { ...COUNTS, isSettled: false }, true];
  conditions = new FleetConditions({ host, site: () => site, nowMs: () => nowMs });
});

test('what the site says is the condition, for a while and for that version of it', async () => {
  assert.equal((await conditions.ask()).state, 'pending');
  assert.ok(mustWait(conditions.latest()));
  answer = { ...COUNTS, pending: 0, isSettled: true };
  assert.ok(!mustWait(await conditions.ask()));
  site = { version: '0.3.0', installedAtMs: nowMs };
  assert.ok(mustWait(conditions.latest()), 'the answer of the version before says nothing');
  site = { version: '0.2.0', installedAtMs: nowMs };
  nowMs += FLEET_KNOWN_MS;
  assert.equal(conditions.latest().state, 'unknown');
});

test('a site that does not answer is given 24 hours from its installation', async () => {
  answer = undefined;
  assert.deepEqual(await conditions.ask(), { state: 'unknown', leftMs: CLIENT_WAIT_MS - 60_000 });
  nowMs += CLIENT_WAIT_MS;
  assert.ok(!mustWait(await conditions.ask()));
  site = { version: '0.2.0', installedAtMs: null };
  assert.ok(!mustWait(await conditions.ask()), 'it was there before the appliance was updated at all');
});

test('a site that does not run keeps nothing waiting; pages ask no more often than they should', async () => {
  host.ready = false;
  assert.ok(!mustWait(await conditions.ask()));
  host.ready = true;
  assert.equal(await conditions.askIfOld(), false);
  nowMs += FLEET_ASK_INTERVAL_MS;
  assert.equal(await conditions.askIfOld(), true);
  assert.equal(asked, 1);
});
