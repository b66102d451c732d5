import { accountMigrations } from '@bascule/accounts/accounts.ts';
import type { Log } from '@bascule/log/log.ts';
import { Store } from '@bascule/store/store.ts';

/** Opens box.db with the migrations of every domain. */
export function openBoxStore(options: { path: string; appliance: string; log: Log; now?: () => number }): Store {
  return Store.open({ ...options, migrations: [...accountMigrations] });
}
