/** The site's audit for base, which sends it to syslog servers: in batches, from where base is (protocol base-site.ts, `audit-after`). */
import type { FromSite, ToSite } from '@bascule/protocol/base-site.ts';
import type { Store } from '@bascule/store/store.ts';

/** Base comes with a position of another epoch (it was a backup's, or a backup was restored): no more than this is sent again. */
export const LOOK_BACK_MS = 60 * 60_000;

type AuditBatch = Extract<FromSite, { kind: 'audit-batch' }>;
type Event = AuditBatch['events'][number];

const COLUMNS =
  'id, appliance, epoch, sequence, at_ms AS atMs, code, actor_kind AS actorKind, actor_name AS actorName, address, summary, hash';

/** What base asks for; `nowMs` for how far it is looked back. */
export function auditBatch(
  store: Store,
  { after, headAfterMs, limit }: Pick<Extract<ToSite, { kind: 'audit-after' }>, 'after' | 'headAfterMs' | 'limit'>,
  nowMs: number,
): Omit<AuditBatch, 'kind' | 'nonce'> {
  const { epoch } = store.head();
  const newest = store.get<{ sequence: number }>('SELECT MAX(sequence) AS sequence FROM audit_event')?.sequence ?? 0;
  const signed = store.lastHead();
  const head =
    signed !== undefined && signed.atMs > headAfterMs
      ? { atMs: signed.atMs, statement: signed.statement, signature: Buffer.from(signed.signature).toString('base64') }
      : null;
  if (after === null) return { position: { epoch, sequence: newest }, events: [], head };
  const isSameEpoch = after.epoch === epoch;
  const from = isSameEpoch ? after.sequence : Math.min(after.sequence, newest);
  const events = store.all<Event>(
    `SELECT ${COLUMNS} FROM audit_event WHERE sequence > ? AND at_ms >= ? ORDER BY sequence, epoch, appliance LIMIT ?`,
    from,
    isSameEpoch ? 0 : nowMs - LOOK_BACK_MS,
    limit,
  );
  const last = events.at(-1);
  // Events of one sequence number (of two histories) are never cut apart by a batch: the next one begins after the number.
  const whole =
    last === undefined || events.length < limit
      ? events
      : events.filter((event) => event.sequence < last.sequence || events[0]?.sequence === last.sequence);
  return { position: { epoch, sequence: whole.at(-1)?.sequence ?? newest }, events: whole, head };
}
