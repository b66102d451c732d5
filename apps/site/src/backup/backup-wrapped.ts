import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';

/** What the password of scheduled backups is bound to. */
export const SCHEDULE_PASSWORD_PURPOSE = 'backup-schedule-password';

/** What the password or key of a destination is bound to. */
export function destinationPurpose(id: string): string {
  return `backup-destination:${id}`;
}

/** Secrets of backups that the vault key wraps. */
export const backupWrappedColumns: WrappedColumn[] = [
  {
    kind: 'backup-password',
    table: 'backup_schedule',
    column: 'password',
    key: 'CAST(one AS TEXT)',
    nameSql: `''`,
    purpose: () => SCHEDULE_PASSWORD_PURPOSE,
    words: () => 'password of scheduled backups',
  },
  {
    kind: 'backup-destination',
    table: 'backup_destinations',
    column: 'secret',
    key: 'id',
    nameSql: 'name',
    purpose: destinationPurpose,
    words: (name) => `password or key of the backup destination ${name}`,
  },
];
