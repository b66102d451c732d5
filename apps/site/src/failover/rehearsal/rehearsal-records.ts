/** What pair.db keeps of the newest test of this standby: so that what a cut left is settled at the next start, and the primary hears how it ended. */
import { z } from 'zod';
import { instantMs } from '@bascule/protocol/text.ts';
import { rehearsalId, rehearsalSession, rehearsalStep, REHEARSAL_SESSIONS_MAX } from '@bascule/protocol/rehearsal.ts';
import type { AuditEvent, Store, Tx } from '@bascule/store/store.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { readForeignValue, writeForeignValue } from '../pair-store.ts';

const NAME = 'rehearsal';
const named = z.object({ id: z.string(), name: z.string() });

export const rehearsalRecord = z.object({
  rehearsal: rehearsalId,
  by: z.string(),
  users: z.array(named),
  clients: z.array(named),
  startedAtMs: instantMs,
  endsAtMs: instantMs,
  /** `ending`: it serves no more, and what is kept of it is not yet in its archive. */
  state: z.enum(['open', 'ending', 'closed']),
  hasFailed: z.boolean(),
  /** Its program listened once: there may be something to keep. */
  wasOpened: z.boolean(),
  steps: z.array(rehearsalStep),
  reason: z.string().nullable(),
  /** The folder that takes what is kept, as soon as it is made. */
  folder: z.string().nullable(),
  archive: z.string().nullable(),
  sessions: z.array(rehearsalSession).max(REHEARSAL_SESSIONS_MAX),
});
export type RehearsalRecord = z.infer<typeof rehearsalRecord>;

/** The newest test; undefined when there was none, or what is there is of another version. */
export function readRehearsal(store: Store): RehearsalRecord | undefined {
  return rehearsalRecord.safeParse(readForeignValue(store, NAME)).data;
}

export function writeRehearsal(
  store: Store,
  event: AuditEvent,
  record: RehearsalRecord,
  more: (tx: Tx) => void = () => undefined,
): void {
  store.transact(SYSTEM, event, (tx) => {
    writeForeignValue(tx, NAME, record);
    more(tx);
  });
}
