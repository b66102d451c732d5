import { defineAuditEvent } from '@bascule/store/audit.ts';

/** In the audit of the site: all that the primary knows of a test of the standby (B133). What was done in it is in the archive on the backup. */
export const rehearsalBegun = defineAuditEvent<{ rehearsal: string; standby: string; people: string; clients: string }>(
  'REHEARSAL_BEGUN',
  'Began a test of the standby {standby} for {people}, with the clients {clients}',
);
export const rehearsalEntered = defineAuditEvent<{ rehearsal: string; standby: string }>(
  'REHEARSAL_ENTERED',
  'Entered the test of the standby {standby}',
);
export const rehearsalLeft = defineAuditEvent<{ rehearsal: string; standby: string }>(
  'REHEARSAL_LEFT',
  'Left the test of the standby {standby}',
);
export const rehearsalSessionHeld = defineAuditEvent<{
  rehearsal: string;
  session: string;
  user: string;
  item: string;
  startedAt: string;
  endedAt: string | null;
  recordingSha256: string | null;
  recordingBytes: number;
}>('REHEARSAL_SESSION_HELD', 'In the test of the standby {user} had the access session {session} on {item}');
export const rehearsalEnded = defineAuditEvent<{
  rehearsal: string;
  standby: string;
  reason: string;
  sessions: number | null;
  archive: string | null;
}>('REHEARSAL_ENDED', 'The test of the standby {standby} is over: {reason}');
/** In pair.db: so that a test that was cut by a restart still comes to an end in the audit. */
export const rehearsalNoted = defineAuditEvent<{ rehearsal: string; what: string }>(
  'REHEARSAL_NOTED',
  'Noted that the test {rehearsal} of the standby is {what}',
  { housekeeping: true },
);
