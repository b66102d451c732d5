import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { SessionRow } from './access-session-store.ts';

export const sessionStarted = defineAuditEvent('ACCESS_SESSION_STARTED', '{user} opened an access session on {item}', {
  waitsForPeer: true,
});
export const sessionLive = defineAuditEvent('ACCESS_SESSION_LIVE', 'The shell of {user} on {item} runs');
export const sessionEndRequested = defineAuditEvent(
  'ACCESS_SESSION_END_REQUESTED',
  'The access session of {user} on {item} is to end: {reason}',
  { waitsForPeer: true },
);
export const sessionEnded = defineAuditEvent('ACCESS_SESSION_ENDED', 'The access session of {user} on {item} ended: {reason}', {
  waitsForPeer: true,
});
export const sessionDetached = defineAuditEvent(
  'ACCESS_SESSION_DETACHED',
  'Nobody has the access session of {user} on {item} open',
);
export const sessionResumed = defineAuditEvent('ACCESS_SESSION_RESUMED', '{user} has the access session on {item} open again');
export const outputMissing = defineAuditEvent(
  'ACCESS_SESSION_OUTPUT_MISSING',
  'The recording of the access session of {user} on {item} lacks {bytes} bytes of output: the appliances changed roles before the backup had them',
);
export const clientWentAway = defineAuditEvent(
  'ACCESS_SESSION_CLIENT_AWAY',
  'The Jump Client of the access session of {user} on {item} is away',
);
export const clientCameBack = defineAuditEvent(
  'ACCESS_SESSION_CLIENT_BACK',
  'The Jump Client of the access session of {user} on {item} is back',
);

/** The details every event of a session has: names, so that they outlive what they name. */
export function nameSession(row: SessionRow): { session: string; user: string; userId: string; item: string; itemId: string } {
  return { session: row.id, user: row.userName, userId: row.userId, item: row.jumpItemName, itemId: row.jumpItemId };
}
