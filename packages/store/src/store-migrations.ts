import type { Migration } from './transaction.ts';

/** The store's own tables that are replicated (versions 1-9). Local ones are made by `schema.ts`. */
export const storeMigrations: Migration[] = [
  {
    version: 1,
    name: 'audit',
    up: `
      CREATE TABLE audit_event (
        id TEXT NOT NULL PRIMARY KEY,
        appliance TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        code TEXT NOT NULL,
        actor_kind TEXT NOT NULL,
        actor_id TEXT,
        actor_name TEXT NOT NULL,
        address TEXT NOT NULL,
        summary TEXT NOT NULL,
        details TEXT NOT NULL,
        previous TEXT NOT NULL,
        hash TEXT NOT NULL
      ) STRICT;
      CREATE UNIQUE INDEX audit_event_by_chain ON audit_event (appliance, epoch, sequence);
      CREATE INDEX audit_event_by_sequence ON audit_event (sequence, epoch, appliance);
      CREATE TABLE audit_head (
        id TEXT NOT NULL PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        statement TEXT NOT NULL,
        signature BLOB NOT NULL
      ) STRICT;`,
  },
  {
    version: 2,
    name: 'audit branches',
    // Events of a history that was discarded: kept beside the one that goes on, which never goes on from them.
    up: `
      CREATE TABLE audit_branch (
        appliance TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        from_sequence INTEGER NOT NULL,
        to_sequence INTEGER NOT NULL,
        head TEXT NOT NULL,
        PRIMARY KEY (appliance, epoch)
      ) STRICT;`,
  },
];
