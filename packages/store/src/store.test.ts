import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { test } from 'node:test';
import { Writable } from 'node:stream';
import { createLog } from '@bascule/log/log.ts';
import { pino } from 'pino';
import { raiseGeneration } from './generation-file.ts';
import { defineAuditEvent, exportAudit, readAudit, GENESIS_HASH } from './audit.ts';
import { readChangeLog } from './change-log.ts';
import { openReader } from './received-copy.ts';
import { isUniqueViolation, Store, SYSTEM, type Migration } from './store.ts';
import { openTestStore, testContext } from './testing.ts';

const migrations: Migration[] = [
  { version: 90, name: 'notes', up: 'CREATE TABLE note (id TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL) STRICT' },
];
const noted = defineAuditEvent('NOTE_ADDED', 'Added note {id}');
const counted = defineAuditEvent('NOTES_COUNTED', 'Counted {count:note,notes} in {id}', { housekeeping: true });
const log = createLog('store-test', 'silent');

function add(store: Store, id: string, text = 'x'): void {
  store.transact(testContext, noted({ id }), (tx) => tx.run('INSERT INTO note (id, text) VALUES (?, ?)', id, text));
}
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;
const noteIds = (store: Store) => store.all<{ id: string }>('SELECT id FROM note ORDER BY id').map((row) => row.id);
const changes = (store: Store) => [...readChangeLog(store)].filter((entry) => entry.kind === 'change');
function assertNothing(store: Store): void {
  assert.deepEqual([noteIds(store), readAudit(store, { limit: 10 }), changes(store)], [[], [], []]);
}

test('rows, audit event and change-log entry commit together; effects run after the commit', () => {
  using opened = openTestStore(migrations);
  const { store } = opened;
  const seen: number[] = [];
  const result = store.transact(
    testContext,
    (id: string) => noted({ id }),
    (tx) => {
      tx.run('INSERT INTO note (id, text) VALUES (?, ?)', 'a', 'first');
      tx.afterCommit(() => seen.push(changes(store).length));
      assert.deepEqual(seen, []);
      return 'a';
    },
  );
  assert.equal(result, 'a');
  assert.deepEqual(seen, [1]);
  assert.equal(readAudit(store, { limit: 10 })[0]?.summary, 'Added note a');
  assert.equal(changes(store).length, 1);
});

test('work that throws, returns a promise or nests leaves nothing, and no effect runs', () => {
  using opened = openTestStore(migrations);
  const { store } = opened;
  const insert = 'INSERT INTO note (id, text) VALUES (?, ?)';
  const never = () => assert.fail('an effect of what was rolled back ran');
  assert.throws(
    () =>
      store.transact(testContext, noted({ id: 'a' }), (tx) => {
        tx.run(insert, 'a', 'x');
        tx.afterCommit(never);
        throw new Error('no');
      }),
    /no/,
  );
  assert.throws(
    () =>
      store.transact(testContext, noted({ id: 'a' }), async (tx) => {
        tx.run(insert, 'a', 'x');
        tx.afterCommit(never);
      }),
    /must be synchronous/,
  );
  assert.throws(
    () =>
      store.transact(testContext, noted({ id: 'a' }), (tx) => {
        tx.run(insert, 'a', 'x');
        add(store, 'b');
      }),
    /inside a transaction/,
  );
  assert.throws(
    () =>
      store.transact(
        testContext,
        () => {
          throw new Error('no event');
        },
        (tx) => tx.run(insert, 'a', 'x'),
      ),
    /no event/,
  );
  assertNothing(store);
  add(store, 'c');
  assert.deepEqual(noteIds(store), ['c']);
});

test('an effect that throws is logged and undoes nothing; a transaction kept beyond its end is dead', () => {
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk, _, done) => (lines.push(String(chunk)), done()) });
  using opened = openTestStore(migrations, { log: pino({ messageKey: 'event' }, sink) });
  const kept = opened.store.transact(testContext, noted({ id: 'a' }), (tx) => {
    tx.run('INSERT INTO note (id, text) VALUES (?, ?)', 'a', 'x');
    tx.afterCommit(() => {
      throw new Error('effect');
    });
    return { tx };
  });
  assert.match(lines.join(''), /store-effect-failed/);
  assert.deepEqual(noteIds(opened.store), ['a']);
  assert.throws(() => kept.tx.run('DELETE FROM note'), /is over/);
});

test('errors carry the SQL, never the values; a broken UNIQUE can be told', () => {
  using opened = openTestStore(migrations);
  add(opened.store, 'a');
  assert.throws(
    () => add(opened.store, 'a', 'secret-value'),
    (error: Error) => isUniqueViolation(error) && /INSERT INTO note/.test(error.message) && !/secret-value/.test(error.message),
  );
  assert.throws(() => opened.store.get('SELECT nothing FROM nowhere'), /SELECT nothing FROM nowhere/);
});

test('a writer of a lower generation is fenced, by the file and by the row, and has written nothing', () => {
  using scratch = openTestStore([]);
  const file = join(scratch.directory, 'generation');
  const path = join(scratch.directory, 'fenced.db');
  const number = raiseGeneration(file);
  using old = Store.open({ path, migrations, appliance: 'test', log, generation: { file, number } });
  add(old, 'before');
  const next = raiseGeneration(file);
  assert.throws(() => add(old, 'after'), code('STORE_FENCED'));
  assert.throws(() => old.signHead((bytes) => bytes), code('STORE_FENCED'));
  assert.throws(
    () => Store.open({ path, migrations, appliance: 'test', log, generation: { file, number } }),
    code('STORE_FENCED'),
  );
  using fresh = Store.open({ path, migrations, appliance: 'test', log, generation: { file, number: next } });
  add(fresh, 'by the next');
  // Even if the file were put back, the row remembers.
  writeFileSync(file, String(number).padStart(20, '0'));
  assert.throws(() => add(old, 'after'), code('STORE_FENCED'));
  assert.deepEqual(noteIds(fresh), ['before', 'by the next']);
  writeFileSync(file, 'garbage');
  assert.throws(() => add(old, 'after'), code('STORE_GENERATION_BROKEN'));
});

test('a damaged file and one of newer software are refused in one sentence and left as they are', () => {
  using opened = openTestStore(migrations);
  for (let number = 0; number < 400; number += 1) add(opened.store, `n${number}`, 'y'.repeat(500));
  opened.store.close();
  const broken = join(opened.directory, 'broken.db');
  const bytes = readFileSync(opened.path);
  bytes.fill(0x5a, 4096 * 3, 4096 * 20);
  writeFileSync(broken, bytes);
  assert.throws(() => Store.open({ path: broken, migrations, appliance: 'test', log }), code('STORE_CORRUPT'));
  assert.deepEqual(readFileSync(broken), bytes);
  const text = join(opened.directory, 'text.db');
  writeFileSync(text, 'this is no database at all');
  assert.throws(() => Store.open({ path: text, migrations, appliance: 'test', log }), code('STORE_CORRUPT'));
  assert.equal(readFileSync(text, 'utf8'), 'this is no database at all');
  const before = readFileSync(opened.path);
  const changed = [{ ...migrations[0]!, up: `${migrations[0]!.up} ` }];
  assert.throws(
    () => Store.open({ path: opened.path, migrations: changed, appliance: 'test', log }),
    code('STORE_MIGRATION_CHANGED'),
  );
  assert.deepEqual(readFileSync(opened.path), before);
});

test('a full disk rolls back, says so, and the store goes on when there is room', () => {
  using opened = openTestStore(migrations, { maxPages: 60 });
  const { store } = opened;
  add(store, 'fits');
  assert.throws(() => add(store, 'large', 'z'.repeat(400_000)), code('STORE_DISK_FULL'));
  // Work that swallows the error must not write on outside of its transaction.
  assert.throws(() =>
    store.transact(testContext, noted({ id: 'swallowed' }), (tx) => {
      assert.throws(() => tx.run('INSERT INTO note (id, text) VALUES (?, ?)', 'large', 'z'.repeat(400_000)));
      tx.run('INSERT INTO note (id, text) VALUES (?, ?)', 'swallowed', 'x');
      throw new Error('given up');
    }),
  );
  add(store, 'fits too');
  assert.deepEqual(noteIds(store), ['fits', 'fits too']);
  assert.equal(changes(store).length, 2);
});

for (const [name, up] of Object.entries({
  'a table that is not STRICT': 'CREATE TABLE bad (id TEXT NOT NULL PRIMARY KEY)',
  'a table without a primary key': 'CREATE TABLE bad (id TEXT NOT NULL) STRICT',
  'a primary key that SQLite may invent': 'CREATE TABLE bad (id INTEGER PRIMARY KEY) STRICT',
  'a trigger': 'CREATE TRIGGER bad AFTER INSERT ON audit_event BEGIN SELECT 1; END',
  AUTOINCREMENT: 'CREATE TABLE bad (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT) STRICT',
  'a virtual table': 'CREATE VIRTUAL TABLE bad USING fts5(text)',
  'a view': 'CREATE VIEW bad AS SELECT 1',
  'a generated column': 'CREATE TABLE bad (id TEXT NOT NULL PRIMARY KEY, twice TEXT GENERATED ALWAYS AS (id || id)) STRICT',
})) {
  test(`a migration with ${name} is refused, and rolled back`, () => {
    using opened = openTestStore([]);
    opened.store.close();
    assert.throws(
      () => Store.open({ path: opened.path, migrations: [{ version: 91, name: 'bad', up }], appliance: 'test', log }),
      code('STORE_TABLE_UNFIT'),
    );
    using again = Store.open({ path: opened.path, migrations: [], appliance: 'test', log });
    assert.deepEqual(again.replicatedTables(), ['audit_branch', 'audit_event', 'audit_head']);
  });
}

test('the schema of a database is not trusted: it may have been made by somebody else', () => {
  using opened = openTestStore(migrations);
  const trusted = (reader: Pick<Store, 'get'>) => reader.get<{ trusted_schema: number }>('PRAGMA trusted_schema')?.trusted_schema;
  assert.equal(trusted(opened.store), 0);
  using reader = openReader(opened.path);
  assert.equal(trusted(reader), 0);
});

test('a follower applies only what follows: gaps, other chains, flipped bits and diverged rows are refused and change nothing', () => {
  using source = openTestStore(migrations);
  using other = openTestStore(migrations, { follower: true });
  for (const id of ['a', 'b', 'c']) add(source.store, id);
  const [own, ...entries] = [...readChangeLog(source.store)];
  const [first, second, third, fourth, fifth] = entries as [(typeof entries)[0], ...typeof entries];
  const follower = other.store;
  follower.applyEntry(own!);
  assert.throws(() => follower.applyEntry(second!), code('STORE_LOG_GAP'));
  for (const entry of [first, second, third]) follower.applyEntry(entry!);
  const flipped = Uint8Array.from(fourth!.bytes);
  flipped[flipped.length - 1]! ^= 1;
  assert.throws(() => follower.applyEntry({ ...fourth!, bytes: flipped }), code('STORE_LOG_BROKEN'));
  assert.throws(() => follower.applyEntry({ ...fourth!, previous: third!.previous }), code('STORE_LOG_BROKEN'));
  assert.throws(() => follower.applyEntry(fifth!), code('STORE_LOG_GAP'));
  follower.applyEntry(fourth!);
  assert.deepEqual(noteIds(follower), ['a', 'b']);
  // A row that the source does not know stands in the way.
  const behind = new DatabaseSync(other.path);
  behind.exec("INSERT INTO note (id, text) VALUES ('c', 'diverged')");
  behind.close();
  assert.throws(() => follower.applyEntry(fifth!), code('STORE_DIVERGED'));
  assert.equal(follower.get<{ text: string }>("SELECT text FROM note WHERE id = 'c'")?.text, 'diverged');
});

test('housekeeping is left out when asked for, before rows are counted; numbers come with the right word', () => {
  using opened = openTestStore(migrations);
  add(opened.store, 'a');
  for (const count of [0, 1, 2]) opened.store.transact(testContext, counted({ count, id: 'x' }), () => undefined);
  assert.deepEqual(
    readAudit(opened.store, { limit: 3 }).map((row) => row.summary),
    ['Counted 2 notes in x', 'Counted 1 note in x', 'Counted 0 notes in x'],
  );
  const shown = readAudit(opened.store, { limit: 1, housekeeping: false });
  assert.deepEqual(
    shown.map((row) => row.code),
    ['NOTE_ADDED'],
  );
  assert.equal([...exportAudit(opened.store)].length, 6);
});

test('the audit is chained, pages newest first, filters, and survives odd text', () => {
  using opened = openTestStore(migrations);
  for (const id of ['a', 'b\0\ud800', 'c%']) add(opened.store, id);
  const all = readAudit(opened.store, { limit: 10 });
  assert.deepEqual(
    all.map((row) => row.sequence),
    [3, 2, 1],
  );
  assert.equal(all[2]?.previousHash, GENESIS_HASH);
  assert.equal(all[0]?.previousHash, all[1]?.hash);
  assert.deepEqual(
    readAudit(opened.store, { limit: 1, before: 3 }).map((row) => row.sequence),
    [2],
  );
  assert.deepEqual(
    readAudit(opened.store, { limit: 10, text: 'c%' }).map((row) => row.sequence),
    [3],
  );
  const lines = [...exportAudit(opened.store)];
  assert.equal(lines.length, 5);
  assert.ok(lines.every((line) => line.endsWith('\n')));
  assert.throws(() => defineAuditEvent('NOTE_ADDED', 'again'), /twice/);
  assert.throws(() => noted({}), /lacks 'id'/);
});

test('heads are signed and kept', () => {
  using opened = openTestStore(migrations, { now: () => 1_700_000_000_000 });
  add(opened.store, 'a');
  assert.equal(opened.store.lastHead(), undefined);
  const signed = opened.store.signHead((bytes) => bytes.subarray(0, 4));
  assert.equal(opened.store.lastHead()?.statement, signed.statement);
  assert.equal(JSON.parse(signed.statement).audit.hash, readAudit(opened.store, { limit: 1 })[0]?.hash);
});

test('a snapshot is whole while writing goes on, and has the same content', async () => {
  using opened = openTestStore(migrations);
  for (let number = 0; number < 50; number += 1) add(opened.store, `n${number}`);
  const target = join(opened.directory, 'snapshot.db');
  const done = opened.store.snapshot(target);
  add(opened.store, 'meanwhile');
  await done;
  using copy = Store.open({ path: target, migrations, appliance: 'test', log, follower: true });
  assert.ok(noteIds(copy).length >= 50);
  for (const entry of readChangeLog(opened.store, [...readChangeLog(copy)].length)) copy.applyEntry(entry);
  assert.equal(copy.contentHash('note'), opened.store.contentHash('note'));
  assert.equal(copy.contentHash('audit_event'), opened.store.contentHash('audit_event'));
  await assert.rejects(opened.store.snapshot(target), /exists/);
  assert.ok(existsSync(target), 'a snapshot that was there is not removed');
});

test('content hashes tell types, order and tables apart', () => {
  using one = openTestStore(migrations);
  using two = openTestStore(migrations);
  add(one.store, 'a', '1');
  add(one.store, 'b', '2');
  add(two.store, 'b', '2');
  add(two.store, 'a', '1');
  assert.equal(one.store.contentHash('note'), two.store.contentHash('note'));
  two.store.transact(SYSTEM, noted({ id: 'a' }), (tx) => tx.run("UPDATE note SET text = '2' WHERE id = 'a'"));
  assert.notEqual(one.store.contentHash('note'), two.store.contentHash('note'));
});
