import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, inSync, startPair } from './testing.ts';

test('while a plan keeps the two apart both say what the read-only side has not pulled', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  const lagSeenBy = async (side: typeof one) => (await side.program.failover.state()).apart?.lagChanges;
  assert.equal(await lagSeenBy(one), undefined);
  await one.pair.roles.breakUp(ADA, { isForPlan: true });
  one.program.site!.parts.jump.groups.create(ADA, 'meanwhile');
  for (const side of [one, other])
    await waitUntil('both know that something is missing', async () => ((await lagSeenBy(side)) ?? 0) > 0);
  const { apart } = await one.program.failover.state();
  assert.ok(apart !== undefined && apart.lagSeconds > 0);
  await other.pair.roles.handOver.pull();
  for (const side of [one, other]) await waitUntil('both know that it has come', async () => (await lagSeenBy(side)) === 0);
  await one.pair.roles.establishAgain(ADA);
  await inSync(one, other);
  assert.equal(await lagSeenBy(one), undefined);
});

test(
  'a primary that was cut while it established the relationship again tells the other side, which has not heard of it',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    await one.pair.roles.breakUp(ADA, { isForPlan: true });
    await waitUntil('both are apart', () => one.role === 'single' && other.role === 'read-only');
    // What is on the disk behind the first of two steps.
    const { records } = one.pair.parts;
    const { apart: _over, ...peer } = records.peer!;
    const event = { code: 'TEST_CUT', summary: '', details: {} };
    records.become(ADA, event, { role: 'primary' }, { by: 'ada', reason: 'established' }, (tx) =>
      records.setPeer(tx, { ...peer, state: 'active', sinceMs: Date.now() }),
    );
    assert.deepEqual([one.role, other.role], ['primary', 'read-only']);
    await one.pair.roles.establishAgain(ADA);
    await inSync(one, other);
    assert.deepEqual([one.role, other.role], ['primary', 'backup']);
    const epochs = [one, other].map(({ pair: { parts } }) => parts.records.self.epoch);
    await one.pair.roles.establishAgain(ADA);
    assert.deepEqual(
      [one, other].map(({ pair: { parts } }) => parts.records.self.epoch),
      epochs,
      'whoever is together already stays so',
    );
  },
);
