import { Accounts } from '@bascule/accounts/accounts.ts';
import { openKeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Store } from '@bascule/store/store.ts';

export { accountMigrations } from '@bascule/accounts/account-migrations.ts';
export { accountWrappedColumns } from '@bascule/accounts/account-wrapped.ts';
export { accountRoutes } from '@bascule/accounts/account-routes.ts';

export const SITE_COOKIE = '__Host-bascule-site';

/** The people who may use /login and /console; the secrets of their one-time codes are wrapped with the site key. */
export function openUsers(options: {
  store: Store;
  applianceName: string;
  keyFile: string;
  limits(): { idleMinutes: number; maxHours: number };
  log: Log;
  now?: () => number;
}): Accounts {
  const { store, applianceName, keyFile, limits, log, now } = options;
  return new Accounts({ store, kind: 'user', rpName: applianceName, limits, keyWrap: openKeyWrap(keyFile), log, now });
}
