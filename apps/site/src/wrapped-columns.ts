import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';
import { backupWrappedColumns } from './backup/backup.ts';
import { accountWrappedColumns } from './identity/identity.ts';
import { installersWrappedColumns } from './installers/installers.ts';
import { mailWrappedColumns } from './mail/mail.ts';

/** Every column of site.db with secrets that the vault key wraps: a rotation re-wraps them all, and what is missing here would be lost with it (docs/decisions/0301). */
export const wrappedColumns: WrappedColumn[] = [
  ...accountWrappedColumns,
  ...mailWrappedColumns,
  ...installersWrappedColumns,
  ...backupWrappedColumns,
];
