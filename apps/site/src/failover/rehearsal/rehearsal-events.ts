import { defineAuditEvent } from '@bascule/store/audit.ts';

/** In the audit of the standby itself, which the test cannot change. */
export const copyTestBegun = defineAuditEvent<{ by: string; users: string; clients: string; rehearsal: string }>(
  'REHEARSAL_COPY_MADE',
  'Began a test of this standby for {by}: with {users}, on {clients}',
);
export const copyTestServes = defineAuditEvent<{ rehearsal: string; openMs: number; migrations: number }>(
  'REHEARSAL_COPY_SERVES',
  'The scratch copy of this standby serves, for a test',
);
export const copyTestStopped = defineAuditEvent<{ rehearsal: string; reason: string }>(
  'REHEARSAL_COPY_STOPPED',
  'The scratch copy of this standby serves no more: {reason}',
);
export const copyTestEnded = defineAuditEvent<{
  reason: string;
  sessions: number;
  archive: string;
  rehearsal: string;
}>('REHEARSAL_COPY_ENDED', 'The test of this standby is over, with {sessions:session,sessions}: {reason}');
export const copyTestSession = defineAuditEvent<{
  user: string;
  item: string;
  session: string;
  startedAtMs: number;
  endedAtMs: number | null;
  recordingSha256: string | null;
}>('REHEARSAL_COPY_SESSION', 'In the test of this standby {user} had an access session on {item}');
export const keepingBegun = defineAuditEvent<{ folder: string }>(
  'REHEARSAL_COPY_KEEPING',
  'What is kept of the test of this standby goes to the archive {folder}',
  { housekeeping: true },
);
/** The first one in the audit of the scratch copy that is its own; it says what was there before. */
export const scratchOpened = defineAuditEvent<{ by: string; rehearsal: string; sessionRows: number; change: number }>(
  'REHEARSAL_OPENED',
  'Opened a scratch copy of the site for a test of the standby, by {by}: nothing of it stays',
);
