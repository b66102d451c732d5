import type { Migration } from '@bascule/store/store.ts';

/** Tables of the trust domain in site.db; versions 98-99. */
export const trustMigrations: Migration[] = [
  {
    version: 98,
    name: 'trust',
    up: `
      CREATE TABLE trust_restored (
        id TEXT PRIMARY KEY NOT NULL,
        since_ms INTEGER NOT NULL,
        clients INTEGER NOT NULL,
        noticed_at_ms INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE trust_identities (
        fingerprint_sha256 TEXT PRIMARY KEY NOT NULL,
        since_ms INTEGER NOT NULL
      ) STRICT;
    `,
  },
];
