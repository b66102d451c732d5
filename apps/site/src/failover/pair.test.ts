import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, inSync, startPair, type TestAppliance } from './testing.ts';

function addGroup(appliance: TestAppliance, name: string): void {
  appliance.program.site!.parts.jump.groups.create(ADA, name);
}
const groups = (appliance: TestAppliance) =>
  appliance.program.failover.store!.all<{ name: string }>('SELECT name FROM jump_groups ORDER BY name').map(({ name }) => name);

test('two sites become a pair; what one writes the other has; they swap, both ways', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  assert.deepEqual([one.role, other.role], ['primary', 'backup']);
  addGroup(one, 'first');
  await inSync(one, other);
  assert.deepEqual(groups(other), ['first']);
  assert.deepEqual(other.hashes(), one.hashes());

  await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
  await waitUntil('the former primary is the backup', () => one.role === 'backup');
  assert.equal(other.role, 'primary');
  addGroup(other, 'second');
  await inSync(other, one);
  assert.deepEqual(groups(one), ['first', 'second']);

  await one.pair.roles.becomePrimary(ADA, { pullFirst: true });
  addGroup(one, 'third');
  await inSync(one, other);
  assert.deepEqual(groups(other), ['first', 'second', 'third']);
  assert.deepEqual(other.hashes(), one.hashes());
  assert.equal(one.program.failover.store!.head().epoch, 3);
});
