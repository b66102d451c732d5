/**
 * How long leases and promises last, and what clocks are trusted to do. Holder and grantor each allow CLOCK_DRIFT of the span and CLOCK_SLACK_MS for steps of the
 * clock, in opposite directions: a lease has ended at its holder before it has ended anywhere else (architecture 8, docs/decisions/0179).
 */

export interface LeaseTerms {
  /** Counted by the holder from sending, by the witness from receipt. */
  leaseMs: number;
  /** Between two askings, of holder and of standby. */
  renewIntervalMs: number;
  /** An answer that takes longer: the link is given up, and another dialled. */
  answerLimitMs: number;
  /** The holder asks for nothing while its main thread was silent for longer. */
  aliveLimitMs: number;
}

export const LEASE_TERMS: LeaseTerms = { leaseMs: 3000, renewIntervalMs: 500, answerLimitMs: 1000, aliveLimitMs: 1500 };
/** Asked for before a planned restart of the holder's program. */
export const RESTART_LEASE_MS = 15_000;
/** A claim that was ordered is tried for so long: longer than any lease. The witness keeps the holder from renewing for so long after it last heard of the claim. */
export const CLAIM_LIFE_MS = 20_000;
/** Whoever gave the lease up takes it back by itself only after this: it was meant for the other side. */
export const RELEASE_REST_MS = 5_000;
export const CLAIM_HEARD_LIMIT_MS = 3_000;

/** Share of a span by which one clock may be wrong. Real ones: less than a thousandth. */
export const CLOCK_DRIFT = 0.05;
/** Twice the step of the boot clock. */
export const CLOCK_SLACK_MS = 20;

/** For how long after sending the holder may count on what was granted for `leaseMs`. */
export function holderSpanMs(leaseMs: number): number {
  return Math.floor(leaseMs * (1 - CLOCK_DRIFT)) - CLOCK_SLACK_MS;
}

/** For how long after receipt whoever granted `leaseMs` (witness, or the peer that promised) keeps it from everybody else. */
export function grantorSpanMs(leaseMs: number): number {
  return Math.ceil(leaseMs * (1 + CLOCK_DRIFT)) + CLOCK_SLACK_MS;
}
