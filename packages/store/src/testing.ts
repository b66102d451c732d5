import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import { defineAuditEvent } from './audit.ts';
import { decodeEntry, encodeEntry } from './entry-format.ts';
import { Store, type Context, type Migration, type StoreOptions } from './store.ts';

/** Somebody for tests in which it does not matter who acts. */
export const testContext: Context = { actor: { kind: 'system', id: null, name: 'test' }, address: '127.0.0.1' };

/** A store in a directory of its own, removed when disposed. */
export function openTestStore(
  migrations: Migration[],
  options: Partial<StoreOptions> = {},
): { store: Store; path: string; directory: string } & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'bascule-store-'));
  const path = options.path ?? join(directory, 'test.db');
  const store = Store.open({ appliance: 'test', log: createLog('test', 'silent'), ...options, path, migrations });
  return {
    store,
    path,
    directory,
    [Symbol.dispose]() {
      store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Lets `to` follow `from` up to its newest entry, each batch over the wire's format; returns how many entries came. */
export function copyEntries(from: Store, to: Store, batchBytes = 1024 * 1024): number {
  const first = to.head().seq;
  for (;;) {
    const entries = from.entriesAfter(to.head().seq, batchBytes);
    if (entries.length === 0) return to.head().seq - first;
    to.applyEntries(entries.map((entry) => decodeEntry(encodeEntry(entry))));
  }
}

const measured = defineAuditEvent<{ number: number }>('FOLLOWING_MEASURED', 'Change {number} of a measurement');

/** Makes `changes` changes as a site does (a row, an audit event, an entry each), then has them followed, and times that alone: for benchmarks. */
export function measureFollowing({ changes, batchBytes }: { changes: number; batchBytes: number }): {
  changes: number;
  seconds: number;
  perSecond: number;
} {
  const migrations = [
    {
      version: 99,
      name: 'measured',
      up: 'CREATE TABLE measured (id INTEGER NOT NULL PRIMARY KEY, text TEXT NOT NULL) STRICT',
    },
  ];
  using source = openTestStore(migrations);
  using target = openTestStore(migrations, { follower: true });
  copyEntries(source.store, target.store);
  for (let number = 0; number < changes; number += 1) {
    source.store.transact(testContext, measured({ number }), (tx) =>
      tx.run('INSERT INTO measured (id, text) VALUES (?, ?)', number, 'x'.repeat(100)),
    );
  }
  const startedMs = performance.now();
  const followed = copyEntries(source.store, target.store, batchBytes);
  const seconds = (performance.now() - startedMs) / 1000;
  return { changes: followed, seconds, perSecond: Math.round(followed / seconds) };
}
