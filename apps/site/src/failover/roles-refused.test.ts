/** What one side does not do by the word of the other, and what becomes of it when a change of roles fails (I4, I5; docs/decisions/0201). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import { ADA, addGroup, ANY_LOSS, bothWrite, inSync, startPair, type TestAppliance } from './testing.ts';

const UNFIT = { code: 'FAILOVER_ROLE_UNFIT' };

/** A statement that only somebody who has the site identity can make: either side. */
async function signedBy(appliance: TestAppliance, epoch: number): Promise<SignedStatement> {
  const { statements, records, key, config } = appliance.pair.parts;
  const { history } = records.self;
  const holder = { holder: key.sha256, holderName: config.applianceName };
  return await statements.sign({ history, epoch, ...holder, predecessor: null, atMs: Date.now() });
}

test('orders of the peer: no old word, no new one without a conflict, and no epoch from nowhere, changes who is primary', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  const old = one.pair.parts.records.self.statement!;
  await other.pair.roles.becomePrimary(ADA, { pullFirst: true });
  await inSync(other, one);
  const { statement } = other.pair.parts.records.self;
  const toOther = one.pair.roles;
  await assert.rejects(toOther.order({ kind: 'become-backup', statement: old, by: 'eve' }), UNFIT);
  await assert.rejects(toOther.order({ kind: 'establish-again', statement: old, by: 'eve', mode: 'async' }), UNFIT);
  await assert.rejects(toOther.order({ kind: 'become-backup', statement: await signedBy(one, 3), by: 'eve' }), UNFIT);
  await assert.rejects(toOther.order({ kind: 'hand-over', by: 'eve', toEpoch: Number.MAX_SAFE_INTEGER }), {
    code: 'FAILOVER_EPOCH_TOO_HIGH',
  });
  await assert.rejects(other.pair.roles.order({ kind: 'become-primary', by: 'eve', pullFirst: false, isFix: true }), {
    code: 'FAILOVER_NO_CONFLICT',
  });
  assert.deepEqual([one.role, other.role], ['backup', 'primary']);
  assert.deepEqual(other.pair.parts.records.self.statement, statement);

  // Heard in its state, an epoch from nowhere is not believed either.
  one.pair.parts.records.store.transact(ADA, { code: 'TEST_LIED', summary: '', details: {} }, () => undefined);
  const lie = await signedBy(one, Number.MAX_SAFE_INTEGER);
  await assert.rejects(other.pair.word.learn(lie), { code: 'FAILOVER_EPOCH_TOO_HIGH' });
  assert.equal(other.role, 'primary');
});

test('Fix keeps the side on which it is pressed, also when the other one serves by a higher epoch until then', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  await bothWrite(pair);
  const discarded = (await one.program.failover.state()).conflict?.sides[1]?.changes ?? 0;
  assert.ok(discarded > 0);
  const { done } = await one.pair.fix(ADA, 'alpha');
  await done;
  await inSync(one, other);
  assert.deepEqual([one.role, one.pair.parts.records.self.epoch], ['primary', 3]);
  const [kept, gaveWay] = await Promise.all([one, other].map((side) => side.program.failover.state()));
  assert.deepEqual(
    [kept, gaveWay].map((state) => [state?.roles[0]?.role, state?.roles[0]?.reason, state?.roles[0]?.lost?.changes]),
    [
      ['primary', 'fixed', discarded],
      ['backup', 'fixed', discarded],
    ],
    'the history of both says what was said before',
  );
  assert.equal(gaveWay?.archives[0]?.changes, discarded);
});

test('after a break the other side is shut out: it is told how this one is, and nothing that it says or signs counts', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  await one.pair.roles.breakUp(ADA);
  const { dial, records } = other.pair.parts;
  const before = one.pair.parts.records.self;
  assert.equal((await dial.request('GET', '/state')).status, 200);
  const asked: ['GET' | 'POST', string][] = [
    ['POST', '/snapshot'],
    ['POST', '/entries'],
    ['POST', '/changes'],
    ['POST', '/box'],
    ['GET', '/keys'],
    ['POST', '/witness'],
    ['POST', '/work/compare'],
  ];
  for (const [method, path] of asked) assert.equal((await dial.request(method, path, {})).status, 403, path);
  const link = await dial.follow();
  if (link.readyState === link.OPEN) await once(link, 'close');

  const statement = await signedBy(other, before.epoch + 1);
  const { roles } = other.pair;
  for (const kind of ['become-backup', 'establish-again'] as const)
    await assert.rejects(roles.order({ kind, statement, by: 'eve', mode: 'async' }), UNFIT, kind);
  await assert.rejects(roles.order({ kind: 'hand-over', by: 'eve', toEpoch: before.epoch + 1 }), UNFIT);
  records.note({ code: 'TEST_LIED', summary: '', details: {} }, { statement });
  await one.pair.parts.watch.ask();
  assert.deepEqual(one.pair.parts.watch.state?.statement, statement);
  await one.pair.word.heard(one.pair.parts.watch.state!);
  assert.deepEqual([one.role, one.pair.parts.records.self], ['single', before]);
  addGroup(one, 'goes on');

  // Nor does it become a second primary of one history by itself.
  await assert.rejects(roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS }), UNFIT);
  // Where nobody broke it off, it goes on by the word of the side that had broken it.
  records.note({ code: 'TEST_LIED', summary: '', details: {} }, { statement: before.statement });
  await one.pair.roles.establishAgain(ADA);
  await inSync(one, other);

  await one.pair.roles.breakUp(ADA);
  await other.pair.roles.breakUp(ADA);
  await assert.rejects(one.pair.roles.establishAgain(ADA), UNFIT);
  assert.deepEqual([one.role, other.role], ['single', 'read-only']);
});

test('what fails in the middle of a change of roles leaves nobody without a server', async () => {
  await using pair = await startPair();
  const { one, other } = pair;
  for (const { pair: own } of [one, other]) {
    const { serving } = own.parts;
    const stop = serving.stop;
    serving.stop = async () => {
      await stop();
      serving.stop = stop;
      throw new Error('the disk is full');
    };
  }
  one.cut(true);
  other.cut(true);
  await waitUntil('it is seen to be unreachable', () => !other.pair.parts.watch.isReachable);
  const forced = other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
  await assert.rejects(forced, { message: 'the disk is full' });
  assert.deepEqual([other.role, other.program.standby === undefined], ['backup', false]);
  await assert.rejects(one.pair.roles.becomeBackup(ADA, { evenIfUnreachable: true }), { message: 'the disk is full' });
  assert.deepEqual([one.role, one.program.site === undefined], ['primary', false]);
  one.cut(false);
  other.cut(false);
  addGroup(one, 'goes on');
  await inSync(one, other);
});

test('a reply that waits for the peer when this side loses the site is not given', async () => {
  await using pair = await startPair('sync');
  const { one } = pair;
  const { gate, database } = one.pair.parts;
  // What the peer will never confirm.
  gate.onCommitted((database.store?.head().seq ?? 0) + 1, true);
  const reply = one.program.failover.beforeReply();
  const refused = assert.rejects(reply, { code: 'FAILOVER_NOT_CONFIRMED' });
  await one.pair.roles.stepDown({ by: 'beta', reason: 'superseded' }, 'backup');
  await refused;
  await assert.rejects(one.program.failover.beforeReply(), { code: 'FAILOVER_NOT_CONFIRMED' });
});
