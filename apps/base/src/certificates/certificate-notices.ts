import type { Certificate } from '@bascule/protocol/api/certificates.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { expiryTold } from './certificate-events.ts';

/** People are told so many days before one that is in use ends, once each. */
export const TOLD_AT_DAYS = [30, 14, 7, 1] as const;
const DAY_MS = 24 * 60 * 60 * 1000;
/** One that renews itself is told of when it should have done so long ago: then the first notices are not due. */
const RENEWING_TOLD_AT_DAYS = [7, 1] as const;
const RENEWING_LEFT_PART = 1 / 6;

/** What people are told of one certificate. */
export interface ExpiryNotice {
  issuedTo: string;
  sha256: string;
  daysLeft: number;
}

/** Which notices are due now; each is noted before it is told, so that nobody is told twice. */
export function takeDueNotices(store: Store, certificates: readonly Certificate[], nowMs: number): ExpiryNotice[] {
  const due: ExpiryNotice[] = [];
  for (const { facts, inUse, source } of certificates) {
    if (facts === null || !inUse) continue;
    const leftMs = facts.notAfterMs - nowMs;
    const renews = source === 'self-made' || source === 'acme' || (source === 'handed' && facts.isSelfSigned);
    if (renews && leftMs > (facts.notAfterMs - facts.notBeforeMs) * RENEWING_LEFT_PART) continue;
    const steps: readonly number[] = renews ? RENEWING_TOLD_AT_DAYS : TOLD_AT_DAYS;
    const step = steps.filter((days) => leftMs <= days * DAY_MS).at(-1);
    const told = store.get<{ days: number }>('SELECT days FROM certificate_notices WHERE sha256 = ?', facts.sha256)?.days;
    if (step === undefined || (told !== undefined && told <= step)) continue;
    const { issuedTo, sha256 } = facts;
    store.transact(SYSTEM, expiryTold({ issuedTo, sha256, days: step }), (tx) =>
      tx.run(
        'INSERT INTO certificate_notices (sha256, days) VALUES (?, ?) ON CONFLICT (sha256) DO UPDATE SET days = excluded.days',
        sha256,
        step,
      ),
    );
    due.push({ issuedTo, sha256, daysLeft: Math.max(0, Math.ceil(leftMs / DAY_MS)) });
  }
  return due;
}
