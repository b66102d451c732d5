/**
 * A site that was restored begins a history of its own, above every epoch that anybody is known to have had (architecture 4, I5): its first statement, and the first entries of its
 * databases, are made before it is put in place, so that it never serves without them (docs/decisions/0291).
 */
import { existsSync, rmSync } from 'node:fs';
import { sitePaths } from '@bascule/core/home.ts';
import type { Log } from '@bascule/log/log.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import { SYSTEM, type Context, type Reader, type Store, type Tx } from '@bascule/store/store.ts';
import { roleChanged } from './failover-events.ts';
import { PairKey } from './pair-key.ts';
import { addRoleChange, NO_PAIR, openPairStore, readValue, writeValue, type PairSelf } from './pair-store.ts';
import { StatementSource } from './statements.ts';

/** Histories that one descends from; older ones are forgotten. */
const ANCESTORS_MAX = 100;

const siteRestored = defineAuditEvent<{ source: string; by: string; history: string; epoch: number }>(
  'SITE_RESTORED',
  'Restored from {source} by {by}: history {history}, epoch {epoch}',
);

const loginsEnded = defineAuditEvent<{ source: string }>(
  'SITE_RESTORED_LOGINS_ENDED',
  'Everybody logs in anew after the restore from {source}',
);

/** Where a site stands. */
export interface HistoryPlaceOfSite {
  history: string;
  epoch: number;
}

/** What is known of the pair and the epoch of the site in `siteDir`, which somebody may have open; undefined when there is none, or it cannot be read. */
export function pairOf(siteDir: string): { self: PairSelf; peer: string | null; ancestors: string[] } | undefined {
  const { pairDatabase } = sitePaths(siteDir);
  if (!existsSync(pairDatabase)) return undefined;
  try {
    using reader = openReader(pairDatabase);
    const peer = readValue(reader, 'peer');
    return {
      self: readValue(reader, 'self') ?? NO_PAIR,
      peer: peer?.state === 'active' ? peer.name : null,
      ancestors: readValue(reader, 'lineage')?.ancestors ?? [],
    };
  } catch {
    return undefined;
  }
}

/** The epoch that the database at `path` was written in; undefined when it cannot be read. */
export function epochOf(path: string): number | undefined {
  if (!existsSync(path)) return undefined;
  try {
    using reader = openReader(path);
    return reader.get<{ epoch: number }>('SELECT epoch FROM writer')?.epoch;
  } catch {
    return undefined;
  }
}

/**
 * Begins a new history in `folder`, a whole site that nobody has open: `folder/pair.db` says it, signed by the site identity in `folder/keys`, and its site.db, migrated, goes on in the
 * new epoch. `more` is written into site.db, and ends the logins that it holds. Harmless when done again: it begins another.
 */
export async function beginHistory(options: {
  folder: string;
  appliance: string;
  by: string;
  source: string;
  /** Every place that is known of; the new epoch is above all of them. */
  known: readonly HistoryPlaceOfSite[];
  /** Opens site.db of `folder` as a follower. */
  openStore(): Store;
  more(tx: Tx): void;
  /** What else is written into site.db, once the logins have ended. */
  after?(store: Store, context: Context): void;
  log: Log;
  now?: () => number;
}): Promise<HistoryPlaceOfSite> {
  const { folder, appliance, by, source, known, log, now = Date.now } = options;
  const paths = sitePaths(folder);
  const before = pairOf(folder);
  const own = { history: before?.self.history ?? '', epoch: Math.max(before?.self.epoch ?? 0, epochOf(paths.database) ?? 1) };
  const all = [...known, own];
  const epoch = Math.max(...all.map((place) => place.epoch)) + 1;
  const history = `his_${crypto.randomUUID()}`;
  const predecessor = all.toSorted((one, other) => other.epoch - one.epoch)[0] ?? own;
  const key = await PairKey.open(paths.keys);
  const statement = await new StatementSource(paths.keys).sign({
    history,
    epoch,
    holder: key.sha256,
    holderName: appliance,
    predecessor,
    atMs: now(),
  });
  const context: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: by } };
  const store = options.openStore();
  try {
    store.promote(context, siteRestored({ source, by, history, epoch }), epoch);
    store.transact(context, loginsEnded({ source }), options.more);
    options.after?.(store, context);
  } finally {
    store.close();
  }
  const ancestors = [...new Set([...(before?.ancestors ?? []), ...all.map((place) => place.history)])].slice(-ANCESTORS_MAX);
  writePair({ path: paths.pairDatabase, self: { ...NO_PAIR, history, epoch, statement }, ancestors, appliance, by, log, now });
  return { history, epoch };
}

function writePair(options: {
  path: string;
  self: PairSelf;
  ancestors: string[];
  appliance: string;
  by: string;
  log: Log;
  now: () => number;
}): void {
  const { path, self, ancestors, appliance, by, log, now } = options;
  const { role, epoch } = self;
  // What a cut left of an earlier try is not a database yet.
  if (existsSync(`${path}-journal`)) for (const suffix of ['', '-journal']) rmSync(path + suffix, { force: true });
  const store = openPairStore({ path, appliance, log, now });
  try {
    store.transact(SYSTEM, roleChanged({ role, epoch, by, reason: 'restored' }), (tx) => {
      writeValue(tx, 'self', self);
      writeValue(tx, 'lineage', { ancestors });
      addRoleChange(tx, { atMs: now(), appliance, role, epoch, by, reason: 'restored', lost: null });
    });
  } finally {
    store.close();
  }
}

/** Histories that this site descends from. */
export function ancestorsIn(reader: Reader): string[] {
  return readValue(reader, 'lineage')?.ancestors ?? [];
}
