/** What people do with the roles of a pair, and what happens to a side that was away meanwhile (B158-B161, B35, I4, I5). */
import assert from 'node:assert/strict';
import { renameSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, addGroup, ANY_LOSS, bothWrite, inSync, startPair, type TestAppliance } from './testing.ts';

const groups = (appliance: TestAppliance) =>
  appliance.program.failover.store!.all<{ name: string }>('SELECT name FROM jump_groups ORDER BY name').map(({ name }) => name);

test(
  'the primary dies with a change that the backup lacks: a person takes over, and it comes back as the backup, its change archived and its audit kept',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    addGroup(one, 'both');
    await inSync(one, other);
    one.cut(true);
    other.cut(true);
    await waitUntil('the link is gone', () => !other.pair.parts.sink.isFollowing);
    addGroup(one, 'lost');
    await one.end();
    await waitUntil('it is seen to be unreachable', () => !other.pair.parts.watch.isReachable);
    await assert.rejects(other.pair.roles.becomePrimary(ADA, { pullFirst: false }), { code: 'FAILOVER_EXPOSURE_CHANGED' });
    await assert.rejects(other.pair.roles.becomePrimary(ADA, { pullFirst: true }), { code: 'FAILOVER_PEER_UNREACHABLE' });
    await other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
    assert.equal(other.role, 'primary');
    const { exposure, copy } = await other.program.failover.state();
    const made =
      copy!.newestChange -
      other.program.failover.store!.get<{ seq: number }>('SELECT min(seq) AS seq FROM change_log WHERE epoch = 2')!.seq;
    assert.equal(exposure?.changes, made + 1, 'the other side lacks what was made here, and nothing else');
    addGroup(other, 'after');

    one.cut(false);
    other.cut(false);
    await one.begin();
    await inSync(other, one);
    assert.deepEqual(groups(one), ['after', 'both']);
    await waitUntil('the audit of the lost change is in the history', () =>
      other.program.failover.store!.get("SELECT 1 FROM audit_event WHERE summary LIKE '%lost%'"),
    );
    await inSync(other, one);
    assert.deepEqual(one.hashes(), other.hashes());
    const { archives } = await one.program.failover.state();
    assert.deepEqual(
      archives.map(({ reason, changes }) => [reason, changes]),
      [['discarded', 1]],
      'what the other side lacked of it',
    );
  },
);

test(
  'both write while they cannot see each other: the older side stops, what differs is shown, and Fix keeps the one that is chosen',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    await bothWrite(pair);
    assert.throws(() =>
      one.program.failover.store!.transact(ADA, { code: 'TEST_WRITTEN', summary: '', details: {} }, () => undefined),
    );
    const { conflict, readOnly } = await one.program.failover.state();
    assert.deepEqual([conflict?.kind, readOnly], ['both-primary', 'superseded']);
    assert.deepEqual(
      conflict?.sides.map(({ appliance, events }) => [
        appliance,
        events.some(({ summary }) => summary.includes(`of ${appliance}`)),
      ]),
      [
        ['alpha', true],
        ['beta', true],
      ],
    );
    const { done } = await one.pair.fix(ADA, 'beta');
    await done;
    await inSync(other, one);
    assert.deepEqual(groups(one), ['of beta']);
    await waitUntil('the discarded audit is kept', () =>
      other.program.failover.store!.get("SELECT 1 FROM audit_event WHERE summary LIKE '%of alpha%'"),
    );
  },
);

test(
  'a plan breaks the relationship and establishes it again: the other side stays read-only, and has everything after',
  { timeout: 90_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    await one.pair.roles.breakUp(ADA, { isForPlan: true });
    assert.deepEqual([one.role, other.role], ['single', 'read-only']);
    addGroup(one, 'meanwhile');
    await other.pair.roles.handOver.pull();
    assert.deepEqual(groups(other), ['meanwhile']);
    await one.pair.roles.establishAgain(ADA);
    await inSync(one, other);
    assert.deepEqual([one.role, other.role], ['primary', 'backup']);

    // Broken again, swapped while it is so, and established by the other side (the asynchronous plan).
    await other.pair.roles.breakUp(ADA, { isForPlan: true });
    await waitUntil('both know', () => one.role === 'single' && other.role === 'read-only');
    addGroup(one, 'before the swap');
    await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
    await waitUntil('roles are swapped', () => one.role === 'read-only' && other.role === 'single');
    addGroup(other, 'after the swap');
    await other.pair.roles.establishAgain(ADA);
    await inSync(other, one);
    assert.deepEqual(groups(one), ['after the swap', 'before the swap', 'meanwhile']);
  },
);

test('a read-only side is split off: a site of its own, with a history of its own', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  await one.pair.roles.breakUp(ADA);
  await other.pair.roles.split(ADA);
  assert.deepEqual([one.role, other.role], ['single', 'single']);
  assert.notEqual(one.pair.parts.records.self.history, other.pair.parts.records.self.history);
  addGroup(other, 'of its own');
  addGroup(one, 'of the other');
  assert.deepEqual([groups(one), groups(other)], [['of the other'], ['of its own']]);
});

test('Become Backup without the other side leaves nobody primary; a person chooses', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  other.cut(true);
  one.cut(true);
  await waitUntil('it is seen to be unreachable', () => !one.pair.parts.watch.isReachable);
  await assert.rejects(one.pair.roles.becomeBackup(ADA, { evenIfUnreachable: false }), { code: 'FAILOVER_PEER_UNREACHABLE' });
  await one.pair.roles.becomeBackup(ADA, { evenIfUnreachable: true });
  assert.deepEqual([one.role, other.role], ['backup', 'backup']);
  one.cut(false);
  other.cut(false);
  const conflict = await waitUntil('it is found', async () => (await one.program.failover.state()).conflict);
  assert.equal(conflict.kind, 'both-backup');
  const { done } = await one.pair.fix(ADA, 'beta');
  await done;
  await inSync(other, one);
  addGroup(other, 'goes on');
  await inSync(other, one);
});

test('Become Backup asks the other side to take over, with everything', { timeout: 60_000 }, async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  addGroup(one, 'kept');
  await one.pair.roles.becomeBackup(ADA, { evenIfUnreachable: false });
  await waitUntil('roles are swapped', () => one.role === 'backup' && other.role === 'primary');
  await inSync(other, one);
  assert.deepEqual(groups(other), ['kept']);
});

test(
  'a primary whose database was put back from an old copy writes nothing: its backup has more of its own epoch',
  { timeout: 60_000 },
  async () => {
    await using pair = await startPair();
    const { one, other } = pair;
    const { database } = one.config.paths;
    await one.program.failover.store!.snapshot(`${database}.old`);
    addGroup(one, 'after the copy');
    await inSync(one, other);
    await one.end();
    for (const suffix of ['-wal', '-shm']) rmSync(database + suffix, { force: true });
    renameSync(`${database}.old`, database);
    // The generation in the copy is of an earlier start.
    await one.begin();
    await waitUntil('it is read-only', () => one.role === 'read-only');
    assert.equal((await one.program.failover.state()).readOnly, 'restored');
    assert.deepEqual(groups(other), ['after the copy']);
    await other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
    assert.equal(other.role, 'primary');
  },
);
