import type { Log } from '@bascule/log/log.ts';
import { Store, type Migration, type StoreCheck, type StoreOptions } from '@bascule/store/store.ts';
import { storeMigrations } from '@bascule/store/store-migrations.ts';
import { accessSessionMigrations } from './access-session/access-session.ts';
import { backupMigrations } from './backup/backup.ts';
import { fleetMigrations } from './fleet/fleet-migrations.ts';
import { fileStoreMigrations } from './file-store/file-store.ts';
import { accountMigrations } from './identity/identity.ts';
import { installersMigrations } from './installers/installers.ts';
import { jumpMigrations } from './jump/jump.ts';
import { licenceMigrations } from './licence/licence.ts';
import { mailMigrations } from './mail/mail.ts';
import { retentionMigrations } from './reports/retention.ts';
import { settingsMigrations } from './settings/settings.ts';
import { trustMigrations } from './trust/trust.ts';

/** Of every domain that keeps rows in site.db. */
const migrations: Migration[] = [
  ...accountMigrations,
  ...jumpMigrations,
  ...accessSessionMigrations,
  ...settingsMigrations,
  ...mailMigrations,
  ...installersMigrations,
  ...fleetMigrations,
  ...trustMigrations,
  ...fileStoreMigrations,
  ...retentionMigrations,
  ...licenceMigrations,
  ...backupMigrations,
];

/** Numbers of all migrations that this software knows, the store's own included. */
export const knownMigrations: number[] = [...storeMigrations, ...migrations]
  .map(({ version }) => version)
  .toSorted((a, b) => a - b);

/** Looks at site.db without writing. Throws as `Store.check`. */
export function checkSiteStore(path: string, log: Log): StoreCheck {
  return Store.check(path, migrations, log);
}

/** Opens site.db with the migrations of every domain. `generation`: the writer generation that this program was started with. */
export function openSiteStore(options: Omit<StoreOptions, 'migrations'>): Store {
  return Store.open({ ...options, migrations });
}
