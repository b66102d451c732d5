import { defineAuditEvent } from '@bascule/store/audit.ts';

export const begun = defineAuditEvent<{ id: string; destination: string; parts: string; password: string }>(
  'BACKUP_BEGUN',
  'Began the backup {id} to {destination}: {parts}, {password}',
);
export const written = defineAuditEvent<{ id: string; file: string; bytes: number; sha256: string }>(
  'BACKUP_WRITTEN',
  'The backup {id} was written as {file} ({bytes} bytes)',
);
export const restorable = defineAuditEvent<{ id: string; seconds: number }>(
  'BACKUP_RESTORABLE',
  'The backup {id} was restored on trial within {seconds} s: it is restorable',
);
export const failed = defineAuditEvent<{ id: string; code: string; reason: string }>(
  'BACKUP_FAILED',
  'The backup {id}: {reason}',
);
export const withoutBoxSettings = defineAuditEvent<{ id: string; reason: string }>(
  'BACKUP_WITHOUT_BOX_SETTINGS',
  'The backup {id} is made without the settings of the box: {reason}',
);
export const checkBegun = defineAuditEvent<{ id: string }>('BACKUP_CHECK_BEGUN', 'Began to restore the backup {id} on trial');
export const cancelledBy = defineAuditEvent<{ id: string }>('BACKUP_CANCELLED', 'Cancelled the backup {id}');
export const downloaded = defineAuditEvent<{ id: string; file: string }>(
  'BACKUP_DOWNLOADED',
  'Downloaded the backup {file} ({id})',
);
export const deleted = defineAuditEvent<{ id: string; file: string; destination: string }>(
  'BACKUP_DELETED',
  'Deleted the backup {file} at {destination} ({id})',
);
export const expired = defineAuditEvent<{ id: string; file: string; destination: string }>(
  'BACKUP_EXPIRED',
  'Removed the backup {file} at {destination}, as the retention of the schedule says ({id})',
);
export const settled = defineAuditEvent<{ count: number }>(
  'BACKUP_SETTLED_AT_START',
  '{count:backup was,backups were} interrupted by a restart of the site',
);
export const scheduleChanged = defineAuditEvent<{ changes: string }>(
  'BACKUP_SCHEDULE_CHANGED',
  'Changed the schedule of backups: {changes}',
);
export const scheduleNoted = defineAuditEvent('BACKUP_SCHEDULE_NOTED', 'Noted when the schedule of backups was last followed', {
  housekeeping: true,
});
/** Before anything is asked of it: whoever looks about in the network of the appliance is seen. */
export const destinationAsked = defineAuditEvent<{ place: string }>(
  'BACKUP_DESTINATION_ASKED',
  'Had {place} tried as a destination of backups',
);
export const destinationAdded = defineAuditEvent<{ name: string; place: string }>(
  'BACKUP_DESTINATION_ADDED',
  'Added the destination of backups {name}: {place}',
);
export const destinationChanged = defineAuditEvent<{ name: string; place: string }>(
  'BACKUP_DESTINATION_CHANGED',
  'Changed the destination of backups {name}: {place}',
);
export const destinationRemoved = defineAuditEvent<{ name: string }>(
  'BACKUP_DESTINATION_REMOVED',
  'Removed the destination of backups {name}',
);
