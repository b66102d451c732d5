import type { Migration } from '@bascule/store/store.ts';

/** Syslog servers, in box.db; version 121. */
export const syslogMigrations: Migration[] = [
  {
    version: 121,
    name: 'syslog',
    up: `
      CREATE TABLE syslog_destinations (
        id TEXT PRIMARY KEY NOT NULL,
        place INTEGER NOT NULL,
        settings TEXT NOT NULL,
        wrapped_key BLOB
      ) STRICT;
    `,
  },
];
