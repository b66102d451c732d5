import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { fleetClientsQuery, type FleetSettings } from '@bascule/protocol/api/fleet.ts';
import { readAudit } from '@bascule/store/audit.ts';
import { ADMINISTRATOR } from '../jump/testing.ts';
import { REQUESTS_PER_MINUTE } from './downloads.ts';
import { fleetPage } from './fleet-list.ts';
import { ALL_AT_ONCE, bundleOf, FleetBench, NEW, OLD, softwareOf, TestClient, TestPrograms, until } from './testing.ts';

/** Each test has a site of its own, and waits more than it works. */
const SIDE_BY_SIDE = { concurrency: 4 };

async function open(t: TestContext, settings: Partial<FleetSettings> = {}, options: Parameters<typeof FleetBench.open>[0] = {}) {
  const bench = await FleetBench.open(options);
  t.after(() => bench.close());
  bench.fleet.changeSettings(ADMINISTRATOR, { ...ALL_AT_ONCE, ...settings });
  return bench;
}
const counts = (bench: FleetBench) => bench.fleet.picture().counts;

describe('upgrades of clients', SIDE_BY_SIDE, () => {
  it('orders, serves the parcel, and believes the outcome when the client runs what was ordered', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    const order = await client.order();
    assert.equal(bench.fleet.stateOf(client.id), 'downloading');
    const row = bench.site.store.get<{ state: string }>('SELECT state FROM fleet_upgrades WHERE order_id = ?', order.order);
    assert.equal(row?.state, 'downloading', 'written before it left');
    const parcel = await client.fetch(`/parcels/${order.parcel.sha256}`);
    assert.equal(parcel.status, 200);
    assert.equal(createHash('sha256').update(parcel.body).digest('hex'), order.parcel.sha256);
    const rest = await client.fetch(`/parcels/${order.parcel.sha256}`, { range: 'bytes=19990-' });
    assert.equal(rest.status, 206);
    assert.deepEqual(rest.body, parcel.body.subarray(19_990));
    assert.equal(rest.headers['content-range'], `bytes 19990-19999/20000`);
    await client.obey(order);
    assert.equal(bench.fleet.stateOf(client.id), 'current');
    const stored = bench.site.store.get<{ state: string }>('SELECT state FROM fleet_upgrades WHERE order_id = ?', order.order);
    assert.equal(stored?.state, 'done', 'on disk before it was noted');
    await until(() => bench.fleet.picture().state === 'done', 'the end of the rollout');
    assert.deepEqual(
      bench.mails.map(({ kind }) => kind),
      ['clients-upgraded'],
    );
    assert.ok(bench.fleet.picture().bytesSent >= 20_000);
  });

  it('has no more at once than the limit, nor anybody in a session', async (t) => {
    const bench = await open(t, { maxConcurrent: 2 });
    const clients = [];
    for (let index = 0; index < 4; index += 1) clients.push(await TestClient.make(bench, { away: true }));
    bench.inSession.add(clients[0]!.id);
    for (const client of clients) await client.connect();
    const [one, two] = await Promise.all([clients[1]!.order(), clients[2]!.order()]);
    assert.deepEqual(counts(bench), { ...counts(bench), downloading: 2, waitingForSession: 1, pending: 1 });
    assert.equal(bench.fleet.placeOf(clients[3]!.id), 1);
    await clients[1]!.obey(one);
    await clients[3]!.order();
    await clients[2]!.obey(two);
    bench.session(clients[0]!, false);
    await clients[0]!.order();
  });

  it('takes the slot from a client on which a session begins', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    const order = await client.order();
    bench.session(client, true);
    assert.equal((await client.link.next('upgrade-cancel')).order, order.order);
    assert.equal(bench.fleet.stateOf(client.id), 'waiting-for-session');
    assert.equal((await client.fetch(`/parcels/${order.parcel.sha256}`)).status, 404);
    bench.session(client, false);
    assert.notEqual((await client.order()).order, order.order);
  });

  it('waits for the commit, and for being switched on', async (t) => {
    const bench = await open(t, { upgrades: 'off' }, { fleet: { isCommitted: false } });
    await TestClient.make(bench);
    assert.equal(bench.fleet.picture().state, 'waiting-for-commit');
    bench.fleet.committed();
    assert.equal(bench.fleet.picture().state, 'off');
    const other = await TestClient.make(bench);
    assert.ok(!other.link.received.some(({ kind }) => kind === 'upgrade'));
    assert.equal(bench.fleet.startCycle(ADMINISTRATOR).state, 'running');
    await other.order();
  });

  it('halts when a bundle is broken, tells the administrators, and keeps what runs', async (t) => {
    const bench = await open(t, { maxConcurrent: 3, haltMinimum: 2 });
    const clients = [];
    for (let index = 0; index < 5; index += 1) clients.push(await TestClient.make(bench));
    const orders = await Promise.all(clients.slice(0, 3).map((client) => client.order()));
    clients[0]!.report(orders[0]!, 'rolled-back', { failure: 'does-not-start', reason: 'SyntaxError' });
    await clients[0]!.link.next('upgrade-noted');
    clients[1]!.report(orders[1]!, 'rolled-back', { failure: 'does-not-start' });
    await clients[1]!.link.next('upgrade-noted');
    assert.equal((await clients[2]!.link.next('upgrade-cancel')).order, orders[2]!.order);
    const { state, halt } = bench.fleet.picture();
    assert.equal(state, 'halted');
    assert.deepEqual([halt?.code, halt?.failed, halt?.begun, halt?.percent], ['failures', 2, 4, 50]);
    assert.deepEqual(
      bench.mails.map(({ kind }) => kind),
      ['clients-halted'],
    );
    const codes = bench.site.auditCodes();
    assert.ok(codes.includes('FLEET_ROLLOUT_HALTED'));
    await until(
      () => bench.site.auditCodes().filter((code) => code === 'FLEET_UPGRADE_FAILED').length === 2,
      'an event for each failure',
    );
    assert.equal(bench.fleet.stateOf(clients[0]!.id), 'rolled-back');
    bench.fleet.resume(ADMINISTRATOR, true);
    await Promise.all(clients.slice(2).map((client) => client.order()));
  });

  it('pauses and resumes', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    await client.order();
    assert.equal(bench.fleet.pause(ADMINISTRATOR).state, 'paused');
    await client.link.next('upgrade-cancel');
    assert.equal(bench.fleet.resume(ADMINISTRATOR, false).state, 'running');
    await client.order();
  });

  it('halts when nothing is signed, and goes on by itself when it is', async (t) => {
    const bench = await open(t);
    bench.programs.problem = 'no-signed-programs';
    const client = await TestClient.make(bench);
    await until(() => bench.fleet.picture().halt?.code === 'no-signed-programs', 'the halt');
    bench.programs.problem = undefined;
    bench.programs.changed();
    await until(() => bench.fleet.picture().halt === null, 'going on');
    assert.ok(['pending', 'downloading'].includes(bench.fleet.stateOf(client.id)));
  });

  it('goes through the versions in their order', async (t) => {
    const bench = await open(t, {}, { programs: new TestPrograms(['0.2.0', '0.3.0']) });
    const client = await TestClient.make(bench);
    const first = await client.order();
    assert.equal(first.version, '0.2.0');
    await client.obey(first);
    const second = await client.order();
    assert.equal(second.version, '0.3.0');
    await client.obey(second);
    assert.equal(bench.fleet.stateOf(client.id), 'current');
  });
});

describe('what clients claim', SIDE_BY_SIDE, () => {
  it('is no upgrade when the bundle is not the ordered one', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    const order = await client.order();
    await client.disconnect();
    client.version = NEW;
    await client.connect({ software: softwareOf(NEW, { bundle: bundleOf('something else') }) });
    client.report(order, 'done');
    await client.link.next('upgrade-noted');
    assert.equal(bench.fleet.stateOf(client.id), 'failed');
    const shown = bench.fleet.view.core.entries.get(client.id);
    assert.equal(shown?.failure, 'wrong-bytes');
  });

  it('is shown as it is when nothing was ordered, and proves nothing', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench, { version: NEW });
    assert.equal(bench.fleet.stateOf(client.id), 'current');
    const ahead = await TestClient.make(bench, { version: '9.0.0' });
    assert.equal(bench.fleet.stateOf(ahead.id), 'ahead');
    const plain = await TestClient.make(bench, { away: true });
    await plain.connect({ software: softwareOf(OLD, { upgradable: false }) });
    assert.equal(bench.fleet.stateOf(plain.id), 'unsupported');
    client.link.send({
      kind: 'upgrade-status',
      order: 'upg_01920c5e-0000-7000-8000-000000000000',
      state: 'done',
      version: NEW,
      atMs: 1,
    });
    await client.link.next('upgrade-noted');
    assert.equal(bench.site.store.get<{ count: number }>('SELECT count(*) AS count FROM fleet_upgrades')?.count, 0);
  });

  it('is not heard of a second machine with the same identity', async (t) => {
    const bench = await open(t, { upgrades: 'off' });
    const client = await TestClient.make(bench);
    const first = client.link;
    client.version = NEW;
    await client.connect({ instance: 'f'.repeat(32) });
    assert.equal(bench.fleet.stateOf(client.id), 'pending', 'the older link counts');
    bench.fleet.startCycle(ADMINISTRATOR);
    await first.next('upgrade');
    assert.ok(!client.link.received.some(({ kind }) => kind === 'upgrade'));
  });

  it('gets nothing before it is approved', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench, { approveEach: true });
    assert.equal(counts(bench).total, 0);
    bench.site.jump.approve(ADMINISTRATOR, client.id);
    await client.order();
  });
});

describe('parcels', SIDE_BY_SIDE, () => {
  it('exist only for the client that was ordered to fetch them', async (t) => {
    const bench = await open(t, { maxConcurrent: 1 });
    const client = await TestClient.make(bench);
    const order = await client.order();
    const other = await TestClient.make(bench);
    const path = `/parcels/${order.parcel.sha256}`;
    const answers = [
      await other.fetch(path),
      await other.fetch('/parcels/../../etc/passwd'),
      await other.fetch('/'),
      await client.fetch(path, {}, 'POST'),
      await client.fetch(`/parcels/${'0'.repeat(64)}`),
      await client.fetch(`${path}?x=1`),
    ];
    for (const { status, body, headers } of answers) {
      assert.equal(status, 404);
      assert.equal(body.length, 0);
      assert.deepEqual(Object.keys(headers).sort(), ['connection', 'content-length', 'date']);
    }
    assert.equal((await client.fetch(path, { range: 'bytes=20000-' })).status, 416);
    assert.equal((await client.fetch(path, { range: 'bytes=5-9' })).body.length, 5);
  });

  it('are not found by a client that floods', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    const order = await client.order();
    const path = `/parcels/${order.parcel.sha256}`;
    assert.equal((await client.fetch(path)).status, 200);
    for (let round = 0; round < 5; round += 1)
      await Promise.all(Array.from({ length: REQUESTS_PER_MINUTE / 4 }, () => client.fetch('/parcels/', {}, 'HEAD')));
    assert.equal((await client.fetch(path)).status, 404);
    const other = await TestClient.make(bench);
    assert.equal((await other.fetch(`/parcels/${(await other.order()).parcel.sha256}`)).status, 200, 'others are served');
  });
});

describe('a restart of the site', SIDE_BY_SIDE, () => {
  it('forgets nobody and upgrades nobody twice', async (t) => {
    const programs = new TestPrograms();
    const first = await FleetBench.open({ programs });
    first.fleet.changeSettings(ADMINISTRATOR, { ...ALL_AT_ONCE, maxConcurrent: 3 });
    const clients = [];
    for (let index = 0; index < 5; index += 1) clients.push(await TestClient.make(first));
    const [done, trying, fetching, waiting, away] = clients as [TestClient, TestClient, TestClient, TestClient, TestClient];
    const orders = await Promise.all([done.order(), trying.order(), fetching.order()]);
    await done.obey(orders[0]);
    await waiting.order();
    trying.report(orders[1], 'restarting');
    await until(
      () =>
        first.site.store.get<{ state: string }>('SELECT state FROM fleet_upgrades WHERE order_id = ?', orders[1].order)?.state ===
        'restarting',
      'the trial in the row',
    );
    await first.close({ keep: true });

    const bench = await FleetBench.open({ programs, directory: first.site.directory });
    t.after(() => bench.close());
    for (const client of clients) client.bench = bench;
    await until(() => counts(bench).total === 5, 'all clients read');
    assert.equal(bench.fleet.stateOf(done.id), 'current');
    assert.equal(bench.fleet.stateOf(trying.id), 'restarting');
    await done.connect();
    // It was done while the site was away, and has not been noted.
    trying.version = NEW;
    await trying.connect({ upgrade: { order: orders[1].order, state: 'done', version: NEW, atMs: Date.now() } });
    await trying.link.next('upgrade-noted');
    assert.equal(bench.fleet.stateOf(trying.id), 'current');
    const { status } = await fetching.fetch(`/parcels/${orders[2].parcel.sha256}`);
    assert.equal(status, 200, 'its download goes on, although its link is not back yet');
    await fetching.connect({ upgrade: { order: orders[2].order, state: 'downloading', version: NEW, atMs: Date.now() } });
    assert.equal(bench.fleet.stateOf(fetching.id), 'downloading');
    assert.ok(!fetching.link.received.some(({ kind }) => kind === 'upgrade'), 'it has its order');
    await waiting.connect();
    const again = await waiting.order();
    const rows = bench.site.store.all<{ order: string }>(
      'SELECT order_id AS "order" FROM fleet_upgrades WHERE client_id = ?',
      waiting.id,
    );
    assert.deepEqual(
      rows.map(({ order }) => order),
      [again.order],
      'the same order',
    );
    await away.connect();
    await away.order();
  });

  it('makes a new rollout for a new version: what is on trial goes on, other orders are void', async (t) => {
    const first = await FleetBench.open({ programs: new TestPrograms(['0.2.0']) });
    t.after(() => first.programs.close());
    first.fleet.changeSettings(ADMINISTRATOR, ALL_AT_ONCE);
    const [trying, fetching] = [await TestClient.make(first), await TestClient.make(first)];
    const [one, two] = await Promise.all([trying.order(), fetching.order()]);
    trying.report(one, 'restarting');
    await until(
      () =>
        first.site.store.get<{ state: string }>('SELECT state FROM fleet_upgrades WHERE order_id = ?', one.order)?.state ===
        'restarting',
      'the trial in the row',
    );
    await first.close({ keep: true });
    const bench = await FleetBench.open({ programs: new TestPrograms(['0.2.0', '0.3.0']), directory: first.site.directory });
    t.after(() => bench.close());
    await until(() => counts(bench).total === 2, 'all clients read');
    assert.equal(bench.fleet.stateOf(trying.id), 'restarting');
    assert.equal(bench.fleet.stateOf(fetching.id), 'pending');
    fetching.bench = bench;
    await fetching.connect({ upgrade: { order: two.order, state: 'downloading', version: '0.2.0', atMs: Date.now() } });
    assert.equal((await fetching.link.next('upgrade-cancel')).order, two.order);
    assert.notEqual((await fetching.order()).order, two.order);
    trying.bench = bench;
    trying.version = '0.2.0';
    await trying.connect({ upgrade: { order: one.order, state: 'done', version: '0.2.0', atMs: Date.now() } });
    await trying.link.next('upgrade-noted');
    assert.equal((await trying.order()).version, '0.3.0');
  });
});

describe('people and the queue', SIDE_BY_SIDE, () => {
  it('a jump to an older client moves it to the front, and waits when the policy is current clients only', async (t) => {
    const bench = await open(t, { maxConcurrent: 1 });
    const clients = [];
    for (let index = 0; index < 4; index += 1) clients.push(await TestClient.make(bench));
    const first = await clients[0]!.order();
    assert.equal(bench.fleet.placeOf(clients[2]!.id), 2);
    assert.equal(bench.fleet.holdBack(ADMINISTRATOR, clients[2]!.id), undefined);
    assert.equal(bench.fleet.placeOf(clients[2]!.id), 1);
    bench.fleet.changeSettings(ADMINISTRATOR, { ...bench.fleet.settings(), jumpToOlder: 'current-only' });
    assert.equal(bench.fleet.placeOf(clients[3]!.id), 3);
    assert.deepEqual(bench.fleet.holdBack(ADMINISTRATOR, clients[3]!.id), { place: 2 });
    assert.ok(bench.site.auditCodes().includes('FLEET_CLIENT_TO_FRONT'));
    await clients[0]!.obey(first);
    assert.equal(bench.fleet.holdBack(ADMINISTRATOR, clients[0]!.id), undefined);
    await clients[2]!.obey(await clients[2]!.order());
    await clients[3]!.order();
  });

  it('bulk uninstall: told now, at the next connect, or never', async (t) => {
    const bench = await open(t, { upgrades: 'off' });
    const here = await TestClient.make(bench, { name: 'here' });
    const away = await TestClient.make(bench, { name: 'away' });
    const plain = await TestClient.make(bench, { name: 'plain', away: true });
    await plain.connect({ software: softwareOf(OLD, { upgradable: false }) });
    await until(() => bench.site.jump.item(away.id)?.revision === 'abc1234', 'its software in the row');
    await away.disconnect();
    await until(() => !bench.site.jump.isOnline(away.id), 'it is away');
    const answer = bench.fleet.uninstalls.order(ADMINISTRATOR, [here.id, away.id, plain.id]);
    assert.deepEqual(Object.fromEntries(answer.clients.map(({ name, state }) => [name, state])), {
      here: 'told',
      away: 'will-be-told',
      plain: 'cannot',
    });
    await here.link.next('uninstall');
    here.link.send({ kind: 'uninstalling' });
    await until(() => bench.site.jump.item(here.id)?.state === 'revoked', 'its identity is refused from now on');
    const { store } = bench.site;
    const listed = () => fleetPage(store, bench.fleet.view, fleetClientsQuery.parse({ order: 'name' })).clients;
    await until(() => listed().length === 2, 'it is no client of the fleet any more');
    assert.deepEqual(
      listed().map(({ name, state, reason }) => [name, state, reason]),
      [
        ['away', 'pending', null],
        ['plain', 'unsupported', 'It was started from a checkout or by an earlier installer: install it anew.'],
      ],
    );
    assert.equal(counts(bench).total, 2);
    await away.connect();
    await away.link.next('uninstall');
    away.link.send({ kind: 'uninstalling', failed: 'not root' });
    await until(() => bench.site.auditCodes().includes('FLEET_UNINSTALL_FAILED'), 'the reason in the audit');
    assert.equal(bench.site.jump.item(away.id)?.state, 'approved');
  });

  it('every act is in the audit, with who did it', async (t) => {
    const bench = await open(t);
    bench.fleet.pause(ADMINISTRATOR);
    bench.fleet.resume(ADMINISTRATOR, true);
    const events = readAudit(bench.site.store, { limit: 50 }).filter(({ code }) => /PAUSED|RESUMED|SETTINGS/.test(code));
    assert.deepEqual(
      events.map(({ code, actorName }) => [code, actorName]),
      [
        ['FLEET_ROLLOUT_RESUMED', 'ada'],
        ['FLEET_ROLLOUT_PAUSED', 'ada'],
        ['FLEET_SETTINGS_CHANGED', 'ada'],
      ],
    );
  });

  it('tells base whether the fleet is settled', async (t) => {
    const bench = await open(t);
    const client = await TestClient.make(bench);
    const order = await client.order();
    assert.deepEqual(
      { ...(await bench.fleet.settled()), text: '' },
      { total: 1, current: 0, pending: 1, absent: 0, failed: 0, isSettled: false, text: '' },
    );
    await client.obey(order);
    const settled = await bench.fleet.settled();
    assert.equal(settled.isSettled, true);
    assert.match(settled.text, /1 of 1 clients/);
  });
});
