import { defineAuditEvent } from '@bascule/store/audit.ts';

/** What restores write into the audit of the box. Codes are permanent. */
export const restoreStarted = defineAuditEvent<{ restoration: string; operation: string; source: string }>(
  'RESTORE_STARTED',
  'Started {operation}: {source}',
);
export const restoreEnded = defineAuditEvent<{
  restoration: string;
  operation: string;
  outcome: string;
  /** A code; empty when it ended well. */
  cause: string;
}>('RESTORE_ENDED', 'The {operation} ended: {outcome} {cause}');
export const restoreCancelled = defineAuditEvent<{ restoration: string }>(
  'RESTORE_CANCEL_REQUESTED',
  'Asked to cancel the restore {restoration}',
);
export const restoreAcknowledged = defineAuditEvent<{ restoration: string }>(
  'RESTORE_ACKNOWLEDGED',
  'Closed the report of the restore {restoration}',
);
export const restoreNoted = defineAuditEvent<{ restoration: string; step: string }>(
  'RESTORE_NOTED',
  'The restore {restoration} came to {step}',
  { housekeeping: true },
);
export const backupInspected = defineAuditEvent<{ name: string; outcome: string }>(
  'BACKUP_INSPECTED',
  'Looked into the backup {name}: {outcome}',
);
export const backupUploadStarted = defineAuditEvent<{ name: string; totalBytes: number }>(
  'RESTORE_UPLOAD_STARTED',
  'Began to upload the backup {name} ({totalBytes} bytes)',
);
export const backupUploadRemoved = defineAuditEvent<{ name: string }>(
  'RESTORE_UPLOAD_REMOVED',
  'Removed the uploaded backup {name}',
);
