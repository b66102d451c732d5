import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressNumber, isInNetwork, readNetwork } from './ip-network.ts';

test('addresses are numbers', () => {
  assert.equal(addressNumber('192.0.2.1'), 0xc0000201n);
  assert.equal(addressNumber('::'), 0n);
  assert.equal(addressNumber('2001:db8::1'), 0x20010db8000000000000000000000001n);
  assert.equal(addressNumber('::ffff:192.0.2.1'), 0xffffc0000201n);
  assert.equal(addressNumber('1:2:3:4:5:6:7:8'), 0x00010002000300040005000600070008n);
});

test('networks are read, and nothing else is', () => {
  for (const [text, read] of [
    ['192.0.2.0/24', '192.0.2.0/24'],
    [' 10.0.0.0/8 ', '10.0.0.0/8'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['2001:DB8:0::/32', '2001:db8::/32'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::/0', '::/0'],
  ] as const)
    assert.equal(readNetwork(text)?.text, read, text);
  for (const text of [
    '',
    '192.0.2.1/24',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/24/1',
    '192.0.2/24',
    '2001:db8::1/64',
    'fe80::1%eth0',
    '::/129',
    '::/-1',
    '1.2.3.4/1e1',
    'localhost',
  ])
    assert.equal(readNetwork(text), undefined, text);
});

test('what is inside a network', () => {
  const inside = (network: string, address: string): boolean => isInNetwork(readNetwork(network)!, address);
  assert.deepEqual(
    [inside('192.0.2.0/24', '192.0.2.255'), inside('192.0.2.0/24', '192.0.3.0'), inside('0.0.0.0/0', '203.0.113.1')],
    [true, false, true],
  );
  assert.deepEqual(
    [inside('2001:db8::/33', '2001:db8:7fff::'), inside('2001:db8::/33', '2001:db8:8000::'), inside('::/0', '192.0.2.1')],
    [true, false, false],
  );
  assert.equal(inside('192.0.2.0/24', ''), false);
});
