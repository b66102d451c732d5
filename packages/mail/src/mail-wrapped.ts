import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';

/** What the password of the mail server is bound to. */
export const MAIL_PASSWORD_PURPOSE = 'mail-password';

/** Secrets of mail that are wrapped. */
export const mailWrappedColumns: WrappedColumn[] = [
  {
    kind: 'mail-password',
    table: 'mail_settings',
    column: 'password',
    key: 'CAST(one AS TEXT)',
    nameSql: `coalesce(json_extract(settings, '$.host'), '')`,
    purpose: () => MAIL_PASSWORD_PURPOSE,
    words: (name) => `password of the mail server ${name}`.trim(),
  },
];
