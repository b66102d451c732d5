import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { IpAddress, IpAddressChange } from '@bascule/protocol/api/network.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { NetworkScene, whyNoNetworkScene } from '@bascule/testkit/network-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { Changes, changeMigrations } from '../changes/changes.ts';
import { Addresses, HelperClient, networkMigrations } from './network.ts';

const HELPER = join(import.meta.dirname, '..', '..', '..', 'boot', 'src', 'helper.ts');
const CONFIRM_WITHIN_MS = 1_000;
const log = createLog('test', 'silent');
const draft = (over: Partial<IpAddressChange> = {}): IpAddressChange => ({
  enabled: true,
  device: 'eth0',
  address: '10.9.2.5',
  prefix: 24,
  accessType: 'both',
  shared: false,
  ...over,
});

describe('IP configuration on a machine of its own', { skip: whyNoNetworkScene() ?? false }, () => {
  const home = mkdtempSync(join(tmpdir(), 'bascule-addresses-'));
  const socket = join(home, 'run', 'helper', 'helper.sock');
  let scene: NetworkScene;
  let helper: ChildProcess;

  before(async () => {
    chmodSync(home, 0o755);
    mkdirSync(join(home, 'run', 'helper'), { recursive: true });
    scene = new NetworkScene({ a: ['10.9.2.1/24'], client: ['10.9.2.200/24'] });
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

  function bench() {
    const test = openTestStore([...changeMigrations, ...networkMigrations]);
    /** base, as far as addresses go. */
    const open = () => {
      const changes = new Changes({ store: test.store, log, confirmWithinMs: CONFIRM_WITHIN_MS });
      return { changes, addresses: new Addresses({ store: test.store, helper: new HelperClient(socket), changes, log }) };
    };
    const { changes, addresses } = open();
    const row = async (address: string): Promise<IpAddress | undefined> =>
      (await addresses.look()).addresses.find((one) => one.address === address);
    const end = async (): Promise<void> => {
      for (const { id } of addresses.rows()) await addresses.remove(testContext, id, true, '');
      changes.close();
      addresses.close();
      test[Symbol.dispose]();
    };
    return { store: test.store, changes, addresses, open, row, [Symbol.asyncDispose]: end };
  }

  it('gives the machine an address, tells neighbours, moves it, and takes it off', async () => {
    await using test = bench();
    const { addresses, row } = test;
    scene.ip('client', 'neighbour', 'replace', '10.9.2.5', 'lladdr', '02:00:00:00:00:01', 'dev', 'eth0', 'nud', 'reachable');
    await addresses.add(testContext, draft(), '10.9.2.1');
    assert.equal(scene.has('a', '10.9.2.5'), true);
    await waitUntil('the client knows', () => scene.neighbour('client', '10.9.2.5') === scene.mac('a'));
    const added = await row('10.9.2.5');
    assert.deepEqual([added?.state, added?.certificate, added?.lifeLeftSeconds], ['held', 'factory-default', null]);
    await addresses.change(testContext, added!.id, draft({ address: '10.9.2.6', prefix: 25 }), '10.9.2.1');
    assert.deepEqual([scene.has('a', '10.9.2.5'), scene.has('a', '10.9.2.6')], [false, true]);
    await addresses.change(testContext, added!.id, draft({ address: '10.9.2.6', enabled: false }), '10.9.2.1');
    assert.deepEqual([scene.has('a', '10.9.2.6'), (await row('10.9.2.6'))?.state], [false, 'not-held']);
    await assert.rejects(addresses.change(testContext, added!.id, draft({ address: '10.9.2.300' }), ''), {
      code: 'IP_ADDRESS_INVALID',
    });
    await assert.rejects(addresses.add(testContext, draft({ address: '10.9.2.6' }), ''), { code: 'IP_ADDRESS_TAKEN' });
    await assert.rejects(addresses.add(testContext, draft({ address: '10.9.2.7', prefix: 4 }), ''), {
      code: 'IP_PREFIX_INVALID',
    });
    await assert.rejects(addresses.remove(testContext, 'ipa_x', false, ''), { code: 'NOT_FOUND' });
  });

  it('shows what others did to the machine, puts back what is missing, and touches nothing else', async () => {
    await using test = bench();
    const { addresses, row, open } = test;
    await addresses.add(testContext, draft(), '');
    await addresses.add(testContext, draft({ address: '10.9.2.1' }), '');
    await addresses.add(testContext, draft({ address: '10.9.2.8', device: 'eth7' }), '');
    await addresses.add(testContext, draft({ address: '10.9.2.9', shared: true }), '');
    const states = (await addresses.look()).addresses.map(({ address, state }) => `${address} ${state}`);
    assert.deepEqual(states.toSorted(), ['10.9.2.1 foreign', '10.9.2.5 held', '10.9.2.8 no-device', '10.9.2.9 not-held']);
    scene.ip('a', 'address', 'delete', '10.9.2.5/24', 'dev', 'eth0');
    assert.equal((await row('10.9.2.5'))?.state, 'not-held');
    const again = open();
    await again.addresses.start();
    assert.equal((await row('10.9.2.5'))?.state, 'held');
    again.addresses.close();
    const foreign = await row('10.9.2.1');
    await addresses.remove(testContext, foreign!.id, false, '10.9.2.1');
    assert.equal(scene.has('a', '10.9.2.1'), true);
  });

  it('undoes by itself a change that cut whoever made it, also after a restart of base', async () => {
    await using test = bench();
    const { changes, addresses, row, open } = test;
    await addresses.add(testContext, draft(), '10.9.2.1');
    const { id } = (await row('10.9.2.5'))!;
    const wanted = draft({ address: '10.9.2.6', acceptCut: true });
    await assert.rejects(addresses.change(testContext, id, draft({ address: '10.9.2.6' }), '10.9.2.5'), {
      code: 'NETWORK_CUTS_YOU',
    });
    assert.equal(scene.has('a', '10.9.2.5'), true);
    await addresses.change(testContext, id, wanted, '::ffff:10.9.2.5');
    assert.deepEqual([scene.has('a', '10.9.2.5'), scene.has('a', '10.9.2.6')], [false, true]);
    assert.deepEqual([changes.pending()?.kinds, changes.pending()?.about], [['addresses'], '10.9.2.5']);
    await assert.rejects(addresses.remove(testContext, id, true, '10.9.2.1'), { code: 'CHANGE_PENDING' });
    changes.close();
    addresses.close();
    const later = open();
    later.changes.start();
    await later.addresses.start();
    await waitUntil('it is undone', () => scene.has('a', '10.9.2.5') && !scene.has('a', '10.9.2.6'));
    assert.equal(later.changes.pending(), null);
    later.addresses.close();
  });

  it('lets a change stay that is confirmed by a new connection', async () => {
    await using test = bench();
    const { changes, addresses, row } = test;
    await addresses.add(testContext, draft(), '10.9.2.1');
    const { id } = (await row('10.9.2.5'))!;
    await addresses.change(testContext, id, draft({ enabled: false, acceptCut: true }), '10.9.2.5');
    changes.confirm(testContext, { address: '10.9.2.200', localAddress: '10.9.2.1', sinceMs: performance.now() });
    assert.deepEqual([scene.has('a', '10.9.2.5'), changes.pending()], [false, null]);
  });

  it('asks twice when the address by which one is here would serve the site alone', async () => {
    await using test = bench();
    const { addresses } = test;
    const siteOnly = draft({ address: '10.9.2.1', accessType: 'site-only' });
    await assert.rejects(addresses.add(testContext, siteOnly, '10.9.2.1'), { code: 'NETWORK_CUTS_YOU' });
    await addresses.add(testContext, { ...siteOnly, acceptCut: true }, '10.9.2.1');
    assert.equal(addresses.accessOf('::ffff:10.9.2.1'), 'site-only');
    await waitUntil('it is undone', () => addresses.accessOf('10.9.2.1') === 'both');
  });

  it('makes a lasting address shared and back', async () => {
    await using test = bench();
    const { addresses, row } = test;
    await addresses.add(testContext, draft(), '10.9.2.1');
    const { id } = (await row('10.9.2.5'))!;
    await addresses.change(testContext, id, draft({ shared: true }), '10.9.2.1');
    assert.equal(scene.has('a', '10.9.2.5'), false);
    await addresses.change(testContext, id, draft(), '10.9.2.1');
    assert.deepEqual([(await row('10.9.2.5'))?.state, (await row('10.9.2.5'))?.lifeLeftSeconds], ['held', null]);
  });
});

describe('IP configuration without a helper', () => {
  it('shows what the machine has, keeps what is entered, and says that it cannot apply it', async () => {
    using test = openTestStore([...changeMigrations, ...networkMigrations]);
    const { store } = test;
    const changes = new Changes({ store, log });
    const addresses = new Addresses({ store, helper: new HelperClient('/nowhere/helper.sock'), changes, log });
    await addresses.add(testContext, draft({ address: '2001:DB8::0:5', prefix: 64 }), '127.0.0.1');
    const seen = await addresses.look();
    assert.deepEqual([seen.canApply, seen.cannotApply], [false, 'not-root']);
    assert.deepEqual([seen.addresses[0]?.address, seen.devices.some(({ name }) => name === 'lo')], ['2001:db8::5', true]);
    addresses.close();
  });

  for (const [name, answer, cannotApply] of [
    ['of version 1', '{"ok":true,"result":{"version":1,"uid":0,"verbs":["describe"]}}', 'old-helper'],
    ['that answers nonsense', 'hello', 'helper-silent'],
    ['that refuses', '{"ok":false,"error":"no"}', 'helper-silent'],
  ] as const)
    it(`says so of a helper ${name}, and goes on`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'bascule-old-helper-'));
      const asked: string[] = [];
      const server = net.createServer((connection) => {
        connection.setEncoding('utf8').once('data', (text: string) => {
          asked.push(text);
          connection.end(`${answer}\n`);
        });
      });
      server.listen(join(directory, 'helper.sock'));
      await once(server, 'listening');
      using test = openTestStore([...changeMigrations, ...networkMigrations]);
      const { store } = test;
      const changes = new Changes({ store, log });
      const addresses = new Addresses({ store, helper: new HelperClient(join(directory, 'helper.sock')), changes, log });
      await addresses.add(testContext, draft({ shared: true }), '127.0.0.1');
      assert.deepEqual((await addresses.hold(0)).held, []);
      assert.equal((await addresses.look()).cannotApply, cannotApply);
      addresses.close();
      server.close();
      rmSync(directory, { recursive: true });
    });
});
