import type { Migration } from '@bascule/store/store.ts';

/** The settings of the site; versions 40-49. */
export const settingsMigrations: Migration[] = [
  {
    version: 40,
    name: 'settings',
    up: `
      CREATE TABLE settings (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
      ) STRICT;
    `,
  },
];
