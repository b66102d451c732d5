import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Store } from '@bascule/store/store.ts';
import { copyOf, primaryUrlOf } from './pair-figures.ts';
import type { Pair } from './pair.ts';

type PairStateMessage = Extract<FromSite, { kind: 'pair-state' }>;

/** What base is told of the pair; without one, that this appliance serves alone. */
export function pairStateMessage(pair: Pair | undefined, store: Store | undefined): PairStateMessage {
  const epoch = store?.head().epoch ?? 0;
  const alone = { leaseLeftMs: null, mode: 'async', peer: null, lagChanges: null, lagSeconds: null } as const;
  if (pair === undefined) return { kind: 'pair-state', role: 'single', history: '', epoch, serves: true, ...alone };
  const { records, watch } = pair.parts;
  const { peer, self, settings } = records;
  const copy = copyOf(pair);
  return {
    kind: 'pair-state',
    role: self.role,
    history: self.history,
    epoch: Math.max(epoch, self.epoch),
    serves: records.serves && pair.isWriting,
    leaseLeftMs: pair.leaseLeftMs,
    mode: settings.mode,
    peer: peer?.state === 'active' ? { name: peer.name, state: watch.isReachable ? 'reachable' : 'unreachable' } : null,
    lagChanges: copy?.lagChanges ?? null,
    lagSeconds: copy?.lagSeconds ?? null,
    primaryUrl: primaryUrlOf(pair),
    alarms: pair.alarms.codes,
  };
}
