import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';
import type { Reader, Tx } from '@bascule/store/store.ts';
import type { OrderInfo, Phase, QueueEntry, SavedEntry } from './queue-types.ts';

/** What the queue reads of a Jump Client, with what is kept of its newest order. */
export interface FleetRow {
  id: string;
  name: string;
  hostName: string;
  groupId: string | null;
  state: string;
  version: string;
  /** JSON, or empty. */
  software: string;
  lastSeenAtMs: number | null;
  rolloutId: string | null;
  orderId: string;
  phase: string;
  fromVersion: string;
  orderedVersion: string;
  bundle: string;
  parcels: string;
  attempts: number;
  leaseUntilMs: number | null;
  nextTryAtMs: number | null;
  failedVersion: string | null;
  failure: UpgradeFailure | null;
  reason: string | null;
  front: number;
  begunAtMs: number;
  endedAtMs: number | null;
  counted: 0 | 1 | 2;
}

// Read in one pass with the rows of the jump domain: a hundred thousand clients are looked up at every start.
const SELECT = `SELECT c.id, c.name, c.host_name AS hostName, c.group_id AS groupId, c.state, c.version, c.software, c.last_seen_at_ms AS lastSeenAtMs,
  u.rollout_id AS rolloutId, u.order_id AS orderId, u.state AS phase, u.from_version AS fromVersion, u.version AS orderedVersion, u.bundle, u.parcels,
  u.attempts, u.lease_until_ms AS leaseUntilMs, u.next_try_at_ms AS nextTryAtMs, u.failed_version AS failedVersion, u.failure, u.reason, u.front, u.begun_at_ms AS begunAtMs,
  u.ended_at_ms AS endedAtMs, u.counted
  FROM jump_clients c LEFT JOIN fleet_upgrades u ON u.client_id = c.id`;

/** Undefined too for one that is revoked: it belongs to the fleet no more. */
export function fleetRow(reader: Reader, id: string): FleetRow | undefined {
  return reader.get<FleetRow>(`${SELECT} WHERE c.id = ? AND c.state <> 'revoked'`, id);
}

/** Without those that are revoked. */
export function fleetRowsAfter(reader: Reader, id: string, limit: number): FleetRow[] {
  return reader.all<FleetRow>(`${SELECT} WHERE c.id > ? AND c.state <> 'revoked' ORDER BY c.id LIMIT ?`, id, limit);
}

/** What a list shows of one client. */
export interface ListedRow {
  id: string;
  name: string;
  groupName: string | null;
  program: 'jump-client' | 'jumpoint';
  version: string;
  revision: string;
  hostName: string;
}
export function listedRows(reader: Reader, ids: readonly string[]): ListedRow[] {
  return reader.all<ListedRow>(
    `SELECT c.id, c.name, g.name AS groupName, c.program, c.version, c.revision, c.host_name AS hostName
     FROM json_each(?) wanted CROSS JOIN jump_clients c ON c.id = wanted.value LEFT JOIN jump_groups g ON g.id = c.group_id ORDER BY wanted.key`,
    JSON.stringify(ids),
  );
}

/** What the row says of an entry. Of another rollout only a trial goes on, and a proof stays. */
export function savedEntry(row: FleetRow, rollout: string): SavedEntry | undefined {
  if (row.rolloutId === null) return undefined;
  const isOwn = row.rolloutId === rollout;
  const order: OrderInfo = {
    id: row.orderId,
    rollout: row.rolloutId,
    version: row.orderedVersion,
    fromVersion: row.fromVersion,
    bundle: row.bundle,
    parcels: JSON.parse(row.parcels) as string[],
    begunAtMs: row.begunAtMs,
  };
  const phase: Phase = row.phase === 'restarting' || (row.phase === 'downloading' && isOwn) ? row.phase : 'none';
  const ended = row.phase === 'done' || row.phase === 'failed' || row.phase === 'rolled-back' ? row.phase : 'cancelled';
  const outcome = phase !== 'none' ? undefined : isOwn || ended === 'done' ? ended : 'cancelled';
  const isFailed = outcome === 'failed' || outcome === 'rolled-back';
  return {
    order,
    phase,
    leaseUntilMs: row.leaseUntilMs ?? 0,
    outcome,
    failure: isFailed ? row.failure : null,
    reason: isFailed ? row.reason : null,
    endedAtMs: row.endedAtMs,
    attempts: isOwn ? row.attempts : 0,
    nextTryAtMs: isFailed ? row.nextTryAtMs : null,
    failedVersion: row.failedVersion,
    front: isOwn ? row.front : 0,
    counted: isOwn ? row.counted : 0,
  };
}

/** Writes what has to outlive a restart. `begins`: the order is about to leave. */
export function saveEntry(tx: Tx, entry: QueueEntry, order: OrderInfo, begins: { leaseUntilMs: number } | undefined): void {
  const state = begins
    ? 'downloading'
    : entry.phase === 'downloading' || entry.phase === 'restarting'
      ? entry.phase
      : (entry.outcome ?? 'cancelled');
  tx.run(
    `INSERT INTO fleet_upgrades (client_id, rollout_id, order_id, state, from_version, version, bundle, parcels, attempts, lease_until_ms, next_try_at_ms,
       failure, reason, front, begun_at_ms, ended_at_ms, counted, failed_version)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (client_id) DO UPDATE SET rollout_id = excluded.rollout_id, order_id = excluded.order_id, state = excluded.state,
       from_version = excluded.from_version, version = excluded.version, bundle = excluded.bundle, parcels = excluded.parcels,
       attempts = excluded.attempts, lease_until_ms = excluded.lease_until_ms, next_try_at_ms = excluded.next_try_at_ms, failure = excluded.failure,
       reason = excluded.reason, front = excluded.front, begun_at_ms = excluded.begun_at_ms, ended_at_ms = excluded.ended_at_ms, counted = excluded.counted,
       failed_version = excluded.failed_version`,
    entry.id,
    order.rollout,
    order.id,
    state,
    order.fromVersion,
    order.version,
    order.bundle,
    JSON.stringify(order.parcels),
    begins ? entry.attempts + 1 : entry.attempts,
    begins?.leaseUntilMs ?? (state === 'downloading' || state === 'restarting' ? entry.leaseUntilMs : null),
    begins ? null : entry.nextTryAtMs,
    begins ? null : entry.failure,
    begins ? null : entry.reason,
    entry.front,
    order.begunAtMs,
    begins ? null : entry.endedAtMs,
    begins ? Math.max(1, entry.counted) : entry.counted,
    entry.failedVersion,
  );
}

/** The client was deleted. */
export function deleteEntry(tx: Tx, id: string): void {
  tx.run(`DELETE FROM fleet_upgrades WHERE client_id = ?`, id);
  tx.run(`DELETE FROM fleet_uninstalls WHERE client_id = ?`, id);
}

/** Nobody counts for a halt any more. */
export function forgiveAll(tx: Tx, rolloutId: string): void {
  tx.run(`UPDATE fleet_upgrades SET counted = 0 WHERE rollout_id = ? AND counted > 0`, rolloutId);
}

export interface RolloutRow {
  id: string;
  version: string;
  revision: string;
  createdAtMs: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  isOn: number;
  isPaused: number;
  /** JSON of `Halt`, or empty. */
  halt: string;
  /** JSON list of `RingState`. */
  rings: string;
  bytesSent: number;
  /** JSON. */
  chart: string;
}

export function latestRollout(reader: Reader): RolloutRow | undefined {
  return reader.get<RolloutRow>(
    `SELECT id, version, revision, created_at_ms AS createdAtMs, started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs, is_on AS isOn, is_paused AS isPaused,
       halt, rings, bytes_sent AS bytesSent, chart FROM fleet_rollouts ORDER BY created_at_ms DESC, id DESC LIMIT 1`,
  );
}

/** Orders under way that are not on trial. */
export function countDownloading(reader: Reader): number {
  return reader.get<{ count: number }>(`SELECT count(*) AS count FROM fleet_upgrades WHERE state = 'downloading'`)!.count;
}

export function writeRollout(tx: Tx, row: RolloutRow): void {
  tx.run(
    `INSERT INTO fleet_rollouts (id, version, revision, created_at_ms, started_at_ms, ended_at_ms, is_on, is_paused, halt, rings, bytes_sent, chart)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET started_at_ms = excluded.started_at_ms, ended_at_ms = excluded.ended_at_ms, is_on = excluded.is_on,
       is_paused = excluded.is_paused, halt = excluded.halt, rings = excluded.rings, bytes_sent = excluded.bytes_sent, chart = excluded.chart`,
    row.id,
    row.version,
    row.revision,
    row.createdAtMs,
    row.startedAtMs,
    row.endedAtMs,
    row.isOn,
    row.isPaused,
    row.halt,
    row.rings,
    row.bytesSent,
    row.chart,
  );
}

/** Clients that are to uninstall themselves and have not said that they do. */
export function uninstallIds(reader: Reader): string[] {
  return reader.all<{ id: string }>(`SELECT client_id AS id FROM fleet_uninstalls WHERE failed IS NULL`).map(({ id }) => id);
}
export function writeUninstall(tx: Tx, row: { id: string; askedAtMs: number; askedBy: string; toldAtMs: number | null }): void {
  tx.run(
    `INSERT INTO fleet_uninstalls (client_id, asked_at_ms, asked_by, told_at_ms, failed) VALUES (?, ?, ?, ?, NULL)
     ON CONFLICT (client_id) DO UPDATE SET asked_at_ms = excluded.asked_at_ms, asked_by = excluded.asked_by, told_at_ms = excluded.told_at_ms, failed = NULL`,
    row.id,
    row.askedAtMs,
    row.askedBy,
    row.toldAtMs,
  );
}
export function removeUninstall(tx: Tx, id: string): void {
  tx.run(`DELETE FROM fleet_uninstalls WHERE client_id = ?`, id);
}
export function failUninstall(tx: Tx, id: string, reason: string): void {
  tx.run(`UPDATE fleet_uninstalls SET failed = ? WHERE client_id = ?`, reason, id);
}
