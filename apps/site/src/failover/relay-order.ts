import type { ToRelay } from '@bascule/protocol/relay-control.ts';
import type { PairRecords } from './pair-records.ts';
import type { Pair } from './pair.ts';

/** What the relay is to do with recordings and files now. */
export function relayOrder(pair: Pair | undefined): Extract<ToRelay, { kind: 'pair' }> {
  const peer = pair?.parts.records.peer;
  const role = pair === undefined ? 'none' : relayRole(pair.parts.records);
  // Whoever writes nothing any more tells no client to forget anything, whether it copies or not.
  if (pair === undefined || peer === undefined || role === 'none')
    return { kind: 'pair', role: 'none', ...(pair?.parts.records.serves === false && { isServing: false }) };
  const { records, key, gate } = pair.parts;
  const isSync = records.isActive && records.settings.mode === 'sync' && (role === 'follower' || gate.isInSync);
  const isSettling = role === 'source' && pair.settling.isOn;
  return {
    kind: 'pair',
    role,
    key: key.keyPem,
    certificate: key.certificatePem,
    peerKeySha256: peer.keySha256,
    peer: peer.endpoint,
    // A peer that was declared behind is not waited for: sessions would never end.
    mode: isSync || isSettling ? 'sync' : 'async',
    bytesPerSecond: records.settings.bytesPerSecond,
  };
}

/** Also while an upgrade plan keeps the two apart: sessions of the one that serves go on at the other after the swap, and not a byte of them may be missing there. */
function relayRole({ self, isActive, trustsPeer }: PairRecords): 'source' | 'follower' | 'none' {
  const isApart = !isActive && trustsPeer;
  if (self.role === 'primary' || (isApart && self.role === 'single')) return 'source';
  if (self.role === 'backup' || (isApart && self.role === 'read-only')) return 'follower';
  return 'none';
}
