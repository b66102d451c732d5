import { accountMigrations } from '@bascule/accounts/accounts.ts';
import type { Log } from '@bascule/log/log.ts';
import { Store } from '@bascule/store/store.ts';
import { certificateMigrations } from './certificates/certificates.ts';
import { changeMigrations } from './changes/changes.ts';
import { moveMigrations } from './move/move.ts';
import { networkMigrations } from './network/network.ts';
import { healthMigrations } from './health/health.ts';
import { planMigrations } from './plans/plans.ts';
import { restoreMigrations } from './restore/restore.ts';
import { siteHostMigrations } from './site-host/site-host.ts';
import { softwareMigrations } from './software/software.ts';
import { mailMigrations } from './support/support.ts';
import { syslogMigrations } from './syslog/syslog.ts';

/** Of every domain with tables in box.db. */
const boxMigrations = [
  ...accountMigrations,
  ...changeMigrations,
  ...networkMigrations,
  ...certificateMigrations,
  ...siteHostMigrations,
  ...softwareMigrations,
  ...restoreMigrations,
  ...planMigrations,
  ...moveMigrations,
  ...mailMigrations,
  ...healthMigrations,
  ...syslogMigrations,
];

/** Opens box.db with the migrations of every domain. */
export function openBoxStore(options: { path: string; appliance: string; log: Log; now?: () => number }): Store {
  return Store.open({ ...options, migrations: boxMigrations });
}

/** Looks whether this software can open box.db, and writes nothing. Throws as `Store.check`. */
export function checkBoxStore(path: string, log: Log): void {
  Store.check(path, boxMigrations, log);
}
