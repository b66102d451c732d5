import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
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
