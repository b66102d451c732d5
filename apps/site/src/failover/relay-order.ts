import type { ToRelay } from '@bascule/protocol/relay-control.ts';
import type { Pair } from './pair.ts';

/** What the relay is to do with recordings and files now. */
export function relayOrder(pair: Pair | undefined): Extract<ToRelay, { kind: 'pair' }> {
  const peer = pair?.parts.records.peer;
  if (pair === undefined || peer?.state !== 'active') return { kind: 'pair', role: 'none' };
  const { records, key, gate } = pair.parts;
  const role = records.self.role === 'primary' ? 'source' : records.self.role === 'backup' ? 'follower' : 'none';
  if (role === 'none') return { kind: 'pair', role };
  return {
    kind: 'pair',
    role,
    key: key.keyPem,
    certificate: key.certificatePem,
    peerKeySha256: peer.keySha256,
    peer: peer.endpoint,
    // A peer that was declared behind is not waited for: sessions would never end.
    mode: records.settings.mode === 'sync' && (role === 'follower' || gate.isInSync) ? 'sync' : 'async',
    bytesPerSecond: records.settings.bytesPerSecond,
  };
}
