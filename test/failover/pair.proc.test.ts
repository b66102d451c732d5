/**
 * The life of a pair, as people see it on the Failover pages of two real appliances: established, swapped both ways, its primary killed and taken over, both written while they do not see
 * each other, fixed, synchronous, broken, split, and established again. One session is typed into all the time, and not a byte of it is lost (I1, I2, I4, I5; B142-B161).
 */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { ApiClient, ApiFailure } from '@bascule/testkit/api-client.ts';
import { createdName, groupNames } from '@bascule/testkit/pair-changes.ts';
import { powerOn } from '@bascule/testkit/pair-faults.ts';
import { PairScene, type PairSide } from '@bascule/testkit/pair-scene.ts';
import { PairWay } from '@bascule/testkit/pair-way.ts';
import { missingAt, PairWriter } from '@bascule/testkit/pair-writer.ts';
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';
import { SharedAddress } from '@bascule/testkit/shared-address.ts';
import { TypingSession } from '@bascule/testkit/typing-session.ts';
import { SITE_PASSWORD } from '@bascule/testkit/upgrade-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const SYNC_KILLS = 2;
const KILLED_WITHIN_MS = 1500;
const KEYS_IN_BETWEEN = 20;
/** More than the clocks of two sides may differ by, so that one is seen to have gone on after the other took over. */
const BEHIND_THE_MARGIN_MS = 2500;
const random = new SeededRandom();

describe(`a pair (BASCULE_SEED=${random.seed})`, { concurrency: false }, () => {
  let scene: PairScene;
  let a: PairSide;
  let b: PairSide;
  let ways: { a: PairWay; b: PairWay };
  let shared: SharedAddress;
  let typing: TypingSession;

  before(async () => {
    scene = await PairScene.start();
    ({ a, b } = scene);
    ways = { a: await PairWay.to(a.endpointOf(), '127.0.0.3'), b: await PairWay.to(b.endpointOf(), '127.0.0.4') };
    shared = await SharedAddress.start();
  });
  after(async () => {
    typing?.[Symbol.dispose]();
    await scene?.[Symbol.asyncDispose]();
    await shared?.[Symbol.asyncDispose]();
    await ways?.a[Symbol.asyncDispose]();
    await ways?.b[Symbol.asyncDispose]();
  });

  const establishing = (primary: PairSide) => ({
    backup: ways[scene.other(primary).name].endpoint,
    primary: ways[primary.name].endpoint,
    withCertificate: true,
  });

  /** The session goes on: what is typed from here on has arrived. */
  async function goesOn(): Promise<void> {
    const wanted = typing.typedBytes + KEYS_IN_BETWEEN;
    await waitUntil('keys arrive again', () => typing.typedBytes >= wanted && typing.unconfirmedBytes === 0, 90_000);
  }

  /** A person at `side`, whose primary cannot be reached, accepts the loss that is shown. */
  async function takeOver(side: PairSide): Promise<FailoverState> {
    const state = await side.until('sees that the primary is away', ({ peerState }) => peerState === 'unreachable');
    const { exposure } = state;
    assert.ok(exposure !== null, 'it is not shown what would be lost');
    await assert.rejects(side.act('become-primary', { pullFirst: false }), { code: 'FAILOVER_EXPOSURE_CHANGED' });
    const acceptedLoss = { changes: exposure.changes, seconds: exposure.seconds };
    await side.act('become-primary', { pullFirst: false, acceptedLoss });
    const now = await side.until('is primary', ({ self }) => self.role === 'primary');
    shared.moveTo(side.endpointOf());
    const [newest] = now.roles;
    assert.deepEqual([newest?.role, newest?.reason, newest?.by, newest?.lost !== null], ['primary', 'took-over', 'admin', true]);
    return state;
  }

  it('is established: the backup has everything, shows it, changes nothing, and keeps what it had', async () => {
    await a.appliance.startJumpClient({ name: 'far' });
    await a.site.onlineItem('far');
    await createdName(a, 'before');
    await createdName(b, 'of south alone');
    await scene.establish(a, establishing(a));
    const [atA, atB] = await Promise.all([a.state(), b.state()]);
    assert.deepEqual([atA.self.role, atB.self.role, atA.self.epoch], ['primary', 'backup', atB.self.epoch]);
    assert.deepEqual([atB.copy?.state, atB.copy?.lagChanges, atB.exposure?.changes], ['following', 0, 0]);
    assert.deepEqual(
      atB.archives.map(({ reason }) => reason),
      ['replaced'],
    );
    await assert.rejects(createdName(b, 'at the backup'), (error: unknown) => error instanceof ApiFailure);

    assert.deepEqual([keysGiven(a), keysGiven(b)], [1, 0], 'that the web key was given away is in the audit of the box');

    await createdName(a, 'after');
    await scene.caughtUp(a);
    assert.ok((await b.state()).copy?.lastCompletedAtMs, 'the last completed sync is shown');
    await a.act('sync');

    shared.moveTo(a.endpointOf());
    const api = await ApiClient.pin(shared.url);
    api.agent.options.rejectUnauthorized = false;
    await api.logIn('admin', SITE_PASSWORD);
    typing = await TypingSession.start(api, await api.onlineItem('far'));
    await goesOn();
  });

  it('swaps both ways while somebody types, and nothing is lost', async (t) => {
    for (const expected of [b, a]) {
      const primary = await scene.swap();
      assert.equal(primary, expected);
      shared.moveTo(primary.endpointOf());
      await createdName(primary, `swapped to ${primary.name}`);
      await goesOn();
      t.diagnostic(`longest gap ${Math.round(typing.takeLongestGapMs())} ms`);
    }
    assert.deepEqual(await missingAt(a, ['before', 'after', 'swapped to b', 'swapped to a']), []);
  });

  it('loses its primary: a person sees what is lost, takes over, and the old one comes back as backup by itself', async () => {
    await scene.caughtUp(a);
    await a.appliance.die();
    await takeOver(b);
    await goesOn();
    await createdName(b, 'while north was away');
    await powerOn(a.appliance);
    await a.until('follows', ({ self, copy }) => self.role === 'backup' && copy?.state === 'following');
    await scene.caughtUp(b);
    const [atA, atB] = await Promise.all([a.state(), b.state()]);
    assert.deepEqual([atA.conflict, atB.conflict, atA.self.epoch], [null, null, atB.self.epoch]);
    await goesOn();
  });

  it('is written at both sides while they do not see each other: it is shown what each has alone, and Fix archives one side', async () => {
    ways.a.cut();
    ways.b.cut();
    await takeOver(a);
    await createdName(a, 'of north alone');
    await delay(BEHIND_THE_MARGIN_MS);
    await createdName(b, 'of south, which has been taken over');
    ways.a.cut(false);
    ways.b.cut(false);
    const stopped = await b.until(
      'stops, and shows both',
      ({ self, conflict }) => self.role === 'read-only' && conflict?.sides.length === 2,
    );
    assert.deepEqual([stopped.readOnly, stopped.conflict?.kind], ['superseded', 'both-primary']);
    assert.ok(stopped.conflict?.sides.every(({ changes }) => changes > 0));
    await assert.rejects(createdName(b, 'not here'), (error: unknown) => error instanceof ApiFailure);
    await goesOn();

    await b.act('fix', { keep: 'north' });
    await b.until('follows', ({ self, copy }) => self.role === 'backup' && copy?.state === 'following');
    await scene.caughtUp(a);
    assert.deepEqual((await b.state()).archives.map(({ reason }) => reason).slice(0, 1), ['discarded']);
    const names = await groupNames(a);
    assert.deepEqual([names.has('of north alone'), names.has('of south, which has been taken over')], [true, false]);
    await goesOn();
  });

  it(`in synchronous mode no acknowledged change is lost, whenever the primary is killed (${SYNC_KILLS} times)`, async (t) => {
    let [primary, backup] = [a, b];
    await primary.call('PUT', 'failover/settings', z.unknown(), { mode: 'sync' });
    await backup.until('is synchronous', ({ settings }) => settings.mode === 'sync');
    for (let kill = 0; kill < SYNC_KILLS; kill += 1) {
      await scene.caughtUp(primary);
      const writer = new PairWriter(primary, `sync-${kill}`);
      const enough = 3 + random.below(10);
      await waitUntil('some changes were acknowledged', () => writer.acknowledged.length >= enough, 60_000);
      await delay(random.below(KILLED_WITHIN_MS));
      await primary.appliance.die();
      await writer.stop();
      await takeOver(backup);
      t.diagnostic(`${writer.acknowledged.length} changes were acknowledged`);
      assert.deepEqual(await missingAt(backup, writer.acknowledged), []);
      await goesOn();
      await powerOn(primary.appliance);
      [primary, backup] = [backup, primary];
      await backup.until('follows', ({ self, copy }) => self.role === 'backup' && copy?.state === 'following');
    }
    assert.equal(primary, a);
  });

  it('is broken, split, and established again; the session ends whole', async () => {
    await a.act('break');
    await b.until('is read-only', ({ self, readOnly }) => self.role === 'read-only' && readOnly === 'broken');
    assert.equal((await a.state()).self.role, 'single');
    await assert.rejects(createdName(b, 'not here'), (error: unknown) => error instanceof ApiFailure);
    await createdName(a, 'while it is broken');
    await b.act('split');
    const split = await b.until('is a site of its own', ({ self }) => self.role === 'single');
    assert.notEqual(split.self.history, (await a.state()).self.history);
    await createdName(b, 'of the split site');
    await goesOn();

    await scene.establish(a, establishing(a));
    assert.deepEqual((await b.state()).archives.map(({ reason }) => reason).slice(0, 1), ['replaced']);
    assert.equal((await groupNames(a)).has('of the split site'), false);
    await goesOn();
    const { isLost, differences, isRecordingWhole, typedBytes } = await typing.finish();
    assert.ok(typedBytes > 0);
    assert.deepEqual({ isLost, differences, isRecordingWhole }, { isLost: false, differences: [], isRecordingWhole: true });
  });
});

/** By the audit of this box. */
function keysGiven({ appliance }: PairSide): number {
  const database = new DatabaseSync(appliance.paths.boxDatabase, { readOnly: true, timeout: 5000 });
  try {
    const row = database.prepare(`SELECT count(*) AS count FROM audit_event WHERE code = 'WEB_KEY_GIVEN'`).get();
    return Number(row?.['count']);
  } finally {
    database.close();
  }
}
