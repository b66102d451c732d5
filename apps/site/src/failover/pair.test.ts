import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { relayOrder } from './relay-order.ts';
import { ADA, addGroup, inSync, startPair, type TestAppliance } from './testing.ts';

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

test(
  'in sync mode a reply waits until the backup has the change on its disk; a rotated site identity goes over',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair('sync');
    const { one, other } = pair;
    for (const name of ['a', 'b', 'c']) {
      addGroup(one, name);
      await one.program.failover.beforeReply();
      assert.ok(groups(other).includes(name), 'the backup has it when the reply is given');
    }
    await other.program.failover.rehearsal.run();
    const { rehearsal, alarms } = await other.program.failover.state();
    assert.deepEqual(
      [rehearsal.state, rehearsal.steps.map(({ code, outcome }) => `${code} ${outcome}`)],
      ['closed', ['copy passed', 'open passed']],
    );
    assert.deepEqual([alarms, existsSync(other.config.paths.rehearsal)], [[], false]);
    const fingerprint = (appliance: TestAppliance) => readFileSync(join(appliance.config.paths.keys, 'identity.crt'), 'utf8');
    const before = fingerprint(other);
    assert.equal(fingerprint(one), before);
    await one.program.site!.parts.trust.rotate(ADA);
    await waitUntil(
      'the backup has the new identity',
      () => fingerprint(other) !== before && fingerprint(other) === fingerprint(one),
    );
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    assert.equal(other.role, 'primary');

    // Alone it goes on: the peer is declared behind, and nobody waits for it.
    one.cut(true);
    other.cut(true);
    await waitUntil('the link is gone', () => !other.pair.parts.gate.isConnected);
    addGroup(other, 'alone');
    await other.program.failover.beforeReply();
    assert.ok(!groups(one).includes('alone'));
    assert.equal(relayOrder(other.pair).mode, 'async', 'sessions end without it, too');
  },
);

test(
  'people who are logged in at the primary stay so at the backup, and who is logged out there is so here',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { accounts } = one.program.site!.parts;
    const { user, oneTimePassword } = await accounts.users.create(ADA, { name: 'bea', displayName: 'Bea', role: 'user' });
    const visitor = { address: '192.0.2.7', userAgent: 'test' };
    const { cookie, principal } = await accounts.logins.withPassword('bea', oneTimePassword, visitor);
    await inSync(one, other);
    assert.equal(other.program.standby!.parts.accounts.authenticate(cookie)?.id, user.id);
    accounts.sessions.endOwn(ADA, principal, principal.loginSession, 'logged out');
    await inSync(one, other);
    assert.equal(other.program.standby!.parts.accounts.authenticate(cookie), undefined);

    await accounts.resetPassword(ADA, 'bea');
    const again = await accounts.resetPassword(ADA, 'bea');
    await inSync(one, other);
    const atBackup = await other.program.standby!.parts.accounts.logins.withPassword('bea', again, visitor);
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    assert.equal(other.program.site!.parts.accounts.authenticate(atBackup.cookie)?.id, user.id, 'still logged in');
  },
);
