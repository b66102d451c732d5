/** Two histories of one site after a forced double primary (I5, B136; audit-export 5). */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { archiveDatabase } from './archive.ts';
import { auditChains, auditHash, defineAuditEvent, exportAudit, GENESIS_HASH, readAudit, readChain } from './audit.ts';
import { mergeAudit, unionRows } from './history-union.ts';
import { openReader } from './received-copy.ts';
import { Store, type Migration } from './store.ts';
import { copyEntries, openTestStore, testContext } from './testing.ts';
import { createLog } from '@bascule/log/log.ts';

const migrations: Migration[] = [
  {
    version: 90,
    name: 'sessions',
    up: 'CREATE TABLE session (id TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, place TEXT UNIQUE) STRICT',
  },
];
const noted = defineAuditEvent('UNION_NOTED', 'Noted {id}');
const turned = defineAuditEvent('UNION_TURNED', 'Turned');
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

function add(store: Store, id: string, state = 'ended'): void {
  store.transact(testContext, noted({ id }), (tx) => tx.run('INSERT INTO session (id, state) VALUES (?, ?)', id, state));
}

/** A, epoch 1, and B, forced to `epoch`, with events of their own since entry 3 or so. */
function parted(epochs: { a: number; b: number }, events: { a: number; b: number }) {
  const one = openTestStore(migrations, { appliance: 'a' });
  const two = openTestStore(migrations, { appliance: 'b', follower: true });
  for (const id of ['s1', 's2', 's3']) add(one.store, id);
  copyEntries(one.store, two.store);
  if (epochs.a > 1) {
    one.store.demote();
    one.store.promote(testContext, turned({}), epochs.a);
  }
  two.store.promote(testContext, turned({}), epochs.b);
  for (let number = 0; number < events.a; number += 1) add(one.store, `a${number}`);
  for (let number = 0; number < events.b; number += 1) add(two.store, `b${number}`);
  one.store.signHead(() => Uint8Array.of(1));
  return { a: one.store, b: two.store, one, two, [Symbol.dispose]: () => (one[Symbol.dispose](), two[Symbol.dispose]()) };
}

/** Every event fits its hash and the one before it in its chain, and every chain opens where there is an event. */
function assertChained(store: Store): void {
  for (const { appliance, epoch } of auditChains(store)) {
    let previous: string | undefined;
    for (const { hash, ...row } of readChain(store, { appliance, epoch, after: 0, limit: 10_000 })) {
      assert.equal(auditHash(row), hash);
      const opening = previous === undefined && row.previousHash !== GENESIS_HASH;
      if (opening)
        assert.ok(store.get('SELECT 1 FROM audit_event WHERE hash = ? AND sequence = ?', row.previousHash, row.sequence - 1));
      else assert.equal(row.previousHash, previous ?? GENESIS_HASH);
      previous = hash;
    }
  }
}

const events = (store: Store) => store.get<{ count: number }>('SELECT count(*) AS count FROM audit_event')?.count ?? 0;

test('the discarded history stands beside the one that goes on, and is followed with it; the next epoch goes on from the right one', async () => {
  using both = parted({ a: 1, b: 2 }, { a: 520, b: 4 });
  const { a, b } = both;
  const { database } = await archiveDatabase({
    path: both.one.path,
    archive: join(both.one.directory, 'archive'),
    reason: 'discarded',
    nowMs: 1,
  });
  using archived = openReader(database);
  const before = events(b);
  const merged = await mergeAudit(b, testContext, archived);
  assert.deepEqual([merged.events, merged.left], [520, []]);
  assert.deepEqual(
    merged.branches.map(({ appliance, epoch, fromSequence, toSequence }) => [appliance, epoch, fromSequence, toSequence]),
    [['a', 1, 4, 523]],
  );
  // In batches, each with its own event: one more than the rows need.
  assert.equal(events(b), before + 520 + 3);
  assertChained(b);
  assert.equal(b.all('SELECT 1 FROM audit_head').length, 1);
  const said = readAudit(b, { limit: 5, text: 'AUDIT_BRANCH_MERGED' })[0];
  assert.equal(said?.summary, 'Took the discarded history of a, epoch 1 into the audit: events 4 to 523');
  assert.equal(JSON.parse(said.details).head, merged.branches[0]?.head);
  // Again changes nothing.
  const { seq } = b.head();
  assert.deepEqual(await mergeAudit(b, testContext, archived), { events: 0, branches: [], left: [] });
  assert.equal(b.head().seq, seq);
  // A comes back as a backup from a snapshot, follows, and is promoted: it goes on from B's history, not from its own discarded one.
  const copy = join(both.two.directory, 'copy.db');
  await b.snapshot(copy);
  await Store.prepareSnapshot(copy);
  using again = Store.open({ path: copy, migrations, appliance: 'a', log: createLog('test', 'silent'), follower: true });
  add(b, 'after');
  copyEntries(b, again);
  const newest = readChain(b, { appliance: 'b', epoch: 2, after: 0, limit: 10_000 }).at(-1);
  b.demote();
  again.promote(testContext, turned({}), 3);
  assert.equal(readChain(again, { appliance: 'a', epoch: 3, after: 0, limit: 1 })[0]?.previousHash, newest?.hash);
  assertChained(again);
  copyEntries(again, b);
  assert.equal(again.contentHash('audit_event'), b.contentHash('audit_event'));
  assert.equal([...exportAudit(b)].length, events(b) + 3);
  void a;
});

test('both were forced into the same epoch: the longer branch that was discarded is not gone on from', async () => {
  using both = parted({ a: 2, b: 2 }, { a: 9, b: 2 });
  const { a, b } = both;
  await mergeAudit(b, testContext, a);
  b.demote();
  const newest = readChain(b, { appliance: 'b', epoch: 2, after: 0, limit: 100 }).at(-1);
  b.promote(testContext, turned({}), 3);
  assert.equal(readChain(b, { appliance: 'b', epoch: 3, after: 0, limit: 1 })[0]?.previousHash, newest?.hash);
  assertChained(b);
});

test('a merge that was cut goes on where it was', async () => {
  using both = parted({ a: 1, b: 2 }, { a: 1020, b: 1 });
  const { a, b } = both;
  let calls = 0;
  const cut = new Proxy(b, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'transact' && (calls += 1) > 1) throw new Error('cut');
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  await assert.rejects(mergeAudit(cut, testContext, a), /cut/);
  const { events: rest, branches } = await mergeAudit(b, testContext, a);
  assert.deepEqual([rest, branches[0]?.fromSequence], [520, 504]);
  assertChained(b);
  assert.deepEqual(
    { ...b.get<object>('SELECT from_sequence AS first, to_sequence AS last FROM audit_branch') },
    { first: 4, last: 1023 },
  );
});

test('events that do not fit, that collide or that come from nowhere are not taken', async () => {
  using both = parted({ a: 1, b: 2 }, { a: 5, b: 1 });
  using stranger = openTestStore(migrations, { appliance: 'c' });
  using namesake = openTestStore(migrations, { appliance: 'a' });
  const { b } = both;
  add(stranger.store, 'x');
  for (let number = 0; number < 9; number += 1) add(namesake.store, `n${number}`);
  const { seq } = b.head();
  assert.deepEqual((await mergeAudit(b, testContext, stranger.store)).left, [
    { appliance: 'c', epoch: 1, reason: 'unconnected' },
  ]);
  assert.deepEqual((await mergeAudit(b, testContext, namesake.store)).left, [{ appliance: 'a', epoch: 1, reason: 'collides' }]);
  const forger = new DatabaseSync(both.one.path);
  forger.exec("UPDATE audit_event SET summary = 'Nothing happened' WHERE sequence = 6");
  forger.close();
  await assert.rejects(mergeAudit(b, testContext, both.a), code('STORE_AUDIT_BROKEN'));
  assert.equal(b.head().seq, seq);
});

test('session history is a union by id: what is here stays, what collides is left out, batches are followed', async () => {
  using both = parted({ a: 1, b: 2 }, { a: 0, b: 1 });
  const { a, b } = both;
  for (let number = 0; number < 520; number += 1) add(a, `a${number}`);
  const set = (store: Store, sql: string) => store.transact(testContext, noted({ id: 'x' }), (tx) => tx.run(sql));
  set(a, "UPDATE session SET state = 'other' WHERE id = 's1'");
  set(a, "UPDATE session SET place = 'desk' WHERE id = 'a7'");
  set(b, "UPDATE session SET place = 'desk' WHERE id = 'b0'");
  assert.equal(await unionRows(b, testContext, a, ['session', 'missing']), 519);
  const states = b.all<{ id: string; state: string }>(
    "SELECT id, state FROM session WHERE id IN ('s1', 'a7', 'a8', 'b0') ORDER BY id",
  );
  assert.deepEqual(
    states.map(({ id, state }) => `${id} ${state}`),
    ['a8 ended', 'b0 ended', 's1 ended'],
  );
  assert.equal(await unionRows(b, testContext, a, ['session']), 0);
  await assert.rejects(unionRows(b, testContext, a, ['audit_event']), /no history/);
  using follower = openTestStore(migrations, { follower: true });
  copyEntries(b, follower.store);
  assert.equal(follower.store.contentHash('session'), b.contentHash('session'));
});
