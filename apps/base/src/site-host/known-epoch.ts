import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Log } from '@bascule/log/log.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { Connection } from '@bascule/store/connection.ts';
import { SYSTEM, type Migration, type Reader, type Store } from '@bascule/store/store.ts';

/** What main says of its pair, on each change and each second. */
export type PairState = Extract<FromSite, { kind: 'pair-state' }>;

const epochRow = z.object({ history: z.string(), epoch: z.number().int().nonnegative() });
/** The highest epoch that this box has ever known, and of which history it was. */
export type Known = z.infer<typeof epochRow>;

const epochNoted = defineAuditEvent<Known>(
  'KNOWN_EPOCH_NOTED',
  'Highest epoch known to this appliance: {epoch} of history {history}',
  {
    housekeeping: true,
  },
);

/** In box.db; version 66. */
export const siteHostMigrations: Migration[] = [
  {
    version: 66,
    name: 'known-epoch',
    up: `
      CREATE TABLE known_epoch (
        one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1),
        history TEXT NOT NULL,
        epoch INTEGER NOT NULL
      ) STRICT;
    `,
  },
];

/**
 * The highest epoch of the site that this box has known, in box.db, which no backup of the site holds: a site that comes with a lower one was restored, or rolled
 * back with its disk (I5). It only rises; but a box that becomes the backup of another site takes on that one's, which a person has decided.
 */
export class KnownEpoch {
  readonly #store: Store;
  readonly #log: Log;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** Undefined: no main has ever said one. */
  get(): Known | undefined {
    return knownIn(this.#store);
  }

  /** Notes what main says, when it is news. */
  note({ role, history, epoch }: Pick<PairState, 'role' | 'history' | 'epoch'>): void {
    const known = this.get();
    if (known !== undefined) {
      const isOtherSite = role === 'backup' && known.history !== history;
      // An appliance by itself names no history; it gets one with its first relationship.
      const isNamed = known.history === '' && history !== '' && epoch === known.epoch;
      if (!isOtherSite && !isNamed && epoch <= known.epoch) return;
    }
    try {
      this.#store.transact(SYSTEM, epochNoted({ history, epoch }), (tx) =>
        tx.run(
          'INSERT INTO known_epoch (one, history, epoch) VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET history = excluded.history, epoch = excluded.epoch',
          history,
          epoch,
        ),
      );
    } catch (error) {
      // A full disk: main says it again in a second.
      this.#log.warn({ err: error }, 'known-epoch.not-noted');
    }
  }
}

/** For a base that is a candidate, which opens box.db for reading alone. Undefined also when it cannot be read: base says why when it starts. */
export function readKnownEpoch(boxDatabase: string, log: Log): Known | undefined {
  if (!existsSync(boxDatabase)) return undefined;
  let connection: Connection | undefined;
  try {
    connection = new Connection(boxDatabase, log, 'read');
    const hasTable = connection.get("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'known_epoch'") !== undefined;
    return hasTable ? knownIn(connection) : undefined;
  } catch (error) {
    log.warn({ err: error }, 'known-epoch.not-read');
    return undefined;
  } finally {
    connection?.close();
  }
}

function knownIn(reader: Reader): Known | undefined {
  const row = reader.get('SELECT history, epoch FROM known_epoch');
  return row === undefined ? undefined : epochRow.parse(row);
}
