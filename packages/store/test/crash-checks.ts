import assert from 'node:assert/strict';
import { createLog } from '@bascule/log/log.ts';
import { auditHash, GENESIS_HASH, type AuditRow } from '../src/audit.ts';
import { checkEntry, readChangeLog, NO_HASH } from '../src/change-log.ts';
import { Store, type Migration } from '../src/store.ts';

export const crashMigrations: Migration[] = [
  {
    version: 90,
    name: 'crash',
    up: `CREATE TABLE parent (id TEXT NOT NULL PRIMARY KEY, number INTEGER NOT NULL, filler TEXT NOT NULL) STRICT;
      CREATE TABLE child (id TEXT NOT NULL PRIMARY KEY, parent TEXT NOT NULL REFERENCES parent (id) ON DELETE CASCADE) STRICT;`,
  },
];

/** Opens what a crash left: Store.open refuses a damaged file by itself (quick_check). */
export function openCrashed(path: string, follower = false): Store {
  return Store.open({
    path,
    migrations: crashMigrations,
    appliance: 'crash',
    log: createLog('crash-checks', 'silent'),
    follower,
  });
}

/** Phantom possible, hole never: rows, audit and change log agree with each other and hold at least what was acknowledged. Returns the count. */
export function assertWhole(store: Store, acknowledged: number): number {
  const numbers = store.all<{ number: number }>('SELECT number FROM parent ORDER BY number').map((row) => row.number);
  assert.deepEqual(
    numbers,
    Array.from(numbers, (_, index) => index + 1),
    'a hole among the rows',
  );
  assert.ok(numbers.length >= acknowledged, `acknowledged ${acknowledged}, present ${numbers.length}`);
  let previousHash = GENESIS_HASH;
  const events = store.all<AuditRow>(
    `SELECT id, appliance, epoch, sequence, at_ms AS atMs, code, actor_kind AS actorKind, actor_id AS actorId, actor_name AS actorName, address, summary, details,
     previous AS previousHash, hash FROM audit_event ORDER BY sequence`,
  );
  for (const [index, event] of events.entries()) {
    assert.equal(event.sequence, index + 1);
    assert.equal(event.previousHash, previousHash);
    assert.equal(auditHash(event), event.hash);
    assert.deepEqual(JSON.parse(event.details), { number: index + 1 });
    previousHash = event.hash;
  }
  assert.equal(events.length, numbers.length, 'audit and rows disagree');
  let head = { seq: 0, hash: NO_HASH };
  let changes = 0;
  for (const entry of readChangeLog(store)) {
    checkEntry(entry, head, 1);
    head = entry;
    if (entry.kind === 'change') changes += 1;
  }
  assert.equal(changes, numbers.length, 'change log and rows disagree');
  return numbers.length;
}

/** What a follower has is exactly the beginning of its source's log, rows and all: as many rows, events and entries as belong together. */
export function assertFollowed(source: Store, follower: Store): void {
  const { seq, hash } = follower.head();
  assert.ok(source.hasEntry(seq, hash), `entry ${seq} is the source's`);
  assertWhole(follower, 0);
}

/** The change log, applied from an empty schema, reproduces every replicated table. */
export function assertReproduced(store: Store, followerPath: string): void {
  using follower = openCrashed(followerPath, true);
  for (const entry of readChangeLog(store)) follower.applyEntry(entry);
  assert.deepEqual(follower.replicatedTables(), store.replicatedTables());
  for (const table of store.replicatedTables()) assert.equal(follower.contentHash(table), store.contentHash(table), table);
}
