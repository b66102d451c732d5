import { fleetSettings, type FleetSettings } from '@bascule/protocol/api/fleet.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { readSetting, writeSetting } from '../settings/settings.ts';

const FLEET = 'fleet';
/** docs/decisions/0145: a rollout that nobody has thought about is slow enough to harm nothing, and looks back twice. */
export const DEFAULT_FLEET_SETTINGS: FleetSettings = {
  upgrades: 'on',
  maxConcurrent: 50,
  maxBytesPerSecond: 12_500_000,
  maxStartsPerSecond: 20,
  rings: [
    { name: 'Canary', groupIds: [], percent: 5, waitMinutes: 0 },
    { name: 'Early', groupIds: [], percent: 25, waitMinutes: 60 },
    { name: 'Rest', groupIds: [], percent: 100, waitMinutes: 60 },
  ],
  haltPercent: 10,
  haltMinimum: 3,
  ringPatienceHours: 24,
  healthSeconds: 120,
  jumpToOlder: 'supported',
  defaultMode: 'active',
  checkInHours: 24,
  offlineAfterSeconds: 90,
  toleratesDates: false,
  consoleTls: 'refuse',
};

const changed = defineAuditEvent<{ changes: string; before: FleetSettings; after: FleetSettings }>(
  'FLEET_SETTINGS_CHANGED',
  'Changed the settings of client upgrades: {changes}',
);

/** The settings of client upgrades (B30, B31, B104-B109). `current` is always at hand. */
export class FleetSettingsStore {
  readonly #store: Store;
  #current: FleetSettings;

  constructor(store: Store) {
    this.#store = store;
    // A setting that an older version did not know has its default.
    this.#current = fleetSettings.parse({ ...DEFAULT_FLEET_SETTINGS, ...(readSetting(store, FLEET) as object | undefined) });
  }

  current(): FleetSettings {
    return this.#current;
  }

  /** Stores `after`, with the names of what changed in the audit. */
  change(context: Context, after: FleetSettings): FleetSettings {
    const before = this.#current;
    const text = (value: unknown) => JSON.stringify(value);
    const names = (Object.keys(after) as (keyof FleetSettings)[]).filter((name) => text(before[name]) !== text(after[name]));
    if (names.length === 0) return before;
    const changes = names.map((name) => `${name} from ${text(before[name])} to ${text(after[name])}`).join(', ');
    this.#store.transact(context, changed({ changes, before, after }), (tx) => {
      writeSetting(tx, FLEET, after);
      tx.afterCommit(() => {
        this.#current = after;
      });
    });
    return after;
  }
}
