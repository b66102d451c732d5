import assert from 'node:assert/strict';
import { test } from 'node:test';
import { promoteByLease } from './promotion.ts';

const statement = { statement: '{}', signature: '' };
const PROMOTION = {
  context: { actor: { kind: 'system' as const, id: null, name: 'test' }, address: '' },
  by: 'ada',
  reason: 'took-over',
};

test('a promotion that fails gives back the lease that it had, and asks for none that it had not', async () => {
  const given: number[] = [];
  const lease = { giveBack: (epoch: number) => Promise.resolve(void given.push(epoch)) };
  const change = { promote: () => Promise.reject(new Error('no copy')) };
  const promotion = { ...PROMOTION, epoch: 4, statement };
  await assert.rejects(promoteByLease({ change, lease }, { epoch: 5, statement }, promotion), { message: 'no copy' });
  await assert.rejects(promoteByLease({ change, lease }, undefined, promotion), { message: 'no copy' });
  assert.deepEqual(given, [5]);
});
