import type { Migration } from '@bascule/store/store.ts';

/** Settings, queue and failures of mail; versions 60-64 of box.db, site.db and the update server's database. */
export const mailMigrations: Migration[] = [
  {
    version: 60,
    name: 'mail',
    up: `
      CREATE TABLE mail_settings (
        one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
        settings TEXT NOT NULL,
        password BLOB,
        last_sent_at_ms INTEGER,
        last_sent_subject TEXT
      ) STRICT;
      CREATE TABLE mail_message (
        id TEXT NOT NULL PRIMARY KEY,
        recipient TEXT NOT NULL,
        subject TEXT NOT NULL,
        text TEXT NOT NULL,
        queued_at_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        next_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE INDEX mail_message_next ON mail_message (next_at_ms);
      CREATE TABLE mail_failure (
        recipient TEXT NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        subject TEXT NOT NULL,
        message TEXT NOT NULL,
        attempts INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
