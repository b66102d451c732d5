import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PAIR_ENTRY_MAX_BYTES } from '@bascule/protocol/pair-link.ts';
import { defineAuditEvent } from './audit.ts';
import { readChangeLog } from './change-log.ts';
import { decodeEntry, encodeEntry } from './entry-format.ts';
import { ENTRY_HEAD_BYTES, ENTRY_MAX_BYTES } from './entry-limits.ts';
import { changedTables, insertedRows } from './changeset.ts';
import type { Migration, Store } from './store.ts';
import { openTestStore, testContext } from './testing.ts';

const migrations: Migration[] = [
  {
    version: 90,
    name: 'kinds',
    up: `CREATE TABLE kind (id TEXT NOT NULL, part INTEGER NOT NULL, number INTEGER, real REAL, bytes BLOB, PRIMARY KEY (part, id)) STRICT`,
  },
];
const noted = defineAuditEvent('FORMAT_NOTED', 'Noted {what}');
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;
const insert = 'INSERT INTO kind (id, part, number, real, bytes) VALUES (?, ?, ?, ?, ?)';

function write(store: Store, id: string): void {
  store.transact(testContext, noted({ what: id }), (tx) => tx.run(insert, id, 7, -3, 1.5, Uint8Array.of(1, 2, 3)));
}

test('an entry reads back as it was, and a flipped bit anywhere in it is refused and changes nothing', () => {
  using source = openTestStore(migrations);
  using target = openTestStore(migrations, { follower: true });
  write(source.store, 'one');
  const entries = [...readChangeLog(source.store)];
  const last = entries.pop();
  assert.ok(last);
  target.store.applyEntries(entries.map((entry) => decodeEntry(encodeEntry(entry))));
  const encoded = Buffer.from(encodeEntry(last));
  assert.deepEqual({ ...decodeEntry(encoded) }, { ...last, bytes: Buffer.from(last.bytes) });
  const before = target.store.head();
  const expected = ['STORE_ENTRY_MALFORMED', 'STORE_LOG_GAP', 'STORE_LOG_BROKEN'];
  for (let bit = 0; bit < encoded.length * 8; bit += 1) {
    const flipped = Buffer.from(encoded);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(
      () => target.store.applyEntry(decodeEntry(flipped)),
      (error) => expected.includes((error as { code?: string }).code ?? ''),
      `bit ${bit} of ${encoded.length * 8}`,
    );
  }
  assert.deepEqual(target.store.head(), before);
  assert.deepEqual(target.store.all('SELECT * FROM kind'), []);
  target.store.applyEntry(decodeEntry(encoded));
  assert.equal(target.store.contentHash('kind'), source.store.contentHash('kind'));
});

test('what is cut, longer, of another version or too large is malformed', () => {
  using source = openTestStore(migrations);
  write(source.store, 'one');
  const [entry] = readChangeLog(source.store);
  assert.ok(entry);
  const encoded = encodeEntry(entry);
  for (const length of [0, 1, ENTRY_HEAD_BYTES - 1, encoded.length - 1])
    assert.throws(() => decodeEntry(encoded.subarray(0, length)), code('STORE_ENTRY_MALFORMED'), `length ${length}`);
  assert.throws(() => decodeEntry(Buffer.concat([encoded, Buffer.alloc(1)])), code('STORE_ENTRY_MALFORMED'));
  const large = { ...entry, bytes: Buffer.alloc(ENTRY_MAX_BYTES - ENTRY_HEAD_BYTES + 1) };
  assert.throws(() => encodeEntry(large), code('STORE_ENTRY_MALFORMED'));
  assert.equal(ENTRY_MAX_BYTES, PAIR_ENTRY_MAX_BYTES);
});

test('a transaction whose entry could not travel is refused when it is made', () => {
  using source = openTestStore(migrations);
  const { store } = source;
  const before = store.head();
  const bytes = Buffer.alloc(ENTRY_MAX_BYTES);
  assert.throws(
    () => store.transact(testContext, noted({ what: 'large' }), (tx) => tx.run(insert, 'large', 1, null, null, bytes)),
    code('STORE_ENTRY_TOO_LARGE'),
  );
  assert.deepEqual([store.head(), store.all('SELECT id FROM kind')], [before, []]);
});

test('a changeset tells its tables, their shapes and the rows it adds; what is none is refused', () => {
  using source = openTestStore(migrations);
  const { store } = source;
  write(store, 'one');
  store.transact(testContext, noted({ what: 'more' }), (tx) => {
    tx.run(insert, 'two', 8, null, null, null);
    tx.run('UPDATE kind SET number = 4 WHERE part = 7');
  });
  store.transact(testContext, noted({ what: 'gone' }), (tx) => tx.run("DELETE FROM kind WHERE id = 'one'"));
  const [first, second, third] = [...readChangeLog(store)].filter((entry) => entry.kind === 'change');
  assert.ok(first && second && third);
  assert.deepEqual(insertedRows(first.bytes, 'kind'), [['one', 7, -3, 1.5, Buffer.from([1, 2, 3])]]);
  assert.deepEqual(insertedRows(second.bytes, 'kind'), [['two', 8, null, null, null]]);
  assert.deepEqual(insertedRows(third.bytes, 'kind'), []);
  assert.deepEqual(
    changedTables(second.bytes).find((table) => table.name === 'kind'),
    { name: 'kind', columns: 5, key: [0, 1] },
  );
  for (let length = 1; length < second.bytes.length; length += 1) {
    // A cut between two changes leaves a changeset; anywhere else it does not read.
    const cut: Uint8Array = second.bytes.subarray(0, length);
    try {
      assert.ok(insertedRows(cut, 'kind').length <= 1);
    } catch (error) {
      assert.ok(code('STORE_LOG_BROKEN')(error), String(error));
    }
  }
  assert.throws(() => changedTables(Buffer.from('nonsense')), code('STORE_LOG_BROKEN'));
});
