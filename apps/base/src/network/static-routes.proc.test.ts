import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { z } from 'zod';
import { createLog } from '@bascule/log/log.ts';
import type { StaticRouteChange } from '@bascule/protocol/api/network.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { NetworkScene, whyNoNetworkScene } from '@bascule/testkit/network-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { Changes, changeMigrations, type Arrival } from '../changes/changes.ts';
import { Addresses, HelperClient, networkMigrations, Routing } from './network.ts';

const HELPER = join(import.meta.dirname, '..', '..', '..', 'boot', 'src', 'helper.ts');
const CONFIRM_WITHIN_MS = 1_000;
const log = createLog('test', 'silent');
/** Somebody in the network of the port: no route changes how they come. */
const near: Arrival = { address: '10.9.3.200', localAddress: '10.9.3.1', sinceMs: 0 };
const far: Arrival = { ...near, address: '198.51.100.7' };
const draft = (over: Partial<StaticRouteChange> = {}): StaticRouteChange => ({
  enabled: true,
  destination: '198.51.100.0/24',
  gateway: '10.9.3.254',
  device: null,
  metric: 100,
  ...over,
});

describe('static routes on a machine of its own', { skip: whyNoNetworkScene() ?? false }, () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-routes-'));
  const socket = join(home, 'run', 'helper', 'helper.sock');
  const client = new HelperClient(socket);
  let scene: NetworkScene;
  let helper: ChildProcess;

  before(async () => {
    chmodSync(home, 0o755);
    mkdirSync(join(home, 'run', 'helper'), { recursive: true });
    scene = new NetworkScene({ a: ['10.9.3.1/24', 'fd09:3::1/64'] });
    helper = scene.spawn('a', [process.execPath, HELPER, '--socket', socket, '--gid', '0'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(helper, 'message');
  });
  after(() => {
    helper.kill('SIGKILL');
    scene[Symbol.dispose]();
    rmSync(home, { recursive: true, force: true });
  });

  /** The routes of the machine that bear our protocol, as iproute2 says them. */
  const ours = (): string =>
    ['-4', '-6']
      .map((family) => scene.ip('a', family, 'route', 'show', 'protocol', '201'))
      .join('')
      .replaceAll(/ +\n/g, '\n')
      .trim();

  function bench() {
    const test = openTestStore([...changeMigrations, ...networkMigrations]);
    /** base, as far as routes go. */
    const open = () => {
      const { store } = test;
      const changes = new Changes({ store, log, confirmWithinMs: CONFIRM_WITHIN_MS });
      const addresses = new Addresses({ store, helper: client, changes, log });
      const routing = new Routing({ store, helper: client, changes, addresses, arrivalOf: () => near, log });
      return { changes, routes: routing.staticRoutes };
    };
    const { changes, routes } = open();
    const end = async (): Promise<void> => {
      if (changes.pending() !== null) await changes.undo(testContext);
      for (const { id } of routes.rows()) await routes.remove(testContext, id, true, near);
      changes.close();
      routes.close();
      test[Symbol.dispose]();
    };
    return { changes, routes, open, [Symbol.asyncDispose]: end };
  }

  it('gives the kernel routes of both families, changes them, and takes them off', async () => {
    await using test = bench();
    const { routes } = test;
    await routes.add(testContext, draft(), near);
    await routes.add(testContext, draft({ destination: '2001:db8:5::/48', gateway: 'fd09:3::fe' }), near);
    await routes.add(testContext, draft({ destination: '203.0.113.9', device: 'eth0' }), near);
    assert.equal(
      ours(),
      '198.51.100.0/24 via 10.9.3.254 dev eth0 metric 100 \n203.0.113.9 via 10.9.3.254 dev eth0 metric 100 \n2001:db8:5::/48 via fd09:3::fe dev eth0 metric 100 pref medium'.replaceAll(
        ' \n',
        '\n',
      ),
    );
    const { routes: shown, kernel } = await routes.look();
    assert.deepEqual([...new Set(shown.map(({ state }) => state))], ['active']);
    assert.deepEqual(kernel.filter((route) => route.ours).length, 3);
    assert.equal(kernel.find(({ destination }) => destination === '10.9.3.0/24')?.ours, false);
    const first = shown.find(({ destination }) => destination === '198.51.100.0/24')!;
    await routes.change(testContext, first.id, draft({ gateway: '10.9.3.253' }), near);
    assert.match(ours(), /198\.51\.100\.0\/24 via 10\.9\.3\.253/);
    await routes.change(testContext, first.id, draft({ gateway: '10.9.3.253', enabled: false }), near);
    assert.doesNotMatch(ours(), /198\.51\.100\.0/);
    await assert.rejects(routes.add(testContext, draft({ destination: '203.0.113.9/32' }), near), { code: 'ROUTE_TAKEN' });
    await assert.rejects(routes.add(testContext, draft({ destination: 'default', gateway: '192.0.2.1' }), near), {
      code: 'ROUTE_GATEWAY_UNREACHABLE',
    });
  });

  it('leaves others’ routes alone, says what outranks its own, and puts back what was taken away', async () => {
    await using test = bench();
    const { routes, open } = test;
    scene.ip('a', 'route', 'add', 'default', 'via', '10.9.3.250');
    scene.ip('a', 'route', 'add', '192.0.2.0/24', 'via', '10.9.3.250', 'metric', '100');
    await routes.add(testContext, draft({ destination: 'default', metric: 500 }), near);
    await routes.add(testContext, draft({ destination: '192.0.2.0/24' }), near);
    const states = (await routes.look()).routes.map(({ destination, state, error }) => [destination, state, error]);
    assert.deepEqual(states, [
      ['default', 'outranked', null],
      ['192.0.2.0/24', 'refused', 'there is a route to 192.0.2.0/24 with the metric 100 already, and not from this program'],
    ]);
    scene.ip('a', 'route', 'delete', 'default', 'metric', '500');
    const again = open();
    await again.routes.start();
    assert.match(ours(), /default via 10\.9\.3\.254/);
    again.routes.close();
    for (const route of ['default', '192.0.2.0/24']) assert.match(scene.ip('a', 'route', 'show', route), /via 10\.9\.3\.250/);
    for (const args of [['default'], ['192.0.2.0/24', 'metric', '100']])
      scene.ip('a', 'route', 'delete', ...args, 'via', '10.9.3.250');
  });

  it('undoes by itself a route that leads to whoever made it, unless it is confirmed by a new connection', async () => {
    await using test = bench();
    const { changes, routes } = test;
    await assert.rejects(routes.add(testContext, draft(), far), { code: 'CHANGE_MIGHT_CUT' });
    assert.equal(ours(), '');
    await routes.add(testContext, draft({ acceptCut: true }), far);
    assert.deepEqual([changes.pending()?.kinds, changes.pending()?.about], [['routes'], '198.51.100.0/24']);
    await waitUntil('it is undone', () => ours() === '');
    await routes.add(testContext, draft({ acceptCut: true }), far);
    assert.throws(() => changes.confirm(testContext, far), { code: 'CHANGE_CONFIRM_ANEW' });
    changes.confirm(testContext, { ...far, sinceMs: performance.now() });
    assert.match(ours(), /198\.51\.100\.0/);
  });

  it('the helper checks by itself what it is asked for', async () => {
    const good = { destination: '198.51.100.0/24', gateway: '10.9.3.254', device: '', metric: '100' };
    for (const [over, error] of [
      [{ destination: '198.51.100.7/24' }, 'destination is neither a network nor default'],
      [{ destination: '0.0.0.0/0' }, 'destination is neither a network nor default'],
      [{ destination: 'default table 7' }, 'destination is neither a network nor default'],
      [{ destination: '127.0.0.0/8' }, 'address is none that a machine can have for itself'],
      [{ gateway: 'fd09:3::fe' }, 'gateway is not of the family of destination'],
      [{ gateway: '10.9.3.254 onlink' }, 'address is not an IP address'],
      [{ destination: '2001:db8::/32', gateway: 'fe80::1' }, 'a link-local gateway needs a network port'],
      [{ device: '-4' }, 'device is not the name of a network port'],
      [{ device: 'eth7' }, 'there is no network port eth7'],
      [{ metric: '0' }, 'metric is not a whole number from 1 to 9999'],
      [{ metric: '1e3' }, 'metric is not a whole number from 1 to 9999'],
    ] as const)
      await assert.rejects(client.ask('route-add', { ...good, ...over }, z.null()), {
        code: 'HELPER_REFUSED',
        message: `The helper refused: ${error}.`,
      });
    // Not one of ours: nothing happens to it.
    scene.ip('a', 'route', 'add', '198.51.100.0/24', 'via', '10.9.3.254', 'metric', '100');
    await client.ask('route-drop', good, z.null());
    assert.match(scene.ip('a', 'route', 'show', '198.51.100.0/24'), /via 10\.9\.3\.254/);
    scene.ip('a', 'route', 'delete', '198.51.100.0/24');
  });
});
