/** A primary as a program of its own, so that it can be stopped: says every 20 ms whether it holds the lease. Started by lease.proc.test.ts. */
import { createPrivateKey, sign } from 'node:crypto';
import { signStatement } from '@bascule/pair/epoch-statement.ts';
import type { LeaseTerms } from '@bascule/pair/lease-terms.ts';
import { createLog } from '@bascule/log/log.ts';
import { Lease, type LeaseConfig } from '../lease.ts';

const SAY_INTERVAL_MS = 20;

export interface ChildOrder {
  config: LeaseConfig;
  identityKeyPem: string;
  terms: LeaseTerms;
}
/** `hang`: main's loop stands still for so long. */
export type ToChild = { kind: 'start'; order: ChildOrder } | { kind: 'hang'; ms: number };
export type FromChild = { kind: 'held'; isHeld: boolean; sinceMs: number } | { kind: 'lost' };

let lease: Lease | undefined;
process.on('message', (message: ToChild) => {
  if (message.kind === 'hang') return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, message.ms);
  const { config, identityKeyPem, terms } = message.order;
  const key = createPrivateKey(identityKeyPem);
  lease = new Lease({
    sign: (epoch) =>
      signStatement(
        { history: config.history, epoch, holder: config.self, holderName: 'child', predecessor: null, atMs: 0 },
        (bytes) => sign('sha256', bytes, key),
      ),
    position: () => ({ seq: 5, peerSeq: 5 }),
    log: createLog('lease-child', 'silent'),
    terms,
  });
  lease.onLost(() => process.send?.({ kind: 'lost' } satisfies FromChild));
  lease.start(config);
  lease.setInSync(true);
  setInterval(() => {
    const sinceMs = Date.now();
    process.send?.({ kind: 'held', isHeld: holds(), sinceMs } satisfies FromChild);
  }, SAY_INTERVAL_MS);
});

function holds(): boolean {
  try {
    lease?.assertHeld();
    return lease !== undefined;
  } catch {
    return false;
  }
}
