import type { UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { QueueEntry, QueueRing, RolloutCounts } from './queue-types.ts';

/** A number from 0 to below 1 that stays the same for an id: FNV-1a over its characters. */
export function shareOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193) >>> 0;
  // The last characters alone would decide the low bits: mixed once more.
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b) >>> 0;
  return ((hash ^ (hash >>> 15)) >>> 0) / 0x1_0000_0000;
}

/** The ring of a client: the first that names its group, else by its share; the last one takes all that is left. */
export function ringOf(client: { id: string; groupId: string | null }, rings: readonly QueueRing[]): number {
  const { groupId } = client;
  if (groupId !== null) {
    const named = rings.findIndex((ring) => ring.groupIds.includes(groupId));
    if (named >= 0) return named;
  }
  const share = shareOf(client.id) * 100;
  let upTo = 0;
  for (let index = 0; index < rings.length - 1; index += 1) {
    upTo += rings[index]!.percent;
    if (share < upTo) return index;
  }
  return rings.length - 1;
}

/** What is shown of the entry (B108). */
export function stateOf(entry: QueueEntry): UpgradeState {
  if (entry.phase === 'restarting') return 'restarting';
  if (entry.phase !== 'none') return 'downloading';
  if (entry.standing !== 'behind') return entry.standing;
  if (entry.outcome === 'failed' || entry.outcome === 'rolled-back') return entry.outcome;
  if (entry.isOnline && (entry.inSession || entry.heldUntilMs > 0)) return 'waiting-for-session';
  return 'pending';
}

const COUNT_OF = {
  current: 'current',
  ahead: 'current',
  pending: 'pending',
  'waiting-for-session': 'waitingForSession',
  downloading: 'downloading',
  restarting: 'restarting',
  failed: 'failed',
  'rolled-back': 'rolledBack',
  unsupported: 'unsupported',
} as const satisfies Record<UpgradeState, keyof RolloutCounts>;

/** Adds (`by` 1) or takes away (-1) what an entry in this state counts for. */
export function count(
  counts: RolloutCounts,
  entry: { isEligible: boolean; isOnline: boolean; state: UpgradeState },
  by: 1 | -1,
): void {
  if (!entry.isEligible) return;
  counts.total += by;
  counts[COUNT_OF[entry.state]] += by;
  if (entry.state === 'pending' && !entry.isOnline) counts.absent += by;
}
