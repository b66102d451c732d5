import { defineAuditEvent } from '@bascule/store/audit.ts';

export const settingsChanged = defineAuditEvent<{ changes: string }>(
  'MAIL_SETTINGS_CHANGED',
  'Changed the e-mail settings: {changes}',
);
export const queued = defineAuditEvent<{ subject: string; count: number }>(
  'MAIL_QUEUED',
  "Queued the mail '{subject}' for {count:recipient,recipients}",
  { housekeeping: true },
);
export const sent = defineAuditEvent<{ subject: string; recipient: string }>(
  'MAIL_SENT',
  "Sent the mail '{subject}' to {recipient}",
);
export const failed = defineAuditEvent<{ subject: string; recipient: string; reason: string; attempts: number }>(
  'MAIL_ATTEMPT_FAILED',
  "The mail '{subject}' to {recipient} failed and is tried again: {reason}",
  { housekeeping: true },
);
export const dropped = defineAuditEvent<{ subject: string; recipient: string; reason: string; attempts: number }>(
  'MAIL_DROPPED',
  "Gave up the mail '{subject}' to {recipient} after {attempts:attempt,attempts}: {reason}",
);
export const tested = defineAuditEvent<{ recipients: number }>(
  'MAIL_TESTED',
  'Sent a test mail to {recipients:recipient,recipients}',
);
export const testFailed = defineAuditEvent<{ reason: string }>('MAIL_TEST_FAILED', 'A test mail failed: {reason}');
