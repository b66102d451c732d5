import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import type { BoxSettingsFile } from '@bascule/protocol/api/box-settings.ts';
import { openTestStore, testContext } from '@bascule/store/testing.ts';
import { BoxSettings } from '../box-settings/box-settings.ts';
import { Changes, changeMigrations } from '../changes/changes.ts';
import { Addresses, Clock, HelperClient, networkMigrations, networkSettingsPart, Routing } from './network.ts';

const log = createLog('test', 'silent');
/** Of a machine that has one port and an address in 192.0.2.0/24. */
const PORT = 'lo';

/** The network of a box that may not change its machine: what is kept and described is the same. */
function bench() {
  const test = openTestStore([...changeMigrations, ...networkMigrations]);
  const { store } = test;
  const helper = new HelperClient('/nowhere/helper.sock');
  const changes = new Changes({ store, log });
  const addresses = new Addresses({ store, helper, changes, log });
  const arrival = { address: '127.0.0.1', localAddress: '127.0.0.1', sinceMs: 0 };
  const routing = new Routing({ store, helper, changes, addresses, arrivalOf: () => arrival, log });
  const clock = new Clock({ store, log, hostServers: () => [] });
  const settings = new BoxSettings({ changes, applianceName: 'alpha', baseVersion: '1.0.0' });
  settings.register(networkSettingsPart({ addresses, routing, clock, changes }));
  const end = (): void => {
    changes.close();
    addresses.close();
    routing.close();
    test[Symbol.dispose]();
  };
  const network = async () => (await settings.read({ withSecrets: false })).parts['network'];
  return { settings, changes, addresses, network, [Symbol.dispose]: end };
}

const address = (text: string, device: string) => ({
  enabled: true,
  device,
  address: text,
  prefix: 24,
  accessType: 'both' as const,
  shared: false,
});
const route = (over: { gateway?: string; metric?: number } = {}) => ({
  enabled: true,
  destination: '198.51.100.0/24',
  gateway: '192.0.2.1',
  device: null,
  metric: 100,
  ...over,
});
const file = (network: object): BoxSettingsFile => ({
  format: 'bascule-box-settings/1',
  appliance: 'beta',
  baseVersion: '1.0.0',
  madeAtMs: 1,
  withSecrets: false,
  parts: { network },
});
const nothing = { addresses: [], routes: [], hostName: null, resolver: null, ntp: { isOn: true, servers: [] } };

describe('the network in an export', () => {
  it('comes back as it was', async () => {
    using test = bench();
    const wanted = {
      ...nothing,
      addresses: [address('192.0.2.9', PORT)],
      routes: [route()],
      ntp: { isOn: false, servers: ['time.example.org'] },
    };
    await test.settings.apply(file(wanted), testContext, { acceptCut: true });
    assert.deepEqual(await test.network(), wanted);
    const { parts } = await test.settings.describe(file(wanted));
    assert.deepEqual(parts[0]?.lines, []);
    await test.changes.undo(testContext);
    assert.deepEqual(await test.network(), nothing);
  });

  it('says in words what would change, and what does not fit this machine', async () => {
    using test = bench();
    await test.settings.apply(file({ ...nothing, addresses: [address('192.0.2.9', PORT)] }), testContext, { acceptCut: true });
    await test.changes.undo(testContext);
    await test.addresses.add(testContext, address('192.0.2.9', PORT), '');
    const { parts } = await test.settings.describe(
      file({
        ...nothing,
        addresses: [address('192.0.2.10', PORT), address('192.0.2.11', 'eth77')],
        routes: [route(), route({ gateway: '203.0.113.1', metric: 200 })],
        hostName: 'beta',
        resolver: { servers: ['192.0.2.53'], search: [] },
        ntp: { isOn: false, servers: [] },
      }),
    );
    assert.equal(parts[0]?.mightCut, true);
    assert.deepEqual(
      parts[0]?.lines.map(({ text, unfit }) => [text, unfit]),
      [
        [`Adds the address 192.0.2.10/24 (${PORT}).`, null],
        ['Adds the address 192.0.2.11/24 (eth77).', 'This machine has no network port eth77.'],
        [`Removes the address 192.0.2.9/24 (${PORT}).`, null],
        // Its gateway is a neighbour by the address that comes along.
        ['Adds the route 198.51.100.0/24 via 192.0.2.1 metric 100.', null],
        ['Adds the route 198.51.100.0/24 via 203.0.113.1 metric 200.', '203.0.113.1 is no neighbour of this machine.'],
        ['Sets the host name beta.', 'The host name cannot be changed from here.'],
        ['Asks the name servers 192.0.2.53.', 'The name servers cannot be changed from here.'],
        ['Asks no time servers.', null],
      ],
    );
  });

  it('is taken over without what does not fit, all or nothing', async () => {
    using test = bench();
    const mixed = { ...nothing, addresses: [address('192.0.2.10', PORT), address('192.0.2.11', 'eth77')] };
    await test.settings.apply(file(mixed), testContext, { acceptCut: true });
    assert.deepEqual(await test.network(), { ...nothing, addresses: [address('192.0.2.10', PORT)] });
    await test.changes.undo(testContext);
    const wrong = { ...nothing, addresses: [address('192.0.2.10', PORT), address('127.0.0.9', PORT)] };
    await assert.rejects(test.settings.apply(file(wrong), testContext, { acceptCut: true }), { code: 'IP_ADDRESS_INVALID' });
    assert.deepEqual(await test.network(), nothing);
  });
});
