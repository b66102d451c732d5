/** Software of one version on the database of another (docs/decisions/0096). */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent, readAudit } from './audit.ts';
import { Store, type Migration } from './store.ts';
import { openTestStore, testContext } from './testing.ts';

const log = createLog('test', 'silent');
const noted = defineAuditEvent('VERSION_NOTE_ADDED', 'Added note {id}');
const notes: Migration = {
  version: 90,
  name: 'notes',
  up: 'CREATE TABLE note (id TEXT NOT NULL PRIMARY KEY, text TEXT NOT NULL) STRICT',
};
const colours: Migration = {
  version: 91,
  name: 'colours',
  up: `ALTER TABLE note ADD COLUMN colour TEXT; CREATE TABLE label (id TEXT NOT NULL PRIMARY KEY) STRICT`,
};
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;
const open = (path: string, migrations: Migration[]) => Store.open({ path, migrations, appliance: 'test', log });
const ids = (store: Store) => store.all<{ id: string }>('SELECT id FROM note ORDER BY id').map((row) => row.id);

function add(store: Store, id: string): void {
  store.transact(testContext, noted({ id }), (tx) => tx.run('INSERT INTO note (id, text) VALUES (?, ?)', id, 'x'));
}

function filesOf(directory: string): [string, string, number][] {
  return readdirSync(directory).map((name) => {
    const path = join(directory, name);
    return [name, readFileSync(path, 'base64'), statSync(path).mtimeMs];
  });
}

test('version N works on the database of N+1 and N+1 goes on where N wrote, back and forth', () => {
  using first = openTestStore([notes]);
  add(first.store, 'a by N');
  first.store.close();
  {
    using next = open(first.path, [notes, colours]);
    next.transact(testContext, noted({ id: 'b' }), (tx) =>
      tx.run("INSERT INTO note (id, text, colour) VALUES ('b by N+1', 'x', 'red')"),
    );
  }
  {
    using back = open(first.path, [notes]);
    add(back, 'c by N');
    back.transact(testContext, noted({ id: 'b' }), (tx) => tx.run("UPDATE note SET text = 'y' WHERE id = 'b by N+1'"));
    assert.deepEqual(ids(back), ['a by N', 'b by N+1', 'c by N']);
  }
  using again = open(first.path, [notes, colours]);
  add(again, 'd by N+1');
  assert.deepEqual(ids(again), ['a by N', 'b by N+1', 'c by N', 'd by N+1']);
  assert.deepEqual({ ...again.get<object>("SELECT text, colour FROM note WHERE id = 'b by N+1'") }, { text: 'y', colour: 'red' });
  assert.equal(readAudit(again, { limit: 10 }).length, 5);
});

test('a migration that does not only add shuts earlier software out, and must say so', () => {
  const dropping = { version: 92, name: 'no text', up: 'ALTER TABLE note DROP COLUMN text' };
  using opened = openTestStore([notes]);
  add(opened.store, 'a');
  opened.store.close();
  const hidden: [string, string][] = [
    [dropping.up, 'column'],
    ['DROP TABLE note', 'removes the table'],
    ['ALTER TABLE note RENAME COLUMN text TO words', 'changes the column'],
    ['CREATE UNIQUE INDEX note_by_text ON note (text)', 'unique index'],
  ];
  for (const [up, says] of hidden)
    assert.throws(
      () => open(opened.path, [notes, { ...dropping, up }]),
      (error: Error & { code?: string }) => error.code === 'STORE_MIGRATION_NOT_ADDITIVE' && error.message.includes(says),
    );
  assert.deepEqual(Store.check(opened.path, [notes]).pending, []);
  open(opened.path, [notes, { ...dropping, additive: false }]).close();
  const before = readFileSync(opened.path);
  assert.throws(() => open(opened.path, [notes]), code('STORE_NEWER'));
  assert.throws(() => Store.check(opened.path, [notes], log), code('STORE_NEWER'));
  assert.deepEqual(readFileSync(opened.path), before);
});

test('a database from before additions were recorded is opened, and refuses what it cannot know', () => {
  using opened = openTestStore([notes]);
  add(opened.store, 'a');
  opened.store.close();
  const raw = new DatabaseSync(opened.path);
  raw.exec('ALTER TABLE applied_migration DROP COLUMN additive');
  raw.close();
  assert.throws(() => open(opened.path, []), code('STORE_NEWER'));
  open(opened.path, [notes]).close();
  // Recorded from now on, what was there before included.
  open(opened.path, []).close();
  using again = open(opened.path, [notes, colours]);
  assert.deepEqual(ids(again), ['a']);
});

test('a second migration that throws leaves the first in force, and the earlier software works on', () => {
  using opened = openTestStore([notes]);
  add(opened.store, 'a');
  opened.store.close();
  const broken = { version: 92, name: 'broken', up: 'CREATE TABLE half (id TEXT NOT NULL PRIMARY KEY) STRICT; SELECT nonsense' };
  const told: unknown[][] = [];
  assert.throws(
    () =>
      Store.open({
        path: opened.path,
        migrations: [notes, colours, broken],
        appliance: 'test',
        log,
        onMigration: (name, done, total, durationMs) => told.push([name, done, total, durationMs === undefined]),
      }),
    /nonsense/,
  );
  assert.deepEqual(told, [
    ['colours', 0, 2, true],
    ['colours', 1, 2, false],
    ['broken', 1, 2, true],
  ]);
  const { schema, pending } = Store.check(opened.path, [notes, colours, broken]);
  assert.deepEqual([schema, pending], [4, ['broken']]);
  using old = open(opened.path, [notes]);
  add(old, 'b');
  assert.deepEqual(ids(old), ['a', 'b']);
  assert.equal(old.get("SELECT 1 FROM sqlite_schema WHERE name = 'half'"), undefined);
});

test('a check changes no file, whether somebody writes meanwhile or nobody has it open', async () => {
  using opened = openTestStore([notes]);
  add(opened.store, 'a');
  const missing = join(opened.directory, 'missing.db');
  assert.deepEqual(Store.check(missing, [notes]), { schema: 0, pending: ['audit', 'audit branches', 'notes'], bytes: 0 });
  const live = filesOf(opened.directory);
  const found = Store.check(opened.path, [notes, colours], log);
  assert.deepEqual([found.schema, found.pending], [3, ['colours']]);
  // The index of the write-ahead log is shared memory, not content.
  const content = (files: ReturnType<typeof filesOf>) => files.filter(([name]) => !name.endsWith('-shm'));
  assert.deepEqual(content(filesOf(opened.directory)), content(live));
  assert.deepEqual(await opened.store.problems(), []);
  assert.ok(opened.store.fileBytes > 8192);
  opened.store.close();
  const closed = filesOf(opened.directory);
  assert.equal(closed.length, 1);
  Store.check(opened.path, [notes], log);
  assert.deepEqual(filesOf(opened.directory), closed);
  const bytes = readFileSync(opened.path);
  bytes.fill(0x5a, 4096, 4096 * 6);
  writeFileSync(opened.path, bytes);
  assert.throws(() => Store.check(opened.path, [notes], log), code('STORE_CORRUPT'));
});

test('what is wrong with a damaged database is told', async () => {
  using opened = openTestStore([notes]);
  for (let number = 0; number < 300; number += 1) add(opened.store, `note ${number}`.padEnd(200, '.'));
  opened.store.close();
  const bytes = readFileSync(opened.path);
  bytes.fill(0x5a, 4096 * 9, 4096 * 20);
  writeFileSync(opened.path, bytes);
  using damaged = Store.open({ path: opened.path, migrations: [notes], appliance: 'test', log, checked: true });
  assert.notDeepEqual(await damaged.problems(), []);
});
