import type { Log } from '@bascule/log/log.ts';
import type { FleetSettings, Rollout, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { ClientPlatform, ClientProgram, ClientSoftware, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { Jump } from '../jump/jump.ts';
import { FleetSettingsStore } from './fleet-settings.ts';

export { fleetMigrations } from './fleet-migrations.ts';

/** An order without what the queue adds. */
export type OrderContents = Omit<UpgradeOrder, 'order' | 'healthSeconds'>;
export type OrderProblem = 'no-signed-programs' | 'no-program-for-platform' | 'current' | 'ahead';

/** What the queue needs of the client programs that the site keeps (client-programs.ts). */
export interface UpgradePrograms {
  readonly current: { version: string; revision: string };
  versions(program: ClientProgram, platform: ClientPlatform): string[];
  /** The next version in order for this client. */
  order(software: ClientSoftware): Promise<OrderContents | { problem: OrderProblem }>;
  parcelFile(sha256: string): { file: string; bytes: number } | undefined;
  onChange(listener: () => void): void;
}

export interface FleetOptions {
  store: Store;
  jump: Jump;
  programs: UpgradePrograms;
  /** Access sessions, whose clients wait. */
  sessions: { isOnClient(clientId: string): boolean; onClientFree(listener: (clientId: string) => void): void };
  /** Tells open pages that something changed. */
  publish(): void;
  mail: { send(message: { subject: string; text: string }): void };
  /** This version's watch period is over. */
  isCommitted: boolean;
  log: Log;
  now?: () => number;
}

export type FleetAnswer = Omit<Extract<FromSite, { kind: 'fleet' }>, 'kind' | 'nonce' | 'error'>;

/** The upgrade queue of client programs (B28-B31, B100-B113). */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #settings: FleetSettingsStore;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#settings = new FleetSettingsStore(options.store);
  }

  settings(): FleetSettings {
    return this.#settings.current();
  }

  changeSettings(context: Context, after: FleetSettings): FleetSettings {
    return this.#settings.change(context, after);
  }

  /** The site's watch period is over: client programs may be upgraded. */
  committed(): void {
    this.#options.publish();
  }

  stateOf(clientId: string): UpgradeState {
    const version = this.#options.jump.softwareOf(clientId)?.version;
    return version === undefined || version === this.#options.programs.current.version ? 'current' : 'pending';
  }

  /** Its place in the queue from 1; null when it does not wait. */
  placeOf(_clientId: string): number | null {
    return null;
  }

  close(): void {
    this.#options.log.debug({}, 'fleet-closed');
  }
}
export type { Rollout };
