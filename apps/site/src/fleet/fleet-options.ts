import type { Log } from '@bascule/log/log.ts';
import type { FleetSettings } from '@bascule/protocol/api/fleet.ts';
import type { ClientPlatform, ClientProgram, ClientSoftware, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import type { Store } from '@bascule/store/store.ts';
import type { Jump } from '../jump/jump.ts';
import type { FleetClients } from './fleet-clients.ts';
import type { QueueCore } from './queue-core.ts';
import type { QueueLimits } from './queue-types.ts';

/** An order without what the queue adds. */
export type OrderContents = Omit<UpgradeOrder, 'order' | 'healthSeconds'>;
export type OrderProblem = 'no-signed-programs' | 'no-program-for-platform' | 'current' | 'ahead';

/** What the queue needs of the client programs that the site keeps (client-programs.ts). */
export interface UpgradePrograms {
  readonly current: { version: string; revision: string };
  versions(program: ClientProgram, platform: ClientPlatform): string[];
  /** The next version in order for this client; `failed` is the newest that it could not run: what comes after it goes first. */
  order(software: ClientSoftware, failed?: string): Promise<OrderContents | { problem: OrderProblem }>;
  parcelFile(sha256: string): { file: string; bytes: number } | undefined;
  onChange(listener: () => void): void;
}

/** A mail about the rollout; `@bascule/mail` has the texts. */
export type FleetMail =
  | { kind: 'clients-halted'; version: string; ring: string; bad: number; begun: number; page: string }
  | { kind: 'clients-upgraded'; version: string; current: number; absent: number; failed: number; page: string };

export interface FleetOptions {
  store: Store;
  jump: Jump;
  programs: UpgradePrograms;
  /** Access sessions, whose clients wait. `onClientSessions`: how many are on the client now. */
  sessions: {
    isOnClient(clientId: string): boolean;
    onClientSessions(listener: (clientId: string, count: number) => void): void;
  };
  /** Tells open pages that something changed. */
  publish(): void;
  mail: { tell(event: FleetMail): void };
  /** The address of the page about the rollout. */
  page(): string;
  /** This version's watch period is over. */
  isCommitted: boolean;
  log: Log;
  now?: () => number;
}

/** What lists, exports and the proof read. */
export interface FleetView {
  clients: FleetClients;
  core: QueueCore;
  version: { version: string; revision: string; createdAtMs: number };
  settings: FleetSettings;
  isOnline(id: string): boolean;
}

/** The settings, as far as decisions depend on them. */
export function limitsOf(settings: FleetSettings): QueueLimits {
  return {
    maxConcurrent: settings.maxConcurrent,
    maxStartsPerSecond: settings.maxStartsPerSecond,
    rings: settings.rings.map(({ groupIds, percent, waitMinutes }) => ({ groupIds, percent, waitMs: waitMinutes * 60_000 })),
    haltPercent: settings.haltPercent,
    haltMinimum: settings.haltMinimum,
    ringPatienceMs: settings.ringPatienceHours * 3_600_000,
    healthMs: settings.healthSeconds * 1000,
  };
}
