import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { relayOrder } from './relay-order.ts';
import { ADA, startPair } from './testing.ts';

test(
  'recordings are copied on while an upgrade plan keeps the two apart, and not after a person has broken the relationship',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const roles = () => [relayOrder(one.pair).role, relayOrder(other.pair).role];
    assert.deepEqual(roles(), ['source', 'follower']);
    await one.pair.roles.breakUp(ADA, { isForPlan: true });
    await waitUntil('the other side knows it', () => other.role === 'read-only');
    assert.deepEqual([one.role, ...roles()], ['single', 'source', 'follower']);
    assert.equal(relayOrder(one.pair).mode, 'async', 'nobody waits for a side that may be away for hours');
    await one.pair.roles.breakUp(ADA);
    assert.deepEqual(relayOrder(one.pair), { kind: 'pair', role: 'none' });
    await other.pair.roles.breakUp(ADA);
    assert.deepEqual(relayOrder(other.pair), { kind: 'pair', role: 'none', isServing: false });
  },
);
