/** What surrounds a commit in a pair: the lease, the peer, the effects. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '@bascule/errors/app-error.ts';
import { defineAuditEvent, readAudit } from './audit.ts';
import type { Migration, Store } from './store.ts';
import { openTestStore, testContext } from './testing.ts';

const migrations: Migration[] = [{ version: 90, name: 'notes', up: 'CREATE TABLE note (id TEXT NOT NULL PRIMARY KEY) STRICT' }];
const noted = defineAuditEvent('GATE_NOTED', 'Noted {id}');
const revoked = defineAuditEvent('GATE_REVOKED', 'Revoked {id}', { waitsForPeer: true });
const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;

function add(store: Store, id: string, effect?: () => void, event = noted): void {
  store.transact(testContext, event({ id }), (tx) => {
    tx.run('INSERT INTO note (id) VALUES (?)', id);
    if (effect) tx.afterCommit(effect);
  });
}

test('each own commit is told with what its audit event asks for; effects are held until they are released', () => {
  const told: [number, boolean][] = [];
  const held: [number, boolean, () => void][] = [];
  using opened = openTestStore(migrations, {
    onCommitted: (...what) => told.push(what),
    holdEffects: (...what) => held.push(what),
  });
  const { store } = opened;
  const first = store.head().seq;
  const ran: string[] = [];
  add(store, 'a', () => ran.push('a'));
  add(store, 'b');
  add(store, 'c', () => ran.push('c'), revoked);
  store.signHead(() => Uint8Array.of(1));
  assert.deepEqual(told, [
    [first + 1, false],
    [first + 2, false],
    [first + 3, true],
    [first + 4, false],
  ]);
  assert.deepEqual(
    held.map(([seq, waits]) => [seq, waits]),
    [
      [first + 1, false],
      [first + 3, true],
    ],
  );
  assert.deepEqual(ran, []);
  for (const [, , run] of held) run();
  assert.deepEqual(ran, ['a', 'c']);
});

test('what is committed stays so when a listener or the gate throws; the caller is told of the commit', () => {
  const throws = () => {
    throw new Error('fault of a listener');
  };
  using opened = openTestStore(migrations, { onCommitted: throws, holdEffects: throws });
  const heard: number[] = [];
  opened.store.onAppended(throws);
  opened.store.onAppended((seq) => heard.push(seq));
  add(opened.store, 'a', throws);
  assert.deepEqual(heard, [opened.store.head().seq]);
  assert.deepEqual(opened.store.all<{ id: string }>('SELECT id FROM note').length, 1);
});

for (const [when, allowed] of [
  ['BEGIN', 0],
  ['COMMIT', 1],
] as const) {
  test(`a lease that is gone before ${when} leaves nothing: no row, no audit event, no entry, no effect`, () => {
    let left = Number.POSITIVE_INFINITY;
    let told = 0;
    using opened = openTestStore(migrations, {
      onCommitted: () => void (told += 1),
      mayWrite: () => {
        if ((left -= 1) < 0) throw new AppError('unavailable', 'TEST_NO_LEASE', 'The lease is gone.');
      },
    });
    const { store } = opened;
    const before = store.head();
    const never = () => assert.fail('an effect of what was not committed ran');
    left = allowed;
    assert.throws(() => add(store, 'a', never), code('TEST_NO_LEASE'));
    left = allowed;
    assert.throws(() => store.signHead(() => Uint8Array.of(1)), code('TEST_NO_LEASE'));
    assert.deepEqual([store.head(), readAudit(store, { limit: 9 }), store.all('SELECT id FROM note'), told], [before, [], [], 0]);
    left = Number.POSITIVE_INFINITY;
    add(store, 'a');
    assert.equal(told, 1);
  });
}

test('without a lease no migration is issued at the start, and nothing is left of it', () => {
  using opened = openTestStore([]);
  const { path } = opened;
  const before = opened.store.head();
  opened.store.close();
  const mayWrite = () => {
    throw new AppError('unavailable', 'TEST_NO_LEASE', 'The lease is gone.');
  };
  assert.throws(() => openTestStore(migrations, { path, mayWrite }), code('TEST_NO_LEASE'));
  using again = openTestStore([], { path, mayWrite });
  assert.deepEqual(again.store.head(), before);
});
