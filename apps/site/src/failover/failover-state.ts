/** GET `/api/failover`: everything that the page shows, from what is known already. */
import type { FailoverState, PairConflict } from '@bascule/protocol/api/failover.ts';
import type { Failover } from './failover.ts';
import { apartOf, copyOf, exposureOf, peerSideOf, sideOf } from './pair-figures.ts';
import type { Pair } from './pair.ts';
import { alarms, archives, roleChanges } from './pair-store.ts';
import { rehearsalStateOf } from './rehearsal/rehearsal-guide-state.ts';

export function failoverStateOf(failover: Failover, pair: Pair, conflict: PairConflict | null): FailoverState {
  const { records, watch, now, config } = pair.parts;
  const { peer, self } = records;
  const liveSessions = failover.served?.liveSessions?.();
  // A change of roles sends clients here, too: only who came after the last contact may have lost the other side.
  const here = failover.served?.clientsHere?.(watch.lastContactAtMs ?? 0);
  const apart = apartOf(pair);
  return {
    self: sideOf(pair),
    peer: peerSideOf(pair),
    peerState: peer === undefined ? 'none' : watch.isReachable ? 'reachable' : 'unreachable',
    lastContactAtMs: watch.lastContactAtMs,
    broken: peer?.state === 'broken' ? { peer: peer.name, endpoint: peer.endpoint, atMs: peer.sinceMs, by: peer.by } : null,
    settings: records.settings,
    copy: copyOf(pair),
    ...(apart !== undefined && { apart }),
    exposure: exposureOf(pair),
    alarms: alarms(records.store),
    conflict,
    witness: pair.lease.state(),
    rehearsal: rehearsalStateOf(failover),
    roles: roleChanges(records.store),
    archives: archives(records.store),
    sharedName: config.publicHost,
    busy: pair.exclusive.busy,
    failed: pair.exclusive.failed,
    preSharedKey: pair.preSharedKey.state(),
    nowMs: now(),
    readOnly: self.readOnly,
    ...(liveSessions !== undefined && { liveSessions: liveSessions.slice(0, 100) }),
    ...(peer !== undefined &&
      !watch.isReachable && {
        peerSeenBy: {
          witnessAtMs: pair.lease.peerHeardAtMs(),
          clientsHere: here?.count ?? 0,
          clientsHereAtMs: here?.newestAtMs ?? null,
        },
      }),
  };
}
