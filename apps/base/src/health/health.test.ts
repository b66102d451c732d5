import assert from 'node:assert/strict';
import { mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { HealthAlarm } from '@bascule/protocol/api/health.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { HealthAlarms, type HealthFacts } from './health-alarms.ts';
import { healthMigrations } from './health-migrations.ts';
import { HealthRing, HOUR_MS, MINUTE_MS, RING_BYTES, type Figures } from './health-ring.ts';
import { diskBytes, networkBytes } from './health-sample.ts';
import { Health } from './health.ts';

const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 10, 21);

function folder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'bascule-health-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

test('the ring keeps a day by the minute and a year by the hour, and never grows', () => {
  using directory = folder();
  const file = join(directory.path, 'health.ring');
  const ring = new HealthRing(file);
  for (let minute = 0; minute < 3 * 24 * 60; minute += 1)
    ring.note(START_MS + minute * MINUTE_MS, { load: minute % 60, baseDelayMs: minute % 60 });
  assert.equal(statSync(file).size, RING_BYTES);
  const toMs = START_MS + 3 * DAY_MS;
  const day = ring.minutes(toMs - DAY_MS, toMs);
  assert.deepEqual([day.length, day.filter((figures) => figures === undefined).length], [1440, 0]);
  const hours = ring.hours(START_MS, toMs);
  assert.deepEqual([hours.length, hours[5]], [72, { load: 29.5, baseDelayMs: 59 }], 'the mean, and of delays the worst');
  assert.equal(
    ring.minutes(START_MS, START_MS + HOUR_MS)[0],
    undefined,
    'a minute of an earlier turn is not shown for one of now',
  );
  ring.close();
  const again = new HealthRing(file);
  assert.equal(again.minutes(toMs - MINUTE_MS, toMs)[0]?.load, 59);
  again.close();
});

test('a slot that was torn counts as not measured, and a file that is no ring is made anew', () => {
  using directory = folder();
  const file = join(directory.path, 'health.ring');
  const ring = new HealthRing(file);
  ring.note(START_MS, { load: 1 });
  ring.close();
  const bytes = readFileSync(file);
  const at = bytes.indexOf(Buffer.from(new Float64Array([START_MS / MINUTE_MS]).buffer));
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, Buffer.of(0xff), 0, 1, at + 12);
  const torn = new HealthRing(file);
  assert.equal(torn.minutes(START_MS, START_MS + MINUTE_MS)[0], undefined);
  torn.close();
  writeSync(descriptor, Buffer.from('nonsense'), 0, 8, 0);
  new HealthRing(file).close();
  assert.equal(statSync(file).size, RING_BYTES);
});

test('an alarm is told once, also over a restart, and is over a little above its threshold', () => {
  using opened = openTestStore(healthMigrations);
  const told: HealthAlarm[] = [];
  const open = () =>
    new HealthAlarms(
      opened.store,
      (alarm) => void told.push(alarm),
      () => START_MS,
    );
  const facts = (usedBytes: number): HealthFacts => ({
    minutes: [{ diskUsedBytes: usedBytes }],
    diskTotalBytes: 100,
    memoryTotalBytes: 100,
    clockFault: undefined,
    syslogDropped: 0,
  });
  const alarms = open();
  alarms.judge(facts(80));
  alarms.judge(facts(95));
  alarms.judge(facts(96));
  open().judge(facts(97));
  open().judge(facts(89));
  assert.deepEqual(
    told.map(({ code }) => code),
    ['disk-low'],
    '11 % is not enough to end what 10 % raised',
  );
  assert.equal(alarms.list().length, 1);
  alarms.judge(facts(80));
  assert.deepEqual(alarms.list(), []);
  assert.deepEqual(
    readAudit(opened.store, { limit: 9 }).map(({ code }) => code),
    ['HEALTH_ALARM_CLEARED', 'HEALTH_ALARM_RAISED'],
  );
});

test('memory has to be short for five minutes, and a threshold can be switched off', () => {
  using opened = openTestStore(healthMigrations);
  const alarms = new HealthAlarms(
    opened.store,
    () => undefined,
    () => START_MS,
  );
  const minute: Figures = { memoryUsedBytes: 99, siteDelayMs: 5000 };
  const judge = (minutes: (Figures | undefined)[]) => {
    alarms.judge({ minutes, diskTotalBytes: 0, memoryTotalBytes: 100, clockFault: undefined, syslogDropped: 0 });
    return alarms.list().map(({ code }) => code);
  };
  assert.deepEqual(judge([minute, minute, undefined, minute, minute]), []);
  assert.deepEqual(judge([minute, minute, minute, minute, minute]).toSorted(), ['memory-low', 'site-late']);
  alarms.change(testContext, { ...alarms.thresholds(), memoryFreePercent: null, delayMs: null });
  assert.deepEqual(judge([minute, minute, minute, minute, minute]), []);
});

test('the page gets what was measured, in steps that fit a chart', () => {
  using opened = openTestStore(healthMigrations);
  let nowMs = START_MS;
  const health = new Health({
    store: opened.store,
    home: opened.directory,
    boxDirectory: opened.directory,
    processes: () => [{ name: 'base', pid: process.pid, user: 'me', startedAtMs: 1, restarts: 0, state: 'ready' }],
    clock: { state: () => ({ state: 'synchronised', offsetMs: 0 }) },
    syslogDropped: () => 0,
    tell: () => undefined,
    log: createLog('test', 'silent'),
    now: () => nowMs,
  });
  health.noteSite({ clientsOnline: 7, accessSessions: 2, eventLoopDelayMs: 3, relay: true });
  for (let second = 0; second <= 130; second += 10) {
    nowMs = START_MS + second * 1000;
    health.sample();
  }
  const hour = health.state('hour');
  const points = (name: string) => hour.series.find((series) => series.name === name)?.points ?? [];
  assert.deepEqual([points('clientsOnline').length, points('clientsOnline').slice(-3)], [60, [7, 7, null]]);
  assert.ok((points('rssBaseBytes').at(-2) ?? 0) > 1_000_000);
  assert.ok((points('diskUsedBytes').at(-2) ?? 0) > 0);
  assert.deepEqual(points('rssRelayBytes').at(-2), null, 'what was not measured is not drawn as nothing');
  for (const [range, count] of [
    ['day', 288],
    ['month', 360],
    ['year', 365],
  ] as const)
    assert.equal(health.state(range).series[0]?.points.length, count);
  health.close();
});

test('reads what the kernel says of disks and the network', () => {
  const stats = '   8       0 sda 10 0 100 5 20 0 200 9 0 0 0\n   8       1 sda1 1 0 10 5 2 0 20 9 0 0 0\n';
  assert.deepEqual(diskBytes(stats, 8, 1), { read: 10 * 512, written: 20 * 512 });
  assert.deepEqual(diskBytes(stats, 0, 40), { read: 100 * 512, written: 200 * 512 }, 'of a container: all disks');
  assert.equal(diskBytes('', 8, 0), undefined);
  const network = 'Inter-| x\n face |y\n    lo: 5 1 0 0 0 0 0 0 6 1\n  eth0: 1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n';
  assert.deepEqual(networkBytes(network), { received: 1000, sent: 2000 });
});
