import type { WrappedColumn } from './wrapped-column.ts';

/** What a one-time-code secret is bound to. */
export const totpPurpose = (accountId: string) => `totp/${accountId}`;

/** Secrets of accounts that are wrapped. */
export const accountWrappedColumns: WrappedColumn[] = [
  {
    kind: 'second-factor',
    table: 'accounts',
    column: 'totp_secret',
    key: 'id',
    nameSql: 'name',
    purpose: totpPurpose,
    words: (name) => `second factor of ${name}`,
  },
];
