/**
 * What goes wrong with client programs, on a whole appliance with real clients: each ends connected and with its reason, and what a client may not have it does not get.
 * The faults of a bundle, one by one and with a hurried supervisor, are in packages/client/src/upgrade.proc.test.ts; certificates in certificates.proc.test.ts.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { ok } from '@bascule/protocol/api/common.ts';
import { rollout } from '@bascule/protocol/api/fleet.ts';
import { createdInstaller } from '@bascule/protocol/api/installers.ts';
import { conflicts } from '@bascule/protocol/api/jump.ts';
import { FIRST, SECOND, TEST_FAULT, THIRD, type TestFault } from '@bascule/testkit/fleet-releases.ts';
import { FleetScene, UPGRADE_LIMIT_MS } from '@bascule/testkit/fleet-scene.ts';
import { InstalledProgram } from '@bascule/testkit/installed-program.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { HostileClient } from './hostile-client.ts';

const [OLD, BAD, GOOD] = [FIRST.version, SECOND.version, THIRD.version];
/** Of what waits for the other side without a limit of its own. */
const LIMIT = { timeout: UPGRADE_LIMIT_MS };
/** The least that the protocol allows, for programs that never get well; others have time. */
const [SHORT_HEALTH_SECONDS, LONG_HEALTH_SECONDS] = [10, 300];
/** A parcel of some hundred kilobytes takes half a minute and more. */
const SLOW_BYTES_PER_SECOND = 10_000;
/** Answered messages a client may send in a round; a flood is more. */
const FLOOD_MESSAGES = 5000;

const OUTCOMES = {
  exits: { failure: 'does-not-start', reason: /the cat ate it/ },
  'stays-away': { failure: 'does-not-connect', reason: /no way out/ },
  'has-no-shell': { failure: 'no-shell', reason: /no terminal/ },
} as const satisfies Record<TestFault, object>;
const NAMES = Object.keys(OUTCOMES) as TestFault[];

describe('clients, and what goes wrong with them', { concurrency: false }, () => {
  let scene: FleetScene;
  let hostile: HostileClient;

  before(async () => {
    scene = await FleetScene.start([FIRST, SECOND, THIRD]);
    try {
      await scene.changeSettings({
        rings: [{ name: 'all', groupIds: [], percent: 100, waitMinutes: 0 }],
        maxConcurrent: NAMES.length,
        maxStartsPerSecond: 100,
        haltMinimum: NAMES.length,
        healthSeconds: SHORT_HEALTH_SECONDS,
      });
      for (const name of NAMES) await scene.install({ name, environment: { [TEST_FAULT]: name } });
      hostile = await HostileClient.enrol(scene, await newKey('hostile'));
    } catch (error) {
      await scene[Symbol.asyncDispose]();
      throw error;
    }
  });
  after(async () => {
    hostile?.close();
    await scene?.[Symbol.asyncDispose]();
  });

  async function newKey(name: string, uses = 1): Promise<string> {
    return (await newInstaller(name, uses)).key;
  }
  async function newInstaller(name: string, uses = 1) {
    const body = { program: 'jump-client', name, validForHours: 1, uses, groupId: null, approveEach: false, mode: 'active' };
    const more = { tags: [], comment: '', isGeneric: false, version: 'current' };
    return scene.site.call('POST', 'installers', createdInstaller, { ...body, ...more });
  }

  /** A shell on the client answers. */
  async function useShell(name: string): Promise<void> {
    using viewer = new TestViewer(scene.site, await scene.site.openSession((await scene.client(name)).id));
    viewer.type('printf "%s" re""ady\r');
    await viewer.untilText('ready');
    await scene.site.call('POST', `access-sessions/${viewer.session}/end`, ok, {});
  }

  /** Orders as the site's database has them, by client. */
  function orders(): Map<string, { order: string; state: string; version: string; attempts: number }> {
    using database = new DatabaseSync(scene.appliance.paths.site.database, { readOnly: true });
    const rows = database.prepare('SELECT client_id, order_id, state, version, attempts FROM fleet_upgrades').all();
    return new Map(
      rows.map((row) => [
        String(row['client_id']),
        {
          order: String(row['order_id']),
          state: String(row['state']),
          version: String(row['version']),
          attempts: Number(row['attempts']),
        },
      ]),
    );
  }

  it('a key that was used up, or whose time is over, installs nobody, and the installer says so', async () => {
    const install = async (command: string, name: string) => {
      const directory = join(scene.appliance.directory, name);
      const beside = scene.programs.get(NAMES[0]!)!;
      const program = InstalledProgram.begin({ name, directory, command, beside });
      await waitUntil(`${name} is through`, () => program.id !== undefined || program.hasEnded);
      await program.stop();
      return program;
    };
    const used = await newInstaller('used-up');
    await HostileClient.enrol(scene, used.key).then((client) => client.forget(scene));
    const late = await install(used.installCommand, 'too-many');
    assert.deepEqual([late.id, /not valid \(any more\)/.test(late.log())], [undefined, true], late.log());

    const expired = await newInstaller('expired');
    {
      using database = new DatabaseSync(scene.appliance.paths.site.database, { timeout: 10_000 });
      database.prepare('UPDATE jump_tokens SET valid_until_ms = 1 WHERE id = ?').run(expired.installer.tokenId);
    }
    const tooLate = await install(expired.installCommand, 'too-late');
    assert.deepEqual([tooLate.id, /not valid \(any more\)/.test(tooLate.log())], [undefined, true], tooLate.log());
  });

  it('two machines with one identity: one is held until somebody decides, and the other goes on', async () => {
    const original = scene.programs.get('exits')!;
    const copy = original.copyTo(join(scene.appliance.directory, 'copy'));
    try {
      copy.start();
      const found = await waitUntil('the conflict is shown', async () => {
        const list = (await scene.site.call('GET', 'jump/conflicts', conflicts)).conflicts;
        return list.find(({ clientId }) => clientId === original.id);
      }).catch((error: unknown) => scene.fail(error));
      await useShell('exits');
      await scene.site.call('POST', `jump/conflicts/${found.clientId}/decide`, ok, { keep: 'older' });
      await waitUntil('nobody has to decide any more', async () => {
        return (await scene.site.call('GET', 'jump/conflicts', conflicts)).conflicts.length === 0;
      });
      await useShell('exits');
    } finally {
      await copy[Symbol.asyncDispose]();
    }
  });

  it('a release that fails in three ways: all are rolled back by themselves, and the ring is halted', async () => {
    await hostile.rest();
    await scene.installSite(BAD);
    for (const name of NAMES) {
      const { failure, reason } = OUTCOMES[name];
      const client = await scene.until(name, 'is rolled back', ({ state, online }) => state === 'rolled-back' && online);
      assert.deepEqual([client.failure, client.version], [failure, OLD], JSON.stringify(client));
      assert.match(client.reason ?? '', reason);
      assert.equal(scene.programs.get(name)?.version('current'), OLD);
      await useShell(name);
    }
    const { state, halt } = await waitUntil('the ring is halted', async () => {
      const now = await scene.rollout();
      return now.state === 'halted' && now;
    }).catch((error: unknown) => scene.fail(error));
    assert.deepEqual([state, halt?.code], ['halted', 'failures']);
  });

  it('who claims a version that it does not run is believed nothing; a parcel that was altered installs nothing', async () => {
    // Nobody fetches the parcel before it was altered: its only order is that of a client that does not fetch.
    await scene.changeSettings({
      maxConcurrent: 1,
      haltMinimum: 2,
      healthSeconds: LONG_HEALTH_SECONDS,
      maxBytesPerSecond: null,
    });
    scene.faults.armWait('commit/before');
    const installation = await scene.upgrades.begin(scene.upgrades.target('site', GOOD));
    await scene.faults.untilFired(UPGRADE_LIMIT_MS).catch((error: unknown) => scene.fail(error));
    // Of those who run what comes before: the others could not.
    await hostile.connect(BAD);
    await waitUntil(
      'it is listed',
      async () => (await scene.site.send('POST', `fleet/clients/${hostile.id}/front`, {})).status === 200,
    );
    scene.faults.goOn();
    await scene.committed(installation);
    const order = await hostile.link.next('upgrade');
    const parcels = join(scene.appliance.paths.site.files, 'clients', 'parcels');
    const file = join(parcels, `${order.parcel.sha256}.parcel`);
    const good = readFileSync(file);
    const altered = Buffer.from(good);
    altered[altered.length - 2000]! ^= 1;
    writeFileSync(file, altered);
    hostile.report(order.order, 'done', GOOD);
    await scene.until('hostile', 'has failed', ({ state, version }) => state === 'failed' && version === BAD);

    const victim = await waitUntil(
      'a client was given what is wrong',
      async () => (await scene.clients()).find(({ name, state }) => name !== 'hostile' && state === 'failed'),
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => scene.fail(error));
    assert.deepEqual([victim.failure, victim.version, victim.online], ['wrong-bytes', OLD, true]);
    assert.deepEqual(
      readdirSync(join(scene.programs.get(victim.name)!.directory, 'bundles')).filter((name) => name.startsWith(GOOD)),
      [],
    );
    await useShell(victim.name);
    assert.equal((await scene.rollout()).state, 'halted');
    // The site reads it anew when it starts again, in the next test.
    writeFileSync(file, good);
    await hostile.rest();
    await hostile.forget(scene);
  });

  it('SIGKILL of the whole appliance in the middle: it goes on, nobody is upgraded twice and nobody is forgotten', async () => {
    await scene.changeSettings({ maxBytesPerSecond: SLOW_BYTES_PER_SECOND });
    await scene.site.call('POST', 'fleet/rollout/resume', rollout, { retryFailed: true });
    const busy = await waitUntil(
      'somebody is downloading',
      async () => (await scene.clients()).find(({ state }) => state === 'downloading'),
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => scene.fail(error));
    const before = await waitUntil('it works at its order', () => scene.programs.get(busy.name)!.text('state/order.json'));
    const { order } = JSON.parse(before) as { order: { order: string } };
    await scene.appliance.killAll();
    await scene.appliance.ready();
    await scene.logIn();
    await scene.changeSettings({ maxBytesPerSecond: null });
    for (const name of NAMES) {
      await scene.untilCurrent(name, GOOD);
      assert.deepEqual(
        [scene.programs.get(name)!.version('previous'), scene.programs.get(name)!.version('current')],
        [OLD, GOOD],
      );
      await useShell(name);
    }
    const rows = await waitUntil('all outcomes are in the database', () => {
      const now = orders();
      const mine = NAMES.map((name) => now.get(scene.programs.get(name)!.id ?? ''));
      return mine.every((row) => row?.state === 'done' && row.version === GOOD) && now;
    });
    assert.equal(rows.get(busy.id)?.order, order.order, 'the order that was under way was given again, and no other');
    for (const name of NAMES) {
      const switches = scene.programs
        .get(name)!
        .log()
        .match(/supervisor: .* is the current program/g);
      assert.equal(switches?.length, 1, 'upgraded once');
    }
  });

  it('a client that was taken over gets nothing of the others, ends nothing of theirs, and drowns nobody', LIMIT, async () => {
    const victim = scene.programs.get(NAMES[0]!)!;
    const thief = await HostileClient.enrol(scene, await newKey('thief'));
    try {
      using viewer = new TestViewer(scene.site, await scene.site.openSession(victim.id ?? ''));
      viewer.type('printf "%s" wor""king\r');
      await viewer.untilText('working');
      const before = orders();
      const { order } = before.get(victim.id ?? '')!;
      for (const name of readdirSync(join(scene.appliance.paths.site.files, 'clients', 'parcels')))
        assert.equal((await thief.fetch(`/parcels/${name.split('.')[0]}`)).status, 404, name);
      assert.equal((await thief.fetch('/api/jump/items')).status, 404);
      await thief.connect(GOOD);
      thief.link.send({ kind: 'ticket-request', session: viewer.session });
      assert.equal((await thief.link.next('session-forget')).session, viewer.session, 'no ticket for it');
      thief.link.send({ kind: 'session-gone', session: viewer.session });
      thief.link.send({ kind: 'session-failed', session: viewer.session, reason: 'because I say so' });
      thief.report(order, 'rolled-back', BAD);
      thief.link.send({ kind: 'goodbye' });
      // Answered in order: what was sent before has been heard.
      thief.link.send({ kind: 'ticket-request', session: viewer.session });
      await thief.link.next('session-forget');
      await thief.rest();
      viewer.type('printf "%s" st""ill\r');
      await viewer.untilText('still');
      assert.deepEqual(orders(), before);

      await thief.connect(GOOD);
      for (let sent = 0; sent < FLOOD_MESSAGES; sent++) thief.report(order, 'done', GOOD);
      await thief.link.closed;
      await thief.connect(GOOD);
      thief.link.send('x'.repeat(1_000_000));
      await thief.link.closed;
      viewer.type('printf "%s" un""moved\r');
      await viewer.untilText('unmoved');
      assert.deepEqual(orders(), before);
      await scene.site.call('POST', `access-sessions/${viewer.session}/end`, ok, {});
    } finally {
      thief.close();
    }
  });
});
