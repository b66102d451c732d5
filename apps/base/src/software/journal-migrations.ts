import type { Migration } from '@bascule/store/store.ts';

/** Tables of the engine (versions 50-54). Only columns and tables are ever added: a base of the version before reads them too. */
export const engineMigrations: Migration[] = [
  {
    version: 50,
    name: 'installations',
    up: `
      CREATE TABLE installation (
        id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        operation TEXT NOT NULL,
        from_version TEXT,
        to_version TEXT NOT NULL,
        revision TEXT NOT NULL,
        started_by TEXT NOT NULL,
        started_at_ms INTEGER NOT NULL,
        ended_at_ms INTEGER,
        outcome TEXT NOT NULL,
        step TEXT NOT NULL,
        cancel_requested_by TEXT,
        acknowledged_by TEXT,
        cause TEXT,
        preflight TEXT NOT NULL,
        verification TEXT NOT NULL,
        details TEXT NOT NULL
      ) STRICT;
      CREATE INDEX installation_by_start ON installation (started_at_ms);
      CREATE TABLE installation_step (
        installation TEXT NOT NULL REFERENCES installation (id) ON DELETE CASCADE,
        step TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at_ms INTEGER,
        ended_at_ms INTEGER,
        PRIMARY KEY (installation, step)
      ) STRICT;
      CREATE TABLE licence_package (
        holder TEXT NOT NULL PRIMARY KEY,
        version TEXT NOT NULL,
        revision TEXT NOT NULL,
        terms TEXT NOT NULL,
        installed_at_ms INTEGER NOT NULL
      ) STRICT;`,
  },
];
