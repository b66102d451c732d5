import assert from 'node:assert/strict';
import { it } from 'node:test';
import { AddressConsumers, CONSUMER_LIFE_MS, CONSUMERS_MAX } from './front-address-consumers.ts';

it('names who asks by an address, and nobody who asks by name or from this machine', () => {
  const consumers = new AddressConsumers();
  const note = (host: string, agent: string, address = '10.0.0.7') =>
    consumers.note({ host, 'user-agent': agent }, address, 1_000);
  note('support.example:443', 'Mozilla/5.0');
  note('127.0.0.1:8443', 'curl/8');
  note('[::1]:8443', 'curl/8');
  assert.deepEqual(consumers.list(1_000), []);
  note('192.0.2.4', 'integration/2.1');
  note('[2001:db8::5]:8443', 'reporter\n', '10.0.0.8');
  note('192.0.2.4:443', 'integration/2.1');
  assert.deepEqual(consumers.list(1_000), [
    { name: 'integration/2.1', address: '10.0.0.7' },
    { name: 'reporter', address: '10.0.0.8' },
  ]);
  assert.deepEqual(consumers.list(1_000 + CONSUMER_LIFE_MS), []);
});

it('keeps a bounded number, the newest', () => {
  const consumers = new AddressConsumers();
  for (let index = 0; index < CONSUMERS_MAX + 5; index++)
    consumers.note({ host: '192.0.2.4', 'user-agent': `program ${index}` }, '10.0.0.7', 1_000);
  const names = consumers.list(1_000).map(({ name }) => name);
  assert.equal(names.length, CONSUMERS_MAX);
  assert.equal(names[0], `program ${CONSUMERS_MAX + 4}`);
  assert.ok(!names.includes('program 0'));
});
