/** Following, promotion and demotion (docs/spec/change-log.md 3, 7), and what surrounds a commit in a pair. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent, readAudit } from './audit.ts';
import { hashEntry, readChangeLog, type ChangeLogEntry } from './change-log.ts';
import { migrationHash } from './migration-entry.ts';
import { Store, type Migration, type StoreOptions } from './store.ts';
import { copyEntries, measureFollowing, openTestStore, testContext } from './testing.ts';

const notes: Migration = {
  version: 90,
  name: 'notes',
  up: 'CREATE TABLE note (id TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL) STRICT',
};
const labels: Migration = {
  version: 91,
  name: 'labels',
  up: `ALTER TABLE note ADD COLUMN colour TEXT NOT NULL DEFAULT 'none'; CREATE TABLE label (id TEXT NOT NULL PRIMARY KEY) STRICT;
    CREATE INDEX note_by_colour ON note (colour);`,
};
const noted = defineAuditEvent('FOLLOW_NOTED', 'Noted {id}');
const turned = defineAuditEvent('FOLLOW_TURNED', 'Turned');
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;
const ids = (store: Store) => store.all<{ id: string }>('SELECT id FROM note ORDER BY id').map((row) => row.id);

function add(store: Store, id: string): void {
  store.transact(testContext, noted({ id }), (tx) => tx.run('INSERT INTO note (id, text) VALUES (?, ?)', id, 'x'));
}

function assertEqual(one: Store, other: Store): void {
  assert.deepEqual(one.head(), other.head());
  assert.deepEqual(one.replicatedTables(), other.replicatedTables());
  for (const table of one.replicatedTables()) assert.equal(one.contentHash(table), other.contentHash(table), table);
}

/** Seals an entry anew after a change, as a hostile or broken source would. */
function sealed(entry: ChangeLogEntry, changes: Partial<ChangeLogEntry>): ChangeLogEntry {
  const changed = { ...entry, ...changes };
  return { ...changed, hash: hashEntry(changed) };
}

function pair(migrations: Migration[], theirs = migrations, options: Partial<StoreOptions> = {}) {
  const source = openTestStore(migrations, { appliance: 'a' });
  const target = openTestStore(theirs, { appliance: 'b', follower: true, ...options });
  return {
    a: source.store,
    b: target.store,
    source,
    target,
    [Symbol.dispose]: () => (source[Symbol.dispose](), target[Symbol.dispose]()),
  };
}

test('roles go to and fro in place: every entry follows, contents are equal, a follower changes nothing by itself', () => {
  using both = pair([notes]);
  let [writer, follower] = [both.a, both.b];
  for (let epoch = 2; epoch <= 7; epoch += 1) {
    add(writer, `at ${epoch}`);
    copyEntries(writer, follower);
    assertEqual(writer, follower);
    assert.throws(() => add(follower, 'own'), code('STORE_FOLLOWER'));
    assert.throws(() => follower.signHead(() => Uint8Array.of(1)), code('STORE_FOLLOWER'));
    writer.demote();
    assert.throws(() => add(writer, 'late'), code('STORE_FOLLOWER'));
    follower.promote(testContext, turned({}), epoch);
    assert.deepEqual([follower.isFollower, writer.isFollower, follower.head().epoch], [false, true, epoch]);
    [writer, follower] = [follower, writer];
  }
  copyEntries(writer, follower);
  assertEqual(writer, follower);
  assert.equal(ids(writer).length, 6);
  const epochs = readAudit(writer, { limit: 100 }).map((row) => [row.appliance, row.epoch]);
  assert.deepEqual(epochs[0], ['a', 7]);
});

test('an epoch that is over is not promoted to, and entries of it are refused', () => {
  using both = pair([notes]);
  const { a, b } = both;
  add(a, 'one');
  copyEntries(a, b);
  b.promote(testContext, turned({}), 5);
  b.demote();
  add(a, 'two');
  const late = [...readChangeLog(a)].at(-1)!;
  const head = b.head();
  // Even when it is sealed as if it went on from here.
  const forged = sealed(late, { seq: head.seq + 1, previous: head.hash });
  assert.throws(() => b.applyEntry(late), code('STORE_LOG_GAP'));
  assert.throws(() => b.applyEntry(forged), code('STORE_LOG_BROKEN'));
  assert.throws(() => b.promote(testContext, turned({}), 4), code('STORE_EPOCH_OLD'));
  assert.ok(b.isFollower);
  assert.deepEqual(b.head(), head);
  b.promote(testContext, turned({}), 5);
});

test('a batch is applied as a whole or not at all, and tells which tables it changed', () => {
  using both = pair([notes]);
  const { a, b } = both;
  for (const id of ['one', 'two', 'three']) add(a, id);
  const entries = a.entriesAfter(0, 1_000_000);
  const broken = entries.with(-1, sealed(entries.at(-1)!, { epoch: 0 }));
  assert.throws(() => b.applyEntries(broken), code('STORE_LOG_BROKEN'));
  assert.deepEqual([b.head().seq, b.replicatedTables()], [0, []]);
  const heard: number[] = [];
  const stop = b.onAppended((seq) => heard.push(seq));
  const { seq, tables } = b.applyEntries(entries);
  assert.deepEqual([seq, tables.toSorted()], [a.head().seq, ['audit_event', 'note']]);
  assert.deepEqual(b.applyEntries([]), { seq, tables: [] });
  stop();
  add(a, 'four');
  assert.deepEqual(b.applyEntry(a.entriesAfter(seq, 1)[0]!).tables.toSorted(), ['audit_event', 'note']);
  assert.deepEqual(heard, [seq]);
  assert.throws(() => a.applyEntries(entries), /cannot follow/);
});

test('a changeset for a table that is missing here, has another shape, or describes the file itself, is refused', () => {
  using both = pair([notes]);
  const { a, b } = both;
  add(a, 'one');
  copyEntries(a, b);
  add(a, 'two');
  const [next] = a.entriesAfter(b.head().seq, 1_000_000);
  const rename = (name: string) =>
    Buffer.from(Buffer.from(next!.bytes).toString('latin1').replace('note\0', `${name}\0`), 'latin1');
  for (const name of ['nota', 'writer', 'change_log', 'WRITER', 'sqlite_schema'])
    assert.throws(() => b.applyEntry(sealed(next!, { bytes: rename(name) })), code('STORE_DIVERGED'), name);
  assert.throws(() => b.applyEntry(sealed(next!, { bytes: Buffer.from('nonsense') })), code('STORE_LOG_BROKEN'));
  const behind = new DatabaseSync(both.target.path);
  behind.exec('ALTER TABLE note ADD COLUMN more TEXT');
  assert.throws(() => b.applyEntry(next!), code('STORE_DIVERGED'));
  behind.exec('ALTER TABLE note DROP COLUMN more');
  behind.close();
  b.applyEntry(next!);
  assertEqual(a, b);
});

test('a migration that the follower does not know comes with its SQL; it goes on following, and the newer software finds it applied', () => {
  using both = pair([notes, labels], [notes]);
  const { a, b } = both;
  add(a, 'one');
  copyEntries(a, b);
  assertEqual(a, b);
  b.close();
  using newer = Store.open({
    path: both.target.path,
    migrations: [notes, labels],
    appliance: 'b',
    log: createLog('t', 'silent'),
  });
  assert.equal(newer.head().schema, a.head().schema);
});

test('an entry of a migration without SQL works where the software knows it, and nowhere else', () => {
  using both = pair([notes, labels]);
  using unaware = openTestStore([notes], { follower: true });
  let previous: ChangeLogEntry | undefined;
  for (const entry of readChangeLog(both.a)) {
    const { version, name, sha256 } = JSON.parse(Buffer.from(entry.bytes).toString()) as Record<string, unknown>;
    const bytes = Buffer.from(JSON.stringify({ version, name, sha256 }));
    previous = sealed(entry, { bytes, previous: previous?.hash ?? entry.previous });
    both.b.applyEntry(previous);
    if (version !== 91) unaware.store.applyEntry(previous);
    else assert.throws(() => unaware.store.applyEntry(previous!), code('STORE_NEWER'));
  }
  assert.deepEqual(both.b.replicatedTables(), both.a.replicatedTables());
});

test('hostile SQL in an entry is not run: other statements, another hash, what does not only add, a number that is taken', () => {
  using both = pair([notes], []);
  const { a, b } = both;
  copyEntries(a, b);
  const head = b.head();
  const order = (migration: Migration, sha256?: string) => {
    const bytes = noteBytes(migration, sha256);
    return sealed([...readChangeLog(a)].at(-1)!, { seq: head.seq + 1, previous: head.hash, schema: head.schema + 1, bytes });
  };
  const table = 'CREATE TABLE more (id TEXT NOT NULL PRIMARY KEY) STRICT';
  const refused: [string, ChangeLogEntry, string][] = [
    ['PRAGMA', order({ version: 95, name: 'x', up: `${table}; PRAGMA writable_schema = ON` }), 'STORE_NEWER'],
    ['ATTACH', order({ version: 95, name: 'x', up: `ATTACH '${both.target.path}.x' AS x` }), 'STORE_NEWER'],
    ['DROP', order({ version: 95, name: 'x', up: 'DROP TABLE note' }), 'STORE_NEWER'],
    [
      'trigger',
      order({ version: 95, name: 'x', up: 'CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT 1; END' }),
      'STORE_NEWER',
    ],
    ['INSERT', order({ version: 95, name: 'x', up: "INSERT INTO note (id, text) VALUES ('x', 'x')" }), 'STORE_NEWER'],
    ['another hash', order({ version: 95, name: 'x', up: table }, 'a'.repeat(64)), 'STORE_NEWER'],
    [
      'a unique index on a table that is there',
      order({ version: 95, name: 'x', up: 'CREATE UNIQUE INDEX u ON note (text)' }),
      'STORE_NEWER',
    ],
    ['a mandatory column', order({ version: 95, name: 'x', up: 'ALTER TABLE note ADD COLUMN c TEXT NOT NULL' }), 'STORE_NEWER'],
    [
      'a key that may be NULL',
      order({ version: 95, name: 'x', up: 'CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT' }),
      'STORE_NEWER',
    ],
    ['a number that is applied', order({ version: 90, name: 'x', up: table }), 'STORE_NEWER'],
    ['another schema number', sealed(order({ version: 95, name: 'x', up: table }), { schema: 99 }), 'STORE_NEWER'],
    ['no note', sealed(order({ version: 95, name: 'x', up: table }), { bytes: Buffer.from('[]') }), 'STORE_LOG_BROKEN'],
    [
      'unknown fields',
      sealed(order({ version: 95, name: 'x', up: table }), {
        bytes: Buffer.from('{"version":95,"name":"x","sha256":"","run":1}'),
      }),
      'STORE_LOG_BROKEN',
    ],
    [
      'bytes that are no text',
      sealed(order({ version: 95, name: 'x', up: table }), { bytes: Buffer.of(0xff, 0xfe) }),
      'STORE_LOG_BROKEN',
    ],
  ];
  for (const [what, entry, expected] of refused) {
    assert.throws(() => b.applyEntry(entry), code(expected), what);
    assert.deepEqual(b.head(), head, what);
  }
  assert.equal(b.all('SELECT name FROM sqlite_schema').length, a.all('SELECT name FROM sqlite_schema').length);
  b.applyEntry(order({ version: 95, name: 'x', up: table }));
  assert.ok(b.replicatedTables().includes('more'));
});

function noteBytes({ version, name, up }: Migration, sha256 = migrationHash({ version, name, up })): Uint8Array {
  return Buffer.from(JSON.stringify({ version, name, sha256, up }));
}

test('a promotion issues what the schema lacks, and its audit event, in one transaction; the other side follows without the software', () => {
  using both = pair([notes], [notes, labels]);
  const { a, b } = both;
  add(a, 'one');
  copyEntries(a, b);
  const { seq, schema } = b.head();
  a.demote();
  b.promote(testContext, turned({}), 2);
  assert.deepEqual([b.head().seq, b.head().schema, b.head().epoch], [seq + 2, schema + 1, 2]);
  assert.equal(readAudit(b, { limit: 1 })[0]?.code, 'FOLLOW_TURNED');
  b.transact(testContext, noted({ id: 'two' }), (tx) => tx.run("INSERT INTO note (id, text, colour) VALUES ('two', 'x', 'red')"));
  copyEntries(b, a);
  assertEqual(a, b);
  assert.deepEqual(ids(a), ['one', 'two']);
});

test('a promotion that fails leaves a follower as it was', () => {
  const broken: Migration = {
    version: 92,
    name: 'broken',
    up: 'CREATE TABLE half (id TEXT NOT NULL PRIMARY KEY) STRICT; SELECT nonsense',
  };
  let isHeld = true;
  const lost = new AppError('unavailable', 'TEST_NO_LEASE', 'The lease is gone.');
  const mayWrite = () => {
    if (!isHeld) throw lost;
  };
  using both = pair([notes], [notes, labels, broken], { mayWrite });
  const { a, b } = both;
  add(a, 'one');
  copyEntries(a, b);
  const before = b.head();
  assert.throws(() => b.promote(testContext, turned({}), 2), /nonsense/);
  isHeld = false;
  assert.throws(() => b.promote(testContext, turned({}), 2), code('TEST_NO_LEASE'));
  assert.deepEqual([b.head(), b.isFollower, b.replicatedTables()], [before, true, a.replicatedTables()]);
  add(a, 'two');
  copyEntries(a, b);
  assertEqual(a, b);
});

test('many changes are followed in batches', () => {
  const { changes, seconds, perSecond } = measureFollowing({ changes: 300, batchBytes: 256 * 1024 });
  assert.equal(changes, 300);
  assert.ok(seconds > 0 && perSecond > 0);
});

test('deletes of a cascade are followed once; a store that writes keeps its references, one that was promoted too', () => {
  const family: Migration = {
    version: 93,
    name: 'family',
    up: `CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY) STRICT;
      CREATE TABLE child (id TEXT NOT NULL PRIMARY KEY, parent TEXT NOT NULL REFERENCES parent (id) ON DELETE CASCADE) STRICT;`,
  };
  using both = pair([family]);
  const { a, b } = both;
  const run = (store: Store, sql: string) => store.transact(testContext, noted({ id: 'x' }), (tx) => tx.run(sql));
  run(a, "INSERT INTO parent (id) VALUES ('p1'), ('p2')");
  run(a, "INSERT INTO child (id, parent) VALUES ('c1', 'p1'), ('c2', 'p1'), ('c3', 'p2')");
  run(a, "DELETE FROM parent WHERE id = 'p1'");
  copyEntries(a, b);
  assertEqual(a, b);
  a.demote();
  b.promote(testContext, turned({}), 2);
  assert.throws(() => run(b, "INSERT INTO child (id, parent) VALUES ('c4', 'nobody')"), /FOREIGN KEY/);
  run(b, "DELETE FROM parent WHERE id = 'p2'");
  copyEntries(b, a);
  assertEqual(a, b);
  assert.deepEqual(a.all('SELECT id FROM child'), []);
});
