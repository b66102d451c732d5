import type { Log } from '@bascule/log/log.ts';
import { Store } from '@bascule/store/store.ts';
import { accessSessionMigrations } from './access-session/access-session.ts';
import { accountMigrations } from './identity/identity.ts';
import { jumpMigrations } from './jump/jump.ts';
import { mailMigrations } from './mail/mail.ts';
import { settingsMigrations } from './settings/settings.ts';

/** Opens site.db with the migrations of every domain. `generation`: the writer generation that this program was started with. */
export function openSiteStore(options: {
  path: string;
  appliance: string;
  generation?: { file: string; number: number };
  log: Log;
  now?: () => number;
}): Store {
  const migrations = [
    ...accountMigrations,
    ...jumpMigrations,
    ...accessSessionMigrations,
    ...settingsMigrations,
    ...mailMigrations,
  ];
  return Store.open({ ...options, migrations });
}
