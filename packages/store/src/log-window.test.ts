/** What a source reads from its log for followers, and what it cuts off. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineAuditEvent } from './audit.ts';
import { NO_HASH } from './change-log.ts';
import { ENTRY_HEAD_BYTES } from './entry-limits.ts';
import { LOG_KEPT_FOR_ALL, LOG_KEPT_FOR_FOLLOWER } from './log-window.ts';
import type { Migration, Store } from './store.ts';
import { copyEntries, openTestStore, testContext } from './testing.ts';

const migrations: Migration[] = [
  { version: 90, name: 'notes', up: 'CREATE TABLE note (id TEXT NOT NULL PRIMARY KEY, bytes BLOB) STRICT' },
];
const noted = defineAuditEvent('WINDOW_NOTED', 'Noted {id}');
const counted = defineAuditEvent('WINDOW_COUNTED', 'Counted {id}', { housekeeping: true });
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

function add(store: Store, id: string, event = noted): void {
  store.transact(testContext, event({ id }), (tx) =>
    tx.run('INSERT INTO note (id, bytes) VALUES (?, ?)', id, Buffer.alloc(1000)),
  );
}

test('entries come in order, as many as fit but one at least; a follower is known by its newest entry', () => {
  using opened = openTestStore(migrations);
  using other = openTestStore(migrations);
  const { store } = opened;
  for (let number = 0; number < 10; number += 1) add(store, `n${number}`);
  const { seq, hash } = store.head();
  const all = store.entriesAfter(0, 1_000_000);
  assert.deepEqual(
    all.map((entry) => entry.seq),
    Array.from({ length: seq }, (_, index) => index + 1),
  );
  assert.equal(store.entriesAfter(0, 1).length, 1);
  const two = all.slice(-2).reduce((sum, entry) => sum + ENTRY_HEAD_BYTES + entry.bytes.length, 0);
  assert.equal(store.entriesAfter(seq - 3, two).length, 2);
  assert.deepEqual(store.entriesAfter(seq, 1_000_000), []);
  assert.ok(store.hasEntry(seq, hash) && store.hasEntry(0, NO_HASH) && store.hasEntry(5, all[4]!.hash));
  assert.ok(!store.hasEntry(seq, all[4]!.hash) && !store.hasEntry(seq + 1, hash) && !store.hasEntry(0, hash));
  add(other.store, 'another history');
  assert.ok(!store.hasEntry(other.store.head().seq, other.store.head().hash));
});

test('a log is cut by age and size: less for what everybody has than for what a follower lacks, the newest entry never', async () => {
  let nowMs = 1_700_000_000_000;
  using opened = openTestStore(migrations, { now: () => nowMs });
  const { store } = opened;
  for (const id of ['a', 'b', 'c']) add(store, id);
  const old = store.head();
  nowMs += LOG_KEPT_FOR_ALL.ageMs + 1;
  for (const id of ['d', 'e']) add(store, id);
  const { seq, hash } = store.head();
  assert.equal(await store.trimLog(1), 0, 'a follower lacks everything');
  assert.equal(await store.trimLog(old.seq), old.seq - 1, 'what it has is old');
  assert.throws(() => store.entriesAfter(old.seq - 2, 1_000_000), code('STORE_LOG_TRIMMED'));
  assert.ok(!store.hasEntry(0, NO_HASH));
  const [kept] = store.entriesAfter(old.seq - 1, 1);
  assert.ok(store.hasEntry(old.seq - 1, kept!.previous), 'whoever has all that was cut off can go on');
  nowMs += LOG_KEPT_FOR_FOLLOWER.ageMs + 1;
  assert.equal(await store.trimLog(1), seq - old.seq);
  assert.deepEqual([store.head().seq, store.head().hash], [seq, hash]);
  add(store, 'f');
  assert.equal(await store.trimLog(Number.MAX_SAFE_INTEGER), 1);
});

test('what was committed since an entry is told by the entries: how many, since when, what people did', () => {
  let nowMs = 1_700_000_000_000;
  using opened = openTestStore(migrations, { now: () => (nowMs += 1000) });
  using follower = openTestStore(migrations, { follower: true });
  const { store } = opened;
  add(store, 'known');
  copyEntries(store, follower.store);
  const { seq } = store.head();
  assert.deepEqual(store.changesSince(seq), { changes: 0, sinceMs: null, events: [] });
  const sinceMs = nowMs + 1000;
  for (const id of ['a', 'b']) add(store, id);
  add(store, 'counted', counted);
  const { changes, sinceMs: first, events } = store.changesSince(seq);
  assert.deepEqual([changes, first], [3, sinceMs]);
  assert.deepEqual(
    events.map(({ actor, summary }) => [actor, summary]),
    [
      ['test', 'Noted b'],
      ['test', 'Noted a'],
    ],
  );
  for (let number = 0; number < 60; number += 1) add(store, `n${number}`);
  const many = store.changesSince(seq);
  assert.deepEqual([many.changes, many.events.length, many.events[0]?.summary], [63, 50, 'Noted n59']);
});
