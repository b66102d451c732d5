import type { Migration } from '@bascule/store/store.ts';

/** Tables of the backup domain in site.db; versions 130-134. */
export const backupMigrations: Migration[] = [
  {
    version: 130,
    name: 'backup',
    up: `
      CREATE TABLE backups (
        id TEXT PRIMARY KEY NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        appliance TEXT NOT NULL,
        destination TEXT NOT NULL,
        file_name TEXT NOT NULL,
        made_at_ms INTEGER NOT NULL,
        audit_sequence INTEGER,
        record TEXT NOT NULL
      ) STRICT;
      CREATE TABLE backup_destinations (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        place TEXT NOT NULL,
        secret BLOB
      ) STRICT;
      CREATE TABLE backup_schedule (
        one INTEGER PRIMARY KEY NOT NULL,
        settings TEXT NOT NULL,
        password BLOB,
        followed_at_ms INTEGER NOT NULL,
        told_due_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
