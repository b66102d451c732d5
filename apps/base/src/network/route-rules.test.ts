import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StaticRouteChange } from '@bascule/protocol/api/network.ts';
import { checkedRoute, leads, refuseSameRoute, whyNoGateway } from './route-rules.ts';

const draft = (over: Partial<StaticRouteChange> = {}): StaticRouteChange => ({
  enabled: true,
  destination: '198.51.100.0/24',
  gateway: '192.0.2.1',
  device: null,
  metric: 100,
  ...over,
});
const devices = [
  { name: 'lo', addresses: [{ address: '127.0.0.1', prefix: 8, ours: false }] },
  {
    name: 'eth0',
    addresses: [
      { address: '192.0.2.10', prefix: 24, ours: true },
      { address: '2001:db8::10', prefix: 64, ours: false },
    ],
  },
  { name: 'eth1', addresses: [{ address: '10.0.0.10', prefix: 16, ours: false }] },
];

describe('a static route', () => {
  for (const [destination, gateway, kept] of [
    ['198.51.100.0/24', '192.0.2.1', '198.51.100.0/24'],
    ['198.51.100.7', '192.0.2.1', '198.51.100.7/32'],
    ['0.0.0.0/0', '192.0.2.1', 'default'],
    ['Default', '2001:db8::1', 'default'],
    ['2001:DB8:1:0::/48', '2001:db8::1', '2001:db8:1::/48'],
  ] as const)
    it(`to ${destination} is kept as ${kept}`, () =>
      assert.equal(checkedRoute(draft({ destination, gateway })).destination, kept));

  for (const [over, code] of [
    [{ destination: '198.51.100.7/24' }, 'ROUTE_DESTINATION_INVALID'],
    [{ destination: '2001:db8:1::/48' }, 'ROUTE_DESTINATION_INVALID'],
    [{ destination: '127.0.0.0/8' }, 'ROUTE_DESTINATION_INVALID'],
    [{ destination: '224.0.0.0/4' }, 'ROUTE_DESTINATION_INVALID'],
    [{ destination: 'fe80::/10', gateway: '2001:db8::1' }, 'ROUTE_DESTINATION_INVALID'],
    [{ destination: 'everywhere' }, 'ROUTE_DESTINATION_INVALID'],
    [{ gateway: '0.0.0.0' }, 'ROUTE_GATEWAY_INVALID'],
    [{ gateway: '127.0.0.1' }, 'ROUTE_GATEWAY_INVALID'],
    [{ gateway: 'router' }, 'ROUTE_GATEWAY_INVALID'],
    [{ gateway: 'fe80::1%eth0', destination: 'default' }, 'ROUTE_GATEWAY_INVALID'],
    [{ gateway: 'fe80::1', destination: 'default' }, 'ROUTE_DEVICE_MISSING'],
  ] as const)
    it(`is refused with ${JSON.stringify(over)}`, () => assert.throws(() => checkedRoute(draft(over)), { code }));

  for (const [gateway, device, why] of [
    ['192.0.2.1', null, undefined],
    ['192.0.2.1', 'eth0', undefined],
    ['10.0.200.1', null, undefined],
    ['fe80::1', 'eth0', undefined],
    ['192.0.2.1', 'eth1', 'ROUTE_GATEWAY_UNREACHABLE'],
    ['203.0.113.1', null, 'ROUTE_GATEWAY_UNREACHABLE'],
    ['192.0.2.10', null, 'ROUTE_GATEWAY_OWN'],
    ['192.0.2.1', 'eth7', 'ROUTE_NO_DEVICE'],
  ] as const)
    it(`by ${gateway} on ${device ?? 'any port'}: ${why ?? 'a neighbour'}`, () =>
      assert.equal(whyNoGateway({ gateway, device }, devices), why));

  it('stands once for a destination, a metric and a family', () => {
    const rows = [{ id: 'one', ...checkedRoute(draft({ destination: 'default' })) }];
    const other = (over: Partial<StaticRouteChange>) => checkedRoute(draft({ destination: 'default', ...over }));
    assert.throws(() => refuseSameRoute(rows, other({ gateway: '192.0.2.2' }), undefined), { code: 'ROUTE_TAKEN' });
    refuseSameRoute(rows, other({ gateway: '192.0.2.2' }), 'one');
    refuseSameRoute(rows, other({ metric: 101 }), undefined);
    refuseSameRoute(rows, other({ gateway: '2001:db8::1' }), undefined);
  });

  for (const [destination, gateway, address, is] of [
    ['198.51.100.0/24', '192.0.2.1', '198.51.100.7', true],
    ['198.51.100.0/24', '192.0.2.1', '203.0.113.7', false],
    ['default', '192.0.2.1', '203.0.113.7', true],
    ['default', '192.0.2.1', '192.0.2.77', false],
    ['192.0.2.64/26', '192.0.2.1', '192.0.2.77', true],
    ['default', '192.0.2.1', '2001:db8:9::1', false],
    ['default', '2001:db8::1', '2001:db8:9::1', true],
    ['default', '192.0.2.1', '127.0.0.1', false],
    ['default', '192.0.2.1', '', false],
  ] as const)
    it(`to ${destination} ${is ? 'leads' : 'does not lead'} to ${address || 'nobody'}`, () =>
      assert.equal(leads({ destination, gateway }, address, devices), is));
});
