/** A real supervisor with the real program, against a real site: whatever goes wrong, the old program is connected afterwards, and says what went wrong. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { newId } from '@bascule/core/ids.ts';
import type { UpgradeFailure, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { KILLER } from '../test/killer.ts';
import { InstalledClient, OLD_VERSION, UpgradeSite, type Fault, type OrderOptions } from '../test/upgrade-scene.ts';

const OLD_FOLDER = `${OLD_VERSION}-000000000000`;
/** The shortest that the protocol allows; the supervisor of these tests counts them quicker. */
const SHORT_HEALTH_SECONDS = 10;
const LONG_HEALTH_SECONDS = 60;
const LIMIT = { timeout: 30_000 };
type Cleanup = { after(work: () => Promise<void> | void): void };

let at: UpgradeSite;
let versions = 0;
before(async () => (at = await UpgradeSite.open()));
after(() => at.close());

/** An order for a version of its own. */
async function orderWith(fault: Fault, options: Omit<OrderOptions, 'fault'> = {}): Promise<UpgradeOrder> {
  versions += 1;
  return at.orderOf(`0.3.${versions}`, { fault, ...options });
}

async function install(context: Cleanup, options = {}): Promise<InstalledClient> {
  const client = await InstalledClient.install(at, options);
  context.after(() => client.stop());
  await at.connectedWith(client.id, OLD_VERSION);
  return client;
}

const folderOf = (order: UpgradeOrder) => `${order.version}-${order.sha256.slice(0, 12)}`;

/** The order came to nothing as it should: said with its reason, and the old program is there. */
async function assertCameToNothing(
  client: InstalledClient,
  order: UpgradeOrder,
  expected: { state: 'failed' | 'rolled-back'; failure: UpgradeFailure; reason?: RegExp },
): Promise<void> {
  const outcome = await at.outcome(client.id, order);
  assert.deepEqual([outcome.state, outcome.failure], [expected.state, expected.failure], `${outcome.reason} ${client.output}`);
  assert.match(outcome.reason ?? '', expected.reason ?? /\w+/);
  await at.connectedWith(client.id, OLD_VERSION);
  assert.equal(client.text('current'), OLD_FOLDER);
  assert.equal(client.text('trial.json'), undefined);
  assert.equal(existsSync(join(client.directory, 'state', 'order.json')), false, 'it is not tried again by itself');
}

describe('upgrades of a client', { concurrency: 3 }, () => {
  test(
    'fetched, verified, tried, committed; the same order again changes nothing; two slots are kept',
    LIMIT,
    async (context) => {
      const client = await install(context);
      const orders = [await orderWith('none'), await orderWith('none')];
      for (const [index, order] of orders.entries()) {
        at.give(client.id, order);
        const outcome = await at.outcome(client.id, order);
        assert.equal(outcome.state, 'done', `${outcome.reason} ${client.output}`);
        await at.connectedWith(client.id, order.version);
        assert.equal(client.text('current'), folderOf(order));
        for (const pointer of ['current', 'previous'])
          assert.equal(statSync(join(client.directory, pointer)).mode & 0o777, 0o644, 'everybody may ask which version runs');
        assert.equal(client.text('previous'), index === 0 ? OLD_FOLDER : folderOf(orders[0]!));
        at.give(client.id, order);
        await at.until(
          () => at.reports(client.id).filter(({ order: id, state }) => id === order.order && state === 'done').length >= 2,
        );
        at.site.jump.sendToClient(client.id, { kind: 'upgrade-noted', order: order.order });
      }
      const { code, output } = await client.command('status');
      assert.match(output, new RegExp(`jump-client ${orders[1]!.version}`));
      assert.equal(code, 0);
      assert.equal(client.text('outcome.json'), undefined);
      assert.deepEqual(readdirSync(join(client.directory, 'bundles')).toSorted(), orders.map(folderOf).toSorted());
      assert.deepEqual(readdirSync(join(client.directory, 'state', 'parcels')), []);
      const trials = at.heard(client.id).filter((message) => message.kind === 'hello' && message.software?.trial === true);
      assert.deepEqual(
        trials.map((message) => message.kind === 'hello' && message.upgrade?.state),
        ['restarting', 'restarting'],
      );
    },
  );

  // One client after the other order: whatever came before, it is the old program that takes the next one.
  const faults: [Fault, UpgradeFailure, RegExp][][] = [
    [
      ['exits at once', 'does-not-start', /the cat ate it/],
      ['opens no shell', 'no-shell', /no terminal/],
      ['cannot connect', 'does-not-connect', /no way out/],
    ],
    [['loses its link', 'does-not-connect', /./]],
    [['hangs', 'does-not-connect', /./]],
  ];
  for (const several of faults) {
    const names = several.map(([fault]) => fault).join(', one that ');
    test(`a program that ${names}: rolled back`, LIMIT, async (context) => {
      const client = await install(context);
      for (const [fault, failure, reason] of several) {
        // Programs that end or give up by themselves need no deadline.
        const healthSeconds = failure === 'does-not-connect' ? SHORT_HEALTH_SECONDS : LONG_HEALTH_SECONDS;
        const order = await orderWith(fault, { changes: { healthSeconds } });
        at.give(client.id, order);
        await assertCameToNothing(client, order, { state: 'rolled-back', failure, reason });
        // It is told until the site has it.
        at.site.jump.sendToClient(client.id, { kind: 'upgrade-noted', order: order.order });
      }
      if (several.length === 1) return;
      const next = await orderWith('none');
      at.give(client.id, next);
      assert.equal((await at.outcome(client.id, next)).state, 'done');
    });
  }

  test(
    'a parcel that is altered on the way, cannot open a shell, or that nobody signed: refused, and never tried',
    LIMIT,
    async (context) => {
      const client = await install(context);
      const altered = await orderWith('none');
      const bytes = readFileSync(at.served(altered.parcel).file);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(at.served(altered.parcel).file, bytes);
      at.give(client.id, altered);
      await assertCameToNothing(client, altered, { state: 'failed', failure: 'wrong-bytes' });

      // Signed, but its native part is broken: it never gets as far as a trial.
      const broken = await orderWith('none', { pty: Buffer.from('no library') });
      at.give(client.id, broken);
      await assertCameToNothing(client, broken, { state: 'failed', failure: 'no-shell', reason: /No shell can be opened/ });

      // The client trusts its root from here on; whoever holds the site has other keys, and gives another root too.
      const good = await orderWith('none');
      at.give(client.id, good);
      await at.outcome(client.id, good);
      await at.connectedWith(client.id, good.version);
      const thief = await at.repositoryOfAnother();
      const evil = await at.orderOf('0.9.9', { repository: thief });
      at.give(client.id, evil);
      const outcome = await at.outcome(client.id, evil);
      assert.deepEqual([outcome.state, outcome.failure], ['failed', 'signature']);
      assert.equal(client.text('current'), folderOf(good));
      const older = await at.orderOf('0.1.9');
      at.give(client.id, older);
      assert.equal((await at.outcome(client.id, older)).failure, 'refused');
      const renamed = { ...(await orderWith('none')), version: '0.9.8', order: newId('clientUpgrade') };
      at.give(client.id, renamed);
      assert.equal((await at.outcome(client.id, renamed)).failure, 'refused');
    },
  );

  test('a download that is cut goes on where it stopped; one that never comes ends', LIMIT, async (context) => {
    const client = await install(context);
    const order = await orderWith('none');
    const asked: number[] = [];
    at.served(order.parcel).answer = (_request, response, from) => {
      asked.push(from);
      if (asked.length > 1) return false;
      response.writeHead(200, { 'content-length': order.parcel.bytes });
      response.write(readFileSync(at.served(order.parcel).file).subarray(0, order.parcel.bytes >> 1), () => response.destroy());
      return true;
    };
    at.give(client.id, order);
    assert.equal((await at.outcome(client.id, order)).state, 'done');
    assert.equal(asked.length, 2);
    assert.ok(asked[1]! > 0 && asked[1]! <= order.parcel.bytes >> 1, `went on at ${asked[1]}`);

    await at.connectedWith(client.id, order.version);
    const lost = await orderWith('none');
    at.served(lost.parcel).answer = (_request, response) => response.destroy() !== undefined;
    at.give(client.id, lost);
    const outcome = await at.outcome(client.id, lost);
    assert.deepEqual([outcome.state, outcome.failure], ['failed', 'download-cut']);
  });

  test(
    'another runtime comes along when it is ordered, and the one before stays as long as its bundle does',
    LIMIT,
    async (context) => {
      const client = await install(context);
      const runtime = await at.runtime();
      const order = await orderWith('none', { changes: { runtime } });
      at.give(client.id, order);
      const outcome = await at.outcome(client.id, order);
      assert.equal(outcome.state, 'done', `${outcome.reason} ${client.output}`);
      await at.connectedWith(client.id, order.version);
      assert.equal(client.text(`bundles/${folderOf(order)}/runtime.txt`), runtime.sha256.slice(0, 16));
      assert.equal(readdirSync(join(client.directory, 'runtimes')).length, 2);
      const hello = at.heard(client.id).findLast((message) => message.kind === 'hello');
      assert.deepEqual(
        [hello?.software?.runtime, hello?.software?.bundle, hello?.software?.upgradable],
        [runtime.sha256, order.sha256, true],
      );
    },
  );

  test(
    'a shell that is asked for in the middle of it opens in the new version, as soon as that is to stay',
    LIMIT,
    async (context) => {
      const client = await install(context);
      const order = await orderWith('none');
      const session = newId('accessSession');
      const program = {
        kind: 'shell' as const,
        size: { cols: 80, rows: 24 },
        term: 'xterm',
        recordInput: false,
        giveUpAfterMs: 60_000,
      };
      const open = () => at.site.jump.sendToClient(client.id, { kind: 'session-open', session, program, ticket: 'none' });
      const said = (kind: string) => at.heard(client.id).findIndex((message) => message.kind === kind);
      at.give(client.id, order);
      await at.until(() => at.reports(client.id).find(({ state }) => state === 'restarting'));
      open();
      // As the site does at each connect of a client that does not hold the session yet.
      await at.until(() => at.helloCount(client.id) >= 2 && at.site.jump.isOnline(client.id));
      open();
      assert.equal((await at.outcome(client.id, order)).state, 'done', client.output);
      await at.until(() => said('ticket-request') >= 0);
      const done = at.heard(client.id).findIndex((message) => message.kind === 'upgrade-status' && message.state === 'done');
      assert.ok(said('ticket-request') > done);
      assert.deepEqual([said('session-failed'), said('goodbye')], [-1, -1]);
      at.site.jump.sendToClient(client.id, { kind: 'session-forget', session });
    },
  );

  test('the program is restarted in the middle of a download: it goes on by itself', LIMIT, async (context) => {
    const client = await install(context);
    const order = await orderWith('none');
    let isStopped = false;
    at.served(order.parcel).answer = (_request, response) => {
      if (isStopped) return false;
      isStopped = true;
      response.writeHead(200, { 'content-length': order.parcel.bytes });
      response.write(readFileSync(at.served(order.parcel).file).subarray(0, 1000), () => client.supervisor?.kill('SIGTERM'));
      return true;
    };
    at.give(client.id, order);
    await once(client.supervisor!, 'close');
    client.start();
    assert.equal((await at.outcome(client.id, order)).state, 'done');
  });

  test('a full disk: said, and nothing is changed; with room again the next order succeeds', LIMIT, async (context) => {
    if (process.getuid?.() !== 0) return context.skip('needs root, to mount');
    const directory = join(at.directory, 'small-disk');
    mkdirSync(directory);
    assert.equal(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory]).status, 0);
    context.after(() => void spawnSync('umount', ['-l', directory]));
    const client = await install(context, { directory });
    const filler = join(directory, 'filler');
    const fill = () => spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']);
    const full = await orderWith('none');
    fill();
    at.give(client.id, full);
    assert.deepEqual((await at.outcome(client.id, full)).failure, 'disk-full');
    truncateSync(filler, 0);
    const filling = await orderWith('none');
    at.served(filling.parcel).answer = () => fill() === undefined;
    at.give(client.id, filling);
    await assertCameToNothing(client, filling, { state: 'failed', failure: 'disk-full' });
    truncateSync(filler, 0);
    const order = await orderWith('none');
    at.give(client.id, order);
    assert.equal((await at.outcome(client.id, order)).state, 'done', client.output);
  });

  test('a live shell is waited for; a cancelled order switches nothing', LIMIT, async (context) => {
    const client = await install(context);
    const session = newId('accessSession');
    const program = {
      kind: 'shell' as const,
      size: { cols: 80, rows: 24 },
      term: 'xterm',
      recordInput: false,
      giveUpAfterMs: 60_000,
    };
    at.site.jump.sendToClient(client.id, { kind: 'session-open', session, program, ticket: 'none' });
    const [cancelled, order] = [await orderWith('none'), await orderWith('none')];
    const waits = (id: string) =>
      at.until(() => at.reports(client.id).find((report) => report.order === id && report.state === 'waiting-for-session'));
    at.give(client.id, cancelled);
    await waits(cancelled.order);
    at.site.jump.sendToClient(client.id, { kind: 'upgrade-cancel', order: cancelled.order });
    at.give(client.id, order);
    await waits(order.order);
    assert.equal(client.text('trial.json'), undefined);
    at.site.jump.sendToClient(client.id, { kind: 'session-forget', session });
    assert.equal((await at.outcome(client.id, order)).state, 'done');
    assert.equal(client.text('current'), folderOf(order));
    assert.equal(
      at.reports(client.id).some((report) => report.order === cancelled.order && report.state === 'restarting'),
      false,
    );
  });
});

describe('a supervisor that is killed', { concurrency: 3 }, () => {
  /** Starts a client whose supervisor is killed at a step, lets the order run into it, and starts the supervisor again. */
  async function killedAt(context: Cleanup, fault: Fault, step: number, when: 'before' | 'after') {
    const client = await InstalledClient.install(at, { start: false });
    context.after(() => client.stop());
    const killer = join(client.directory, 'killer.mjs');
    const notes = join(client.directory, 'notes');
    writeFileSync(killer, KILLER);
    appendFileSync(notes, '');
    const supervisor = client.start(killer, { TEST_KILL: JSON.stringify([step, when, notes]) });
    await at.connectedWith(client.id, OLD_VERSION);
    const order = await orderWith(fault, { changes: { healthSeconds: LONG_HEALTH_SECONDS } });
    at.give(client.id, order);
    await once(supervisor, 'exit');
    assert.equal(supervisor.signalCode, 'SIGKILL', client.output);
    client.start();
    return { client, order, notes: readFileSync(notes, 'utf8').trim().split('\n') };
  }

  // Every other step, with small programs: supervisor-kills.proc.test.ts.
  test('between its two pointers: the upgrade is done all the same', LIMIT, async (context) => {
    const { client, order, notes } = await killedAt(context, 'none', 4, 'before');
    assert.equal(
      notes.findLast((line) => /^(rename|remove)/.test(line)),
      'rename previous.next previous',
    );
    assert.equal((await at.outcome(client.id, order)).state, 'done', client.output);
    await at.connectedWith(client.id, order.version);
    assert.equal(client.text('current'), folderOf(order));
    assert.equal(client.text('trial.json'), undefined);
  });

  test(
    'after its last step; every file was on disk before it got its name, and the name before the next step (power cut)',
    LIMIT,
    async (context) => {
      const { client, order, notes } = await killedAt(context, 'none', 6, 'after');
      assert.equal(notes.at(-1), 'remove trial.json');
      assert.equal((await at.outcome(client.id, order)).state, 'done');
      for (const [index, line] of notes.entries()) {
        const name = /^rename (\S+) /.exec(line)?.[1];
        if (name === undefined) continue;
        assert.equal(notes[index - 1], `sync ${name}`);
        assert.match(notes[index + 1] ?? '', /^sync program-/);
      }
      assert.equal(notes.filter((line) => line.startsWith('rename')).length, 5);
    },
  );
});

test('a supervisor is killed while its candidate hangs: the hung one does not keep the home', LIMIT, async (context) => {
  const client = await install(context);
  const holder = client.text('state/holder.json');
  const order = await orderWith('hangs', { changes: { healthSeconds: SHORT_HEALTH_SECONDS } });
  at.give(client.id, order);
  await waitUntil('the candidate holds the home', () => client.text('state/holder.json') !== holder);
  client.supervisor?.kill('SIGKILL');
  await once(client.supervisor!, 'exit');
  client.start();
  await assertCameToNothing(client, order, { state: 'rolled-back', failure: 'does-not-connect' });
});

describe('an installed client', { concurrency: 3 }, () => {
  test('a program that dies is started again; on SIGTERM both end', LIMIT, async (context) => {
    const client = await install(context);
    const pid = await waitUntil('the program says who it is', () => /"pid":(\d+)/.exec(client.output)?.[1]);
    process.kill(Number(pid), 'SIGKILL');
    await at.until(() => at.helloCount(client.id) >= 2);
    await client.stop();
    assert.equal(client.supervisor?.exitCode, 0);
    assert.deepEqual(await client.command('status').then(({ code }) => code), 3);
  });

  test('a second start ends with one sentence and exit code 2; the first goes on', LIMIT, async (context) => {
    const client = await install(context);
    const hellos = at.helloCount(client.id);
    const second = await client.command();
    assert.equal(second.code, 2, second.output);
    assert.match(second.output, /^[^\n]* already runs with the home [^\n]*\n$/);
    assert.equal(client.supervisor?.exitCode, null);
    assert.equal(at.helloCount(client.id), hellos);
    assert.equal((await client.command('status')).code, 0);
  });

  test('one that was never enrolled says that it waits for a key, and how to give it one', LIMIT, async (context) => {
    const client = await InstalledClient.install(at, { start: false });
    context.after(() => client.stop());
    assert.deepEqual((await client.command('status')).code, 3, 'it is enrolled, and does not run');
    rmSync(join(client.directory, 'state'), { recursive: true });
    const output = "It waits for a key: run 'bascule-jump-client enrol'.\n";
    assert.deepEqual(await client.command('status'), { code: 2, output });
    writeFileSync(join(client.directory, 'key'), 'bjt1.x');
    assert.match((await client.command('status')).output, /has a key and is not enrolled yet: it tries again/);
  });

  test('without its supervisor a program with a shell goes on until the shell ends', LIMIT, async (context) => {
    const client = await install(context);
    const session = newId('accessSession');
    const program = {
      kind: 'shell' as const,
      size: { cols: 80, rows: 24 },
      term: 'xterm',
      recordInput: false,
      giveUpAfterMs: 60_000,
    };
    at.site.jump.sendToClient(client.id, { kind: 'session-open', session, program, ticket: 'none' });
    await at.until(() => at.heard(client.id).some((message) => message.kind === 'ticket-request'));
    client.supervisor?.kill('SIGKILL');
    await once(client.supervisor!, 'exit');
    client.start();
    assert.match((await client.command('status')).output, /Sessions: +1/);
    at.site.jump.sendToClient(client.id, { kind: 'session-forget', session });
    await at.until(() => at.heard(client.id).some((message) => message.kind === 'goodbye'));
    await at.until(() => at.helloCount(client.id) >= 2);
  });

  test(
    'passive: goes when told so, comes by command and at once when it is to be active; settings are kept',
    LIMIT,
    async (context) => {
      const client = await install(context, { settings: { mode: 'passive' } });
      const offline = () => at.until(() => !at.site.jump.isOnline(client.id));
      at.site.jump.sendToClient(client.id, { kind: 'check-in-over' });
      await offline();
      const { code, output } = await client.command('status');
      assert.match(output, /checks in within 2[2-4] hours/);
      assert.equal(code, 0, output);
      const checkIn = await client.command('check-in');
      assert.equal(checkIn.code, 0, checkIn.output);
      assert.match(checkIn.output, /^Checked in: it reached the appliance at /);
      await at.until(() => at.helloCount(client.id) >= 2 && at.site.jump.isOnline(client.id));
      at.site.jump.sendToClient(client.id, {
        kind: 'settings',
        settings: { mode: 'active', checkInHours: 5, toleratesDates: true },
      });
      at.site.jump.sendToClient(client.id, { kind: 'check-in-over' });
      assert.match((await client.command('status')).output, /active: stays connected/);
      assert.equal(JSON.parse(client.text('settings.json') ?? '').checkInHours, 5);
      assert.equal(statSync(join(client.directory, 'settings.json')).mode & 0o777, 0o600);
    },
  );

  test('uninstalled by the site: says so, and leaves no trace', LIMIT, async (context) => {
    const client = await install(context);
    const [extra, other] = [join(at.directory, `bascule-link-${client.id}`), join(at.directory, 'other')];
    for (const file of [extra, other]) writeFileSync(file, '');
    writeFileSync(
      join(client.directory, 'installed.json'),
      JSON.stringify({ program: 'jump-client', scope: 'user', package: 'tar', unit: null, extra: [extra, other] }),
    );
    at.site.jump.sendToClient(client.id, { kind: 'uninstall' });
    await at.until(() => at.heard(client.id).some((message) => message.kind === 'uninstalling' && message.failed === undefined));
    await once(client.supervisor!, 'exit');
    assert.equal(client.supervisor?.exitCode, 0);
    assert.equal(existsSync(client.directory), false);
    assert.equal(existsSync(extra), false);
    assert.ok(existsSync(other), 'nothing but what is named after the program');
  });
});
