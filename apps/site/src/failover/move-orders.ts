/** What a move to other hardware has this side do with the relationship that carries it (B203-B206; docs/decisions/0360). */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { MovedTo } from '@bascule/protocol/api/move.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context } from '@bascule/store/store.ts';
import { busy, roleUnfit } from './failover-errors.ts';
import { writeValue } from './pair-store.ts';
import type { Pair } from './pair.ts';

/** Recordings looked for at one time. */
const LOOKED_AT_ONCE = 64;

const moveEnded = defineAuditEvent<{ peer: string }>('MOVE_ENDED', 'The move is over: the relationship with {peer} ended');
const siteMoved = defineAuditEvent<{ appliance: string; host: string }>(
  'SITE_MOVED',
  'The site moved to {appliance} ({host}): this appliance leads people and clients there',
);

/**
 * Ends the relationship here, whatever the other side does: it is told by the box that moves. The pre-shared key of the move counts no more, whatever else fails. With `moved` this
 * side is a signpost from then on. Harmless when done again. Throws when the side that serves is told that the site is elsewhere, and `FAILOVER_BUSY` while the relationship changes.
 */
export async function endMove(pair: Pair, context: Context, moved: MovedTo | null): Promise<void> {
  const { records, serving, now } = pair.parts;
  if (moved !== null && records.serves) throw roleUnfit('This appliance serves the site: it cannot be its signpost.');
  await pair.preSharedKey.putBack(context);
  if (pair.exclusive.busy !== null) throw busy(pair.exclusive.busy.what);
  const { peer } = records;
  if (peer?.state === 'active') await pair.roles.breakOwnSide(context, context.actor.name, undefined);
  const { store } = records;
  if (records.peer !== undefined)
    store.transact(context, moveEnded({ peer: records.peer.name }), (tx) => records.setPeer(tx, undefined));
  if (moved !== null)
    store.transact(context, siteMoved({ appliance: moved.appliance, host: moved.endpoint.host }), (tx) =>
      writeValue(tx, 'moved', { ...moved, atMs: now() }),
    );
  records.reload();
  if (moved === null) return;
  await serving.stop();
  await serving.start();
}

/** How many recordings of ended sessions are not here; those that were removed on purpose do not count. */
export async function recordingsLeft({ parts: { database, config } }: Pair): Promise<{ left: number; of: number }> {
  const files =
    database.store?.all<{ file: string }>(
      `SELECT recording_file AS file FROM access_sessions WHERE state = 'ended' AND recording_bytes > 0
       AND recording_file NOT IN (SELECT file FROM removed_recordings)`,
    ) ?? [];
  let left = 0;
  for (let at = 0; at < files.length; at += LOOKED_AT_ONCE) {
    const looks = files.slice(at, at + LOOKED_AT_ONCE).map(({ file }) => access(join(config.paths.recordings, file)));
    left += (await Promise.allSettled(looks)).filter(({ status }) => status === 'rejected').length;
  }
  return { left, of: files.length };
}
