import type { rolloutCounts, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';
import type { z } from 'zod';

export type RolloutCounts = z.infer<typeof rolloutCounts>;

/** How a client's software compares with the site's. `unsupported`: it cannot upgrade itself. */
export type Standing = 'current' | 'behind' | 'ahead' | 'unsupported';

export interface QueueRing {
  groupIds: readonly string[];
  percent: number;
  waitMs: number;
}

/** The settings, as far as decisions depend on them. */
export interface QueueLimits {
  maxConcurrent: number;
  maxStartsPerSecond: number;
  rings: readonly QueueRing[];
  haltPercent: number;
  haltMinimum: number;
  ringPatienceMs: number;
  healthMs: number;
}

/** What the queue has to know of a client. */
export interface QueueClient {
  id: string;
  groupId: string | null;
  standing: Standing;
  /** Only approved clients are given orders. */
  isEligible: boolean;
}

/** What an order was about. */
export interface OrderInfo {
  id: string;
  rollout: string;
  version: string;
  fromVersion: string;
  /** SHA-256 of the ordered bundle. */
  bundle: string;
  /** SHA-256 of the parcels that the client may fetch for it. */
  parcels: readonly string[];
  begunAtMs: number;
}

/** `preparing`: holds a slot, and is not told yet. */
export type Phase = 'none' | 'preparing' | 'downloading' | 'restarting';

/** One client, as the queue keeps it. */
export interface QueueEntry extends QueueClient {
  ring: number;
  isOnline: boolean;
  inSession: boolean;
  /** The client itself said that a session holds it up; looked at again after a while. */
  heldUntilMs: number;
  /** The newest order, given, over or void. */
  order: OrderInfo | undefined;
  phase: Phase;
  leaseUntilMs: number;
  /** When it is looked at next; null when nothing is due. */
  dueAtMs: number | null;
  resends: number;
  /** How the newest order ended. */
  outcome: 'done' | 'failed' | 'rolled-back' | 'cancelled' | undefined;
  failure: UpgradeFailure | null;
  reason: string | null;
  endedAtMs: number | null;
  attempts: number;
  /** null: not by itself. */
  nextTryAtMs: number | null;
  /** The newest version that it could not run: the next order is for one after it. */
  failedVersion: string | null;
  /** Above 0: moved to the front, in this order. */
  front: number;
  /** Whether it counts among those that its ring began with, since the ring last went on. */
  counted: 0 | 1 | 2;
  state: UpgradeState;
}

/** What an entry was before a restart of the site. */
export type SavedEntry = Pick<
  QueueEntry,
  | 'order'
  | 'phase'
  | 'leaseUntilMs'
  | 'outcome'
  | 'failure'
  | 'reason'
  | 'endedAtMs'
  | 'attempts'
  | 'nextTryAtMs'
  | 'failedVersion'
  | 'front'
  | 'counted'
>;

export interface RingState {
  openedAtMs: number | null;
  doneAtMs: number | null;
  /** Somebody of it was ever begun with in this rollout. */
  hasBegun: boolean;
  /** Begun, and of those failed, rolled back or silent: since the start or the last resumption. */
  begun: number;
  bad: number;
  isHalted: boolean;
}

export interface Halt {
  code: 'failures' | 'silence' | 'by-hand' | 'no-signed-programs';
  ring: number;
  bad: number;
  begun: number;
  atMs: number;
}

/** What is to be done about a decision, in order. */
export type QueueEffect =
  /** An order is to be made, written down and sent; then `begun` or `notBegun`. */
  | { kind: 'begin'; client: string }
  /** Given again: the client does not seem to know it. */
  | { kind: 'resend'; client: string }
  | { kind: 'cancel'; client: string; order: string }
  /** What is shown of it changed. */
  | { kind: 'changed'; client: string }
  /** What has to outlive a restart changed. */
  | { kind: 'save'; client: string }
  | { kind: 'upgraded'; client: string }
  | { kind: 'failed'; client: string }
  | { kind: 'halted'; halt: Halt }
  | { kind: 'ring-opened'; ring: number }
  | { kind: 'ring-done'; ring: number }
  | { kind: 'ended' };

/** A report of a client, with what its newest `hello` makes of it. */
export interface QueueReport {
  order: string;
  state: 'waiting-for-session' | 'downloading' | 'verifying' | 'restarting' | 'done' | 'failed' | 'rolled-back';
  failure?: UpgradeFailure | undefined;
  reason?: string | undefined;
}
/** What to answer to a report. `noted`: the outcome is to be stored, then noted. */
export type ReportAnswer = 'noted' | 'cancel' | 'none';

/** A client that takes an order and shows no sign of work for so long is silent. */
export const DOWNLOAD_LEASE_MS = 60_000;
/** No order is under way for longer, whatever the client says: it may be one that wants to keep others from their turn. So long its parcels are kept, too. */
export const ORDER_MAX_MS = 24 * 60 * 60_000;
/** A client whose link was lost while it fetched may come back within this. */
export const AWAY_LEASE_MS = 120_000;
/** Beyond the time that the new program has to prove itself. */
export const RESTART_GRACE_MS = 60_000;
/** After a restart of the site every order under way has at least so long: the clients have to find their way back first. */
export const RESTORED_LEASE_MS = 240_000;
/** The site makes an order, and writes it down, within this. */
export const PREPARE_LEASE_MS = 60_000;
/** A client that says it waits for a session of which the site knows nothing is asked again after this. */
export const SESSION_HOLD_MS = 30_000;
export const RETRY_FIRST_MS = 60_000;
export const RETRY_MAX_MS = 60 * 60_000;
/** Then the client has failed until somebody tries again, or the next version. */
export const ATTEMPTS_MAX = 5;
/** An order that could not be made or written down is tried again after this. */
export const NOT_BEGUN_WAIT_MS = 10_000;
/** A client that keeps coming back without knowing its order has failed. */
export const RESENDS_MAX = 5;
/** Starts that may come at once, as a part of those of a second. */
export const STARTS_BURST = 0.25;
export const REASON_MAX_LENGTH = 500;

export const NO_COUNTS: RolloutCounts = {
  total: 0,
  current: 0,
  pending: 0,
  absent: 0,
  waitingForSession: 0,
  downloading: 0,
  restarting: 0,
  failed: 0,
  rolledBack: 0,
  unsupported: 0,
};
