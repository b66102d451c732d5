/** A whole fleet upgrades itself after its appliance: real clients from their real installers, in the order and within the limits that were set, and nobody at work notices. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ok } from '@bascule/protocol/api/common.ts';
import { fleetProof, fleetProofText, rollout, type FleetClient } from '@bascule/protocol/api/fleet.ts';
import { jumpItem } from '@bascule/protocol/api/jump.ts';
import { ApiFailure } from '@bascule/testkit/api-client.ts';
import * as releases from '@bascule/testkit/fleet-releases.ts';
import { FleetScene, UPGRADE_LIMIT_MS } from '@bascule/testkit/fleet-scene.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import type { TypingSession } from '@bascule/testkit/typing-session.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const [FIRST, SECOND, THIRD] = [releases.FIRST.version, releases.SECOND.version, releases.THIRD.version];
const run = promisify(execFile);

describe('clients after an upgrade of their appliance', { concurrency: false }, () => {
  let scene: FleetScene;
  let typing: TypingSession;
  /** Whoever is jumped to, and who would have been first. */
  let wanted: FleetClient;
  let first: FleetClient;

  before(async () => {
    scene = await FleetScene.start([releases.FIRST, releases.SECOND, releases.THIRD]);
    try {
      const ring = { name: 'all', groupIds: [], percent: 100, waitMinutes: 0 };
      await scene.changeSettings({ rings: [ring], maxConcurrent: 1, maxStartsPerSecond: 100, jumpToOlder: 'current-only' });
      for (const name of ['one', 'two', 'busy', 'sleeper']) await scene.install({ name });
      await scene.install({ name: 'gateway', program: 'jumpoint' });
      await scene.install({ name: 'passive', mode: 'passive' });
      for (const name of scene.programs.keys())
        await scene.until(name, 'is current', ({ state, version }) => state === 'current' && version === FIRST);
      typing = await scene.upgrades.typing((await scene.client('busy')).id);
      await scene.programs.get('sleeper')?.stop();
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
  });
  after(async () => {
    typing?.[Symbol.dispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  /** A shell on the client answers. */
  async function useShell(client: string): Promise<void> {
    using viewer = new TestViewer(scene.site, await scene.site.openSession(client));
    viewer.type('printf "%s" re""ady\r');
    await viewer.untilText('ready');
    await scene.site.call('POST', `access-sessions/${viewer.session}/end`, ok, {});
  }

  it('an installer of the next version can be had before: its client waits, politely', async () => {
    await scene.download(SECOND);
    const ahead = await scene.install({ name: 'ahead', isAhead: true });
    await waitUntil('it says that it waits', () => /waits until the appliance/.test(ahead.log())).catch((error: unknown) =>
      scene.fail(error),
    );
    assert.equal((await scene.clients()).find(({ name }) => name === 'ahead')?.online ?? false, false);
  });

  it('nothing begins before the watch period has committed, not even for somebody who waits at the console', async () => {
    scene.faults.armWait('commit/before');
    const installation = await scene.upgrades.begin(scene.upgrades.target('site', SECOND));
    await scene.faults.untilFired(UPGRADE_LIMIT_MS).catch((error: unknown) => scene.fail(error));
    for (const name of ['one', 'two', 'busy', 'gateway'])
      await scene.until(name, 'is back, and pending', ({ online, state }) => online && /pending|waiting/.test(state));
    const queue = (await scene.clients())
      .filter(({ name, place }) => ['one', 'two'].includes(name) && place !== null)
      .toSorted((one, other) => one.place! - other.place!);
    assert.equal(queue.length, 2);
    [first, wanted] = queue as [FleetClient, FleetClient];
    await assert.rejects(
      scene.site.openSession(wanted.id),
      (error) => error instanceof ApiFailure && error.status === 409 && error.code === 'CLIENT_UPGRADE_PENDING',
    );
    assert.equal((await scene.client(wanted.name)).place, 1, 'a jump moves it to the front (B110)');
    const { state, counts, bytesSent } = await scene.rollout();
    assert.deepEqual([state, counts.downloading, counts.restarting, bytesSent], ['waiting-for-commit', 0, 0, 0]);
    for (const { name, attempts, version } of await scene.clients())
      if (name !== 'ahead') assert.deepEqual([attempts, version], [0, FIRST]);
    await scene.site.call('POST', 'fleet/rollout/pause', rollout, {});
    scene.faults.goOn();
    await scene.committed(installation);
    // The system's own session (B215) is one like any other: its client would wait.
    await waitUntil(
      'the installation was verified',
      async () => {
        const lines = (await scene.upgrades.state()).lastInstalled?.verification ?? [];
        return lines.length > 0 && lines.every(({ state: looked }) => looked !== 'waiting' && looked !== 'running');
      },
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => scene.fail(error));
    assert.equal((await scene.rollout()).state, 'paused');
    await scene.site.call('POST', 'fleet/rollout/resume', rollout, { retryFailed: false });
  });

  it('then one at a time, whoever is wanted first; the jump works by itself', async () => {
    let most = 0;
    const session = await waitUntil(
      'the jump works',
      async () => {
        const { counts } = await scene.rollout();
        most = Math.max(most, counts.downloading + counts.restarting);
        return scene.site.openSession(wanted.id);
      },
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => scene.fail(error));
    assert.equal((await scene.client(wanted.name)).version, SECOND);
    await waitUntil(
      'all that are there and free are current',
      async () => {
        const { counts } = await scene.rollout();
        most = Math.max(most, counts.downloading + counts.restarting);
        return counts.pending === counts.absent && counts.downloading + counts.restarting === 0;
      },
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => scene.fail(error));
    assert.equal(most, 1);
    await scene.site.call('POST', `access-sessions/${session}/end`, ok, {});
    const times = await Promise.all([wanted, first].map(async ({ name }) => (await scene.client(name)).upgradedAtMs ?? 0));
    assert.ok(times[0]! > 0 && times[0]! < times[1]!, `${wanted.name} before ${first.name}: ${times.join(' ')}`);
    await scene.untilCurrent('gateway', SECOND);
    await useShell(first.id);
  });

  it('the one that was installed ahead is online by itself', async () => {
    await scene.untilCurrent('ahead', SECOND);
    assert.equal((await scene.client('ahead')).upgradedAtMs, null);
  });

  it('a passive client upgrades when it checks in', async () => {
    assert.deepEqual(
      [(await scene.client('passive')).state, scene.programs.get('passive')!.version('current')],
      ['pending', FIRST],
    );
    const { code, output } = await scene.programs.get('passive')!.command('check-in');
    assert.equal(code, 0, output);
    await scene.until('passive', 'is current', ({ state, version }) => state === 'current' && version === SECOND);
    await scene.until('passive', 'has gone again', ({ online }) => !online);
  });

  it('the client in a session waits for its end; not one byte of the session is lost', async () => {
    const { state, version } = await scene.client('busy');
    assert.deepEqual([state, version], ['waiting-for-session', FIRST]);
    const outcome = await typing.finish();
    assert.ok(outcome.typedBytes > 100);
    assert.deepEqual([outcome.isLost, outcome.bytesLost, outcome.isRecordingWhole], [false, 0, true]);
    await scene.untilCurrent('busy', SECOND);
  });

  it('who slept through two versions catches up, one after the other', async () => {
    await scene.changeSettings({ maxConcurrent: 10 });
    await scene.installSite(THIRD);
    const sleeper = scene.programs.get('sleeper')!;
    assert.equal(sleeper.version('current'), FIRST);
    sleeper.start();
    await scene.untilCurrent('sleeper', THIRD);
    assert.deepEqual([sleeper.version('previous'), sleeper.version('current')], [SECOND, THIRD]);
  });

  it('all are current, with version and revision; the proof says so, and it is verified without the site', async () => {
    assert.equal((await scene.programs.get('passive')!.command('check-in')).code, 0);
    for (const name of scene.programs.keys())
      await scene.until(name, 'is current', ({ state, version }) => state === 'current' && version === THIRD);
    await waitUntil('the rollout is over', async () => (await scene.rollout()).state === 'done').catch((error: unknown) =>
      scene.fail(error),
    );
    const { revision, counts } = await scene.rollout();
    assert.deepEqual([counts.current, counts.total], [7, 7]);
    for (const { id, program } of await scene.clients()) {
      const item = await scene.site.call('GET', `jump/items/${id}`, jumpItem);
      assert.deepEqual([item.version, item.revision, item.upgrade, item.program], [THIRD, revision, 'current', program]);
    }
    const { body } = await scene.site.send('GET', 'fleet/proof');
    const text = fleetProofText.parse(JSON.parse(fleetProof.parse(JSON.parse(body.toString('utf8'))).text));
    assert.deepEqual([text.isComplete, text.version, text.clients.length], [true, THIRD, 7]);
    assert.ok(text.clients.every(({ provedAtMs }) => provedAtMs !== null && provedAtMs > text.siteUpgradedAtMs));
    const file = join(scene.appliance.directory, 'proof.json');
    writeFileSync(file, body);
    const { stdout } = await run(process.execPath, [join(CHECKOUT, 'tools', 'verify', 'verify.mjs'), 'fleet-proof', file]);
    assert.match(stdout, /7/);
    writeFileSync(file, body.toString('utf8').replace('\\"name\\":\\"busy\\"', '\\"name\\":\\"lazy\\"'));
    await assert.rejects(run(process.execPath, [join(CHECKOUT, 'tools', 'verify', 'verify.mjs'), 'fleet-proof', file]));
  });

  it('the list can be had as CSV and as JSON', async () => {
    const csv = (await scene.site.send('GET', 'fleet/export?format=csv')).body.toString('utf8').trim().split('\r\n');
    assert.equal(csv.length, 8, csv.join('\n'));
    assert.ok(csv.slice(1).every((line) => line.includes(THIRD)));
    const json: unknown = JSON.parse((await scene.site.send('GET', 'fleet/export?format=json')).body.toString('utf8'));
    assert.equal(JSON.stringify(json).split(`"version":"${THIRD}"`).length - 1 >= 7, true);
  });
});
