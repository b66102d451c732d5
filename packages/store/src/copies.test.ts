/** Copies of a database: hashes for comparing, received snapshots, archives, rows for a standby. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createLog } from '@bascule/log/log.ts';
import { archiveDatabase } from './archive.ts';
import { defineAuditEvent } from './audit.ts';
import { copyRows } from './copy-rows.ts';
import { raiseGeneration } from './generation-file.ts';
import { openReader, replaceDatabase } from './received-copy.ts';
import { Store, type Migration } from './store.ts';
import { copyEntries, openTestStore, testContext } from './testing.ts';

const migrations: Migration[] = [
  {
    version: 90,
    name: 'people',
    up: `CREATE TABLE person (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, failures INTEGER NOT NULL, photo BLOB) STRICT;
      CREATE TABLE login (id TEXT NOT NULL PRIMARY KEY, person TEXT NOT NULL REFERENCES person (id) ON DELETE CASCADE) STRICT;`,
  },
];
const noted = defineAuditEvent('COPIES_NOTED', 'Noted');
const log = createLog('copies-test', 'silent');
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

function run(store: Store, sql: string, ...params: (string | number | Uint8Array | null)[]): void {
  store.transact(testContext, noted({}), (tx) => tx.run(sql, ...params));
}
const person = (store: Store, id: string, name = id) =>
  run(store, 'INSERT INTO person (id, name, failures, photo) VALUES (?, ?, 0, ?)', id, name, Buffer.from(id));
const people = (store: Store) =>
  store
    .all<{ id: string; name: string; failures: number }>('SELECT id, name, failures FROM person ORDER BY id')
    .map((row) => Object.values(row).join(' '));

test('hashes are those of one entry, the newest when the view begins, while writing goes on', async () => {
  using source = openTestStore(migrations);
  using target = openTestStore(migrations, { follower: true });
  const { store } = source;
  for (let number = 0; number < 50; number += 1) person(store, `p${number}`);
  copyEntries(store, target.store);
  const points: number[] = [];
  const hashing = store.hashes((seq) => {
    points.push(seq, store.head().seq);
    person(store, 'meanwhile');
  });
  const theirs = await target.store.hashes();
  const ours = await hashing;
  assert.deepEqual(points, [ours.seq, ours.seq]);
  assert.deepEqual(ours, theirs);
  assert.deepEqual(Object.keys(ours.tables).toSorted(), store.replicatedTables());
  assert.equal(ours.tables['login'], store.contentHash('login'));
  assert.notEqual(ours.tables['person'], store.contentHash('person'));
  const given = store.hashes();
  store.close();
  await assert.rejects(given);
});

test('a received copy is checked, tells its position, forgets the generation, and is put in the place of what was there', async () => {
  using source = openTestStore(migrations);
  const generationFile = join(source.directory, 'generation');
  const path = join(source.directory, 'replaced.db');
  for (let count = 0; count < 7; count += 1) raiseGeneration(generationFile);
  source.store.close();
  const generation = { file: generationFile, number: 7 };
  using writer = Store.open({ path: source.path, migrations, appliance: 'a', log, generation });
  person(writer, 'one');
  const copy = join(source.directory, 'copy.db');
  await writer.snapshot(copy);
  person(writer, 'two');
  const { seq, hash, epoch, schema } = await Store.prepareSnapshot(copy);
  assert.deepEqual({ seq: seq + 1, epoch, schema }, { seq: writer.head().seq, epoch: 1, schema: writer.head().schema });
  assert.ok(writer.hasEntry(seq, hash));
  // The one that is replaced was cut: what its write-ahead log holds must not come back.
  const replaced = new DatabaseSync(path);
  replaced.exec('PRAGMA journal_mode = WAL; CREATE TABLE other (id TEXT); ');
  writeFileSync(`${path}.kept`, readFileSync(`${path}-wal`));
  replaced.close();
  writeFileSync(`${path}-wal`, readFileSync(`${path}.kept`));
  replaceDatabase(copy, path);
  assert.ok(!existsSync(copy) && !existsSync(`${path}-wal`));
  const lower = join(source.directory, 'lower');
  raiseGeneration(lower);
  using follower = Store.open({ path, migrations, appliance: 'b', log, follower: true, generation: { file: lower, number: 1 } });
  assert.deepEqual(people(follower), ['one one 0']);
  copyEntries(writer, follower);
  assert.deepEqual(follower.head(), writer.head());
  assert.equal(follower.contentHash('person'), writer.contentHash('person'));
});

test('a damaged copy, or one whose newest entry does not fit, is refused', async () => {
  using source = openTestStore(migrations);
  for (let number = 0; number < 200; number += 1) person(source.store, `p${number}`);
  const copy = join(source.directory, 'copy.db');
  await source.store.snapshot(copy);
  const whole = readFileSync(copy);
  const damaged = Buffer.from(whole).fill(0x5a, 4096 * 5, 4096 * 8);
  for (const content of [damaged, whole.subarray(0, whole.length - 4096 * 3), Buffer.from('no database')]) {
    writeFileSync(copy, content);
    await assert.rejects(Store.prepareSnapshot(copy), code('STORE_CORRUPT'));
    assert.deepEqual(readFileSync(copy), content);
  }
  writeFileSync(copy, whole);
  const raw = new DatabaseSync(copy);
  raw.exec('UPDATE change_log SET at_ms = at_ms + 1 WHERE seq = (SELECT max(seq) FROM change_log)');
  raw.close();
  await assert.rejects(Store.prepareSnapshot(copy), code('STORE_CORRUPT'));
});

test('what is discarded is archived with a note, readable beside what goes on, again and again', async () => {
  using source = openTestStore(migrations);
  person(source.store, 'one');
  const archive = join(source.directory, 'archive');
  const options = { path: source.path, archive, reason: 'discarded', nowMs: 1_700_000_000_000, about: { appliance: 'a' } };
  const first = await archiveDatabase(options);
  const second = await archiveDatabase(options);
  assert.equal(first.folder, join(archive, '2023-11-14T221320Z-discarded'));
  assert.equal(second.folder, `${first.folder}-2`);
  assert.equal(first.seq, source.store.head().seq);
  const about = JSON.parse(readFileSync(join(first.folder, 'about.json'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual([about['appliance'], about['seq'], about['hash']], ['a', first.seq, first.hash]);
  using reader = openReader(first.database);
  assert.equal(reader.get<{ name: string }>('SELECT name FROM person')?.name, 'one');
  await assert.rejects(archiveDatabase({ ...options, reason: '../up' }), /no reason/);
});

test('rows are copied as they are: added, changed, deleted, exchanged; what is counted here stays; nothing is written when they are equal', () => {
  using source = openTestStore(migrations);
  using target = openTestStore(migrations);
  const [from, to] = [source.store, target.store];
  const keep = { person: ['failures'] };
  const copy = () => copyRows(from, to, ['person', 'missing'], keep);
  for (const id of ['ada', 'bob', 'cy']) person(from, id);
  assert.equal(copy(), 3);
  run(to, "INSERT INTO login (id, person) VALUES ('l1', 'ada'), ('l2', 'cy')");
  run(to, "UPDATE person SET failures = 4 WHERE id = 'ada'");
  run(from, "UPDATE person SET failures = 9 WHERE id = 'bob'");
  const { seq } = to.head();
  assert.equal(copy(), 0);
  assert.equal(to.head().seq, seq, 'nothing is written when nothing differs');
  run(from, "UPDATE person SET name = 'Ada L.' WHERE id = 'ada'");
  run(from, "DELETE FROM person WHERE id = 'cy'");
  person(from, 'dee');
  assert.equal(copy(), 3);
  assert.deepEqual(people(to), ['ada Ada L. 4', 'bob bob 0', 'dee dee 0']);
  assert.deepEqual(
    to.all<{ id: string }>('SELECT id FROM login').map((row) => row.id),
    ['l1'],
    'a change keeps what hangs on the row',
  );
  from.transact(testContext, noted({}), (tx) => {
    tx.run("UPDATE person SET name = 'x' WHERE id = 'bob'");
    tx.run("UPDATE person SET name = 'bob' WHERE id = 'dee'");
    tx.run("UPDATE person SET name = 'dee' WHERE id = 'bob'");
  });
  assert.equal(copy(), 2);
  assert.deepEqual(people(to), ['ada Ada L. 4', 'bob dee 0', 'dee bob 0']);
});
