import { securitySettings, type SecuritySettings } from '@bascule/protocol/api/site.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { readSetting, writeSetting } from './settings-store.ts';

export { settingsMigrations } from './settings-migrations.ts';
export { settingsRoutes } from './settings-routes.ts';
export { readSetting, writeSetting } from './settings-store.ts';

const SECURITY = 'security';
export const DEFAULT_SECURITY_SETTINGS: SecuritySettings = {
  notResumedMinutes: 60,
  clientAwayMinutes: 60,
  loginIdleMinutes: 30,
  loginMaxHours: 12,
  recordInput: false,
  recordingMaxMebibytes: 4096,
};

const changed = defineAuditEvent<{ changes: string; before: SecuritySettings; after: SecuritySettings }>(
  'SETTINGS_SECURITY_CHANGED',
  'Changed the security settings: {changes}',
  { waitsForPeer: true },
);

/** The site's settings. `current` is always at hand; a change is heard after its commit. */
export class Settings {
  readonly #store: Store;
  readonly #listeners: (() => void)[] = [];
  #current: SecuritySettings;

  constructor(store: Store) {
    this.#store = store;
    // A setting that an older version did not know has its default.
    this.#current = securitySettings.parse({
      ...DEFAULT_SECURITY_SETTINGS,
      ...(readSetting(store, SECURITY) as object | undefined),
    });
  }

  current(): SecuritySettings {
    return this.#current;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  change(context: Context, after: SecuritySettings): SecuritySettings {
    const before = this.#current;
    const names = (Object.keys(after) as (keyof SecuritySettings)[]).filter((name) => before[name] !== after[name]);
    if (names.length === 0) return before;
    const changes = names.map((name) => `${name} from ${before[name]} to ${after[name]}`).join(', ');
    this.#store.transact(context, changed({ changes, before, after }), (tx) => {
      writeSetting(tx, SECURITY, after);
      tx.afterCommit(() => {
        this.#current = after;
        for (const listener of this.#listeners) listener();
      });
    });
    return after;
  }
}
