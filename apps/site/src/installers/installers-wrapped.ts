import type { WrappedColumn } from '@bascule/accounts/wrapped-column.ts';

/** What the key of an installer is bound to. */
export const installerKeyPurpose = (id: string) => `installer-key ${id}`;

/** Secrets of installers that are wrapped. */
export const installersWrappedColumns: WrappedColumn[] = [
  {
    kind: 'installer-key',
    table: 'installers',
    column: 'wrapped_key',
    key: 'id',
    nameSql: 'name',
    purpose: installerKeyPurpose,
    words: (name) => `key of the installer ${name}`,
  },
];
