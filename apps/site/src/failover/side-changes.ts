/** What one side has that the other lacks, since their logs parted: asked over the pair link, for people who decide (I5). */
import { z } from 'zod';
import type { PairConflict } from '@bascule/protocol/api/failover.ts';
import { byteCount, instantMs, sha256Hex } from '@bascule/protocol/text.ts';
import type { Store } from '@bascule/store/store.ts';
import type { PairDial } from './pair-dial.ts';

/** Entries that one question names, and questions that one search asks. */
export const POINTS_MAX = 64;
const ROUNDS_MAX = 12;

/** POST `/entries`: which of these entries are in the other side's log. */
export const entriesQuestion = z.strictObject({
  points: z.array(z.object({ seq: z.number().int().nonnegative(), hash: sha256Hex })).max(POINTS_MAX),
});
export const entriesAnswer = z.object({ has: z.array(z.boolean()).max(POINTS_MAX) });
/** POST `/changes`: what the other side has after an entry. */
export const changesQuestion = z.strictObject({ seq: z.number().int().nonnegative() });
export const changesAnswer = z.object({
  changes: z.number().int().nonnegative(),
  sinceMs: instantMs.nullable(),
  events: z.array(z.object({ atMs: instantMs, actor: z.string().max(500), summary: z.string().max(2000) })).max(50),
  sessions: z.number().int().nonnegative(),
  recordingBytes: byteCount,
});
export type SideChanges = z.infer<typeof changesAnswer>;

/** What `store` has after entry `seq`: for the answer to `/changes`, and for our own side. */
export function changesOf(store: Store, seq: number): SideChanges {
  const { changes, sinceMs, events } = store.changesSince(seq);
  const sessions = store.get<{ sessions: number; bytes: number | null }>(
    'SELECT count(*) AS sessions, sum(coalesce(recording_bytes, out_bytes)) AS bytes FROM access_sessions WHERE started_at_ms >= ?',
    sinceMs ?? Number.MAX_SAFE_INTEGER,
  );
  return { changes, sinceMs, events, sessions: sessions?.sessions ?? 0, recordingBytes: sessions?.bytes ?? 0 };
}

/** Answers `/entries`. */
export function hasEntries(store: Store, points: { seq: number; hash: string }[]): boolean[] {
  return points.map(({ seq, hash }) => store.hasEntry(seq, Buffer.from(hash, 'hex')));
}

/** The newest entry that both logs have; undefined when none of those that are still kept is common. Throws as `PairDial.request`. */
export async function findParting(dial: PairDial, store: Store): Promise<number | undefined> {
  let common: number | undefined;
  let low = oldestSeq(store);
  let high = store.head().seq;
  for (let round = 0; round < ROUNDS_MAX && low <= high; round += 1) {
    const points = pointsBetween(store, low, high);
    const { body } = await dial.request('POST', '/entries', { points });
    const { has } = entriesAnswer.parse(body);
    const newest = has.lastIndexOf(true);
    if (newest >= 0) common = points[newest]?.seq;
    const next = points[newest + 1]?.seq;
    low = (common ?? low - 1) + 1;
    high = next === undefined ? high : next - 1;
    if (newest < 0 && next === low) return common;
  }
  return common;
}

/** The oldest entry that is still kept. */
export function oldestSeq(store: Store): number {
  return store.get<{ seq: number }>('SELECT seq FROM change_log ORDER BY seq LIMIT 1')?.seq ?? 1;
}

function pointsBetween(store: Store, low: number, high: number): { seq: number; hash: string }[] {
  const count = Math.min(POINTS_MAX, high - low + 1);
  const wanted = Array.from({ length: count }, (_, index) =>
    count === 1 ? high : Math.round(low + (index * (high - low)) / (count - 1)),
  );
  return [...new Set(wanted)].flatMap((seq) => {
    const row = store.get<{ hash: Uint8Array }>('SELECT hash FROM change_log WHERE seq = ?', seq);
    return row === undefined ? [] : [{ seq, hash: Buffer.from(row.hash).toString('hex') }];
  });
}

/** Both sides' changes since they parted, ours first. Throws as `PairDial.request`. */
export async function compareSides(
  dial: PairDial,
  store: Store,
  names: { own: string; ownKey: string; ownEpoch: number; peer: string; peerKey: string | undefined; peerEpoch: number },
): Promise<PairConflict['sides']> {
  // When nothing that is kept is common, everything that is kept is what differs.
  const parting = (await findParting(dial, store)) ?? oldestSeq(store) - 1;
  const { body } = await dial.request('POST', '/changes', { seq: parting });
  const theirs = changesAnswer.parse(body);
  return [
    { appliance: names.own, keySha256: names.ownKey, epoch: names.ownEpoch, ...changesOf(store, parting) },
    { appliance: names.peer, keySha256: names.peerKey, epoch: names.peerEpoch, ...theirs },
  ];
}
