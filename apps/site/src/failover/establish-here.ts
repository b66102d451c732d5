/** What establishing does to this appliance: the primary's half and the backup's (B142-B156; docs/decisions/0203). */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { SiteKeys } from '@bascule/protocol/pair-establish.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import { SYSTEM, type Context, type Tx } from '@bascule/store/store.ts';
import type { Established, EstablishingOptions } from './establish.ts';
import { relationshipEstablished } from './failover-events.ts';
import { faultPoint, faultPointNow } from './fault-points.ts';
import { archiveKeys } from './key-archive.ts';
import { FolderSizes, sizeOf } from './folder-size.ts';
import type { Pair } from './pair.ts';
import { addArchive, writeValue, type PeerRecord } from './pair-store.ts';
import { sideOf } from './pair-figures.ts';
import { writeSiteKeys } from './sealed-keys.ts';
import { ownStatement } from './statements.ts';

/** The options of `Establishing` for this appliance. */
export function establishingOptions(pair: Pair): EstablishingOptions {
  const { config, records, key, log, now } = pair.parts;
  const sizes = new FolderSizes();
  return {
    key,
    store: records.store,
    keysDir: config.paths.keys,
    preSharedKey: pair.preSharedKey,
    facts: () => factsOf(pair, sizes),
    certificate: pair.options.certificate,
    bytesPerSecond: () => records.settings.bytesPerSecond,
    commit: (established, context, note) => becomePrimaryOf(pair, established, context, note),
    statement: () => records.self.statement,
    adopt: (keys, established, note) => becomeBackupOf(pair, keys, established, note),
    log,
    now,
    onStep: (step) => faultPoint(`establish/${step}`),
  };
}

async function becomePrimaryOf(pair: Pair, established: Established, context: Context, note: (tx: Tx) => void): Promise<void> {
  const { records, database, statements, key, config, now } = pair.parts;
  const peer = peerOf(established, now());
  if (records.isActive && records.peer?.keySha256 === peer.keySha256 && records.self.role === 'primary') {
    records.store.transact(context, relationshipEstablished({ peer: peer.name, role: 'primary' }), note);
    return;
  }
  const epoch = Math.max(database.store?.head().epoch ?? 1, 1);
  const own = ownStatement(records.self.statement);
  const isOurs = own?.holder === key.sha256 && own.epoch === epoch && own.history === records.self.history;
  const history = records.self.history === '' ? `his_${randomUUID()}` : records.self.history;
  const holder = { holder: key.sha256, holderName: config.applianceName };
  const statement =
    isOurs && records.self.statement !== null
      ? records.self.statement
      : await statements.sign({ history, epoch, ...holder, predecessor: null, atMs: now() });
  const step = { by: established.by, reason: 'established' };
  const next = { role: 'primary', history, epoch, statement, readOnly: null } as const;
  records.become(context, relationshipEstablished({ peer: peer.name, role: 'primary' }), next, step, (tx) => {
    records.setPeer(tx, peer);
    writeValue(tx, 'settings', { ...records.settings, mode: established.mode });
    note(tx);
  });
  pair.parts.gate.reset();
  pair.parts.watch.meet();
}

async function becomeBackupOf(
  pair: Pair,
  keys: SiteKeys,
  established: Established & { statement: SignedStatement | null },
  note: (tx: Tx) => void,
): Promise<void> {
  const { records, database, accounts, config, sink, serving, source, gate, watch, now } = pair.parts;
  const { statement } = established;
  const content = ownStatement(statement);
  if (content === undefined)
    throw new AppError('conflict', 'PAIR_STATEMENT_WRONG', 'The primary came without a signed statement.');
  await sink.stop();
  // Whoever watches this page stays logged in until the primary's accounts are here.
  if (database.store !== undefined) accounts.copy(database.store);
  await serving.stop();
  database.close();
  source.close();
  gate.reset();
  const folder = archiveSite(pair, established.id);
  faultPointNow('establish/archived');
  writeSiteKeys(config.paths.keys, keys);
  faultPointNow('establish/keys-written');
  const bytes = await sizeOf(folder);
  const peer = peerOf(established, now());
  const step = { by: established.by, reason: 'established' };
  const next = {
    role: 'backup',
    history: content.history,
    epoch: content.epoch,
    statement,
    pendingEpoch: null,
    readOnly: null,
  } as const;
  records.become(SYSTEM, relationshipEstablished({ peer: peer.name, role: 'backup' }), next, step, (tx) => {
    records.setPeer(tx, peer);
    writeValue(tx, 'settings', { ...records.settings, mode: established.mode });
    addArchive(tx, { id: established.id, atMs: now(), reason: 'replaced', folder, bytes, changes: 0 });
    note(tx);
  });
  faultPointNow('establish/backup-noted');
  watch.meet();
  await serving.start();
  pair.start();
}

/** Moves what this appliance had as a site into the archive; keys are copied, so that a cut in the middle leaves a site that opens. Done again after a cut, it goes on. */
function archiveSite(pair: Pair, id: string): string {
  const { paths } = pair.parts.config;
  const folder = join(paths.archive, `${id}-replaced`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  archiveKeys(paths.keys, join(folder, 'keys'));
  for (const suffix of ['', '-wal', '-shm']) move(paths.database + suffix, join(folder, `site.db${suffix}`));
  for (const each of [paths.recordings, paths.files]) {
    move(each, join(folder, basename(each)));
    mkdirSync(each, { recursive: true, mode: 0o700 });
  }
  syncFolderSync(folder);
  syncFolderSync(paths.archive);
  syncFolderSync(paths.site);
  return folder;
}

/** What is there already was moved before a cut. */
function move(from: string, to: string): void {
  if (!existsSync(from) || existsSync(to)) return;
  renameSync(from, to);
}

function peerOf({ peer, own, by }: Established, sinceMs: number): PeerRecord {
  const { name, keySha256, endpoint } = peer;
  return { state: 'active', name, keySha256, endpoint, ownEndpoint: own, sinceMs, by };
}

async function factsOf(pair: Pair, sizes: FolderSizes): Promise<Awaited<ReturnType<EstablishingOptions['facts']>>> {
  const { config, records, database } = pair.parts;
  const { paths } = config;
  const side = sideOf(pair);
  const { peer } = records;
  const count = (table: string) => database.store?.get<{ count: number }>(`SELECT count(*) AS count FROM ${table}`)?.count ?? 0;
  return {
    appliance: config.applianceName,
    version: config.version,
    packages: { base: config.basePackage ?? null, site: packageOf(config.softwareDir, config.version) },
    schema: side.schema,
    knownSchema: pair.options.knownMigrations.length,
    role: side.role,
    relationship: peer?.state === 'active' ? { keySha256: peer.keySha256, appliance: peer.name } : null,
    freeBytes: side.freeBytes,
    sharedName: { host: config.publicHost, port: config.publicPort },
    stored: {
      users: count('accounts'),
      jumpItems: count('jump_clients'),
      sessions: count('access_sessions'),
      databaseBytes: database.store?.fileBytes ?? 0,
      recordingBytes: await sizes.of(paths.recordings),
      fileBytes: await sizes.of(paths.files),
    },
  };
}

/** The folder of an installed version is named by version and hash; a checkout's is not. */
function packageOf(softwareDir: string, version: string): string {
  const name = basename(softwareDir);
  return name.startsWith(version) ? name : version;
}
