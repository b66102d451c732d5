/** What licences allow, from their terms and the time alone (B208-B212). */
import type { LicenceState, ToldLicence } from '@bascule/protocol/api/licence.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** After the end of the last licence everything goes on for so long; then people who are no administrators open no sessions. */
export const GRACE_DAYS = 14;
/** So many days before the end, and at the end, somebody is told by mail. */
export const WARN_DAYS = [30, 14, 7, 1] as const;
/** A limit of which so much is in use is told by mail. */
export const NEARLY_FULL = 0.9;

/** What holds now. Limits are null where there is none. */
export interface Allowed {
  state: LicenceState;
  endpoints: number | null;
  representatives: number | null;
  /** When the last one expires, or expired; null: never. */
  expiresAtMs: number | null;
  /** From when nobody but administrators opens sessions; null: never. */
  refusedFromMs: number | null;
}

/** Licences add up: of those that have not expired; when all have, of all of them. Without any there is no limit. */
export function allowed(licences: readonly ToldLicence[], nowMs: number): Allowed {
  if (licences.length === 0)
    return { state: 'none', endpoints: null, representatives: null, expiresAtMs: null, refusedFromMs: null };
  const valid = licences.filter(({ terms }) => endOf(terms.expiresAtMs) > nowMs);
  const holding = valid.length > 0 ? valid : licences;
  const endMs = Math.max(...holding.map(({ terms }) => endOf(terms.expiresAtMs)));
  const refusedFromMs = Number.isFinite(endMs) ? endMs + GRACE_DAYS * DAY_MS : null;
  const isOver = refusedFromMs !== null && refusedFromMs <= nowMs;
  return {
    state: valid.length > 0 ? 'valid' : isOver ? 'expired' : 'grace',
    endpoints: sum(holding.map(({ terms }) => terms.endpoints)),
    representatives: sum(holding.map(({ terms }) => terms.concurrentRepresentatives)),
    expiresAtMs: Number.isFinite(endMs) ? endMs : null,
    refusedFromMs,
  };
}

/** The warning about the end that is due now: the smallest of WARN_DAYS that it is within, 0 once it has come; undefined: none yet. */
export function endWarning({ state, expiresAtMs }: Allowed, nowMs: number): number | undefined {
  if (state === 'none' || expiresAtMs === null) return undefined;
  if (expiresAtMs <= nowMs) return 0;
  return WARN_DAYS.toReversed().find((days) => expiresAtMs - nowMs <= days * DAY_MS);
}

/** Whether so many of `limit` is worth a word. */
export function isNearlyFull(used: number, limit: number | null): boolean {
  return limit !== null && used >= Math.max(1, Math.ceil(limit * NEARLY_FULL));
}

function endOf(expiresAtMs: number | null): number {
  return expiresAtMs ?? Number.POSITIVE_INFINITY;
}

function sum(limits: readonly (number | null)[]): number | null {
  return limits.reduce((total, limit) => (total === null || limit === null ? null : total + limit), 0);
}
