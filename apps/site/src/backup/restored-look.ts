/** What is in a backup, and what restoring it here would mean, for the person who decides. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyRing } from '@bascule/accounts/key-ring.ts';
import { sitePaths } from '@bascule/core/home.ts';
import type { BackupManifest } from '@bascule/backup-format/backup-manifest.ts';
import { unpackedBytes } from '@bascule/backup-format/backup-manifest.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BackupPart } from '@bascule/protocol/api/backup.ts';
import type { Inspected, RestoreOrder } from '@bascule/protocol/restore-program.ts';
import { pairOf } from '../failover/failover.ts';
import { openReader } from '@bascule/store/received-copy.ts';
import type { Reader } from '@bascule/store/store.ts';
import { checkSiteStore, openSiteStore } from '../site-store.ts';
import { wrappedColumns } from '../wrapped-columns.ts';
import { endedIn, shownOf } from './restored-ended.ts';
import { factsHere, readFacts } from './restored-facts.ts';
import { chooseKeys, copyKeys, identityIn, takeKeysHere, type KeyChoice } from './restored-keys.ts';
import { checkDatabase, unpackHead } from './restored-unpack.ts';

type Parts = Inspected['parts'];
const SETTINGS_FILE = join('box', 'settings.json');

/** Does the order `inspect`. Nothing outside of `scratch` is changed. Throws as `unpackHead` and `checkDatabase`. */
export async function look(
  order: Extract<RestoreOrder, { kind: 'inspect' }>,
  log: Log,
  onProgress: (done: number, total: number) => void,
): Promise<Inspected> {
  const { file, password, siteDir, scratch } = order;
  const paths = sitePaths(scratch);
  const { manifest, wasEncrypted, mark } = await unpackHead({ file, password }, scratch, onProgress);
  await checkDatabase(scratch);
  const { pending } = checkSiteStore(paths.database, log);
  const facts = readFacts(paths.database);
  const here = factsHere(siteDir);
  const hereKeys = sitePaths(siteDir).keys;
  const backupIdentity = identityIn(paths.keys);
  const choice = chooseKeys({
    here: identityIn(hereKeys),
    backup: backupIdentity,
    known: [...facts.identities, ...(manifest.identitySha256 === null ? [] : [manifest.identitySha256])],
  });
  const settings = join(scratch, SETTINGS_FILE);
  const pair = pairOf(siteDir);
  // Migrates the copy, too.
  const vaultKey = vaultKeyOf(scratch, hereKeys, choice, order, log);
  using migrated = openReader(paths.database);
  return {
    id: manifest.id,
    mark,
    appliance: manifest.appliance,
    siteVersion: manifest.siteVersion,
    basePackage: manifest.basePackage,
    madeAtMs: manifest.madeAtMs,
    history: manifest.history,
    epoch: manifest.epoch,
    schema: manifest.schema,
    hasPassword: wasEncrypted,
    parts: partsOf(manifest, choice, backupIdentity !== undefined),
    unpackedBytes: unpackedBytes(manifest),
    migrations: pending,
    isSameSite: choice.isSameSite,
    replaced:
      here === undefined
        ? null
        : { users: here.users, clients: here.clients, sessions: here.sessions, newestChangeAtMs: here.newestChangeAtMs },
    contents: { users: facts.users, clients: facts.clients, sessions: facts.sessions },
    lostClients: choice.from === 'new' ? facts.clientNames : { count: 0, names: [] },
    loginAdministrators: facts.administrators,
    loginUsers: facts.users,
    vaultKey,
    ended: shownOf(endedIn(migrated, siteDir, choice.isSameSite)),
    // No longer than base takes: the reader refuses such a one.
    boxSettings: existsSync(settings) ? await readFile(settings, 'utf8') : null,
    pair: pair === undefined ? null : { role: pair.self.role, peer: pair.peer ?? '' },
  };
}

function partsOf(manifest: BackupManifest, { from, isSameSite }: KeyChoice, hasIdentity: boolean): Parts {
  const of = (name: BackupPart) => manifest.parts.find(({ part }) => part === name) ?? { bytes: 0, members: 0 };
  const kept = isSameSite ? ('kept' as const) : ('absent' as const);
  const part = (
    part: Parts[number]['part'],
    name: BackupPart,
    isIncluded: boolean,
    outcome: Parts[number]['outcome'],
  ): Parts[number] => {
    const { bytes, members } = isIncluded ? of(name) : { bytes: 0, members: 0 };
    return { part, isIncluded, bytes, count: members, outcome };
  };
  const { history, files, recordings, boxSettings } = manifest.includes;
  const united = isSameSite ? ('united' as const) : ('replaced' as const);
  return [
    part('configuration', 'state', true, 'replaced'),
    { part: 'history', isIncluded: history, bytes: 0, count: 0, outcome: history ? 'replaced' : 'absent' },
    part('site-identity', 'identity', hasIdentity, from === 'backup' ? 'replaced' : from === 'here' ? 'kept' : 'made-anew'),
    part('files', 'files', files, files ? united : kept),
    part('recordings', 'recordings', recordings, recordings ? united : kept),
    part('box-settings', 'box-settings', boxSettings, boxSettings ? 'optional' : 'kept'),
  ];
}

/** Of all columns with wrapped secrets. */
function countSecrets(reader: Reader, ring: KeyRing): { count: number; unreadable: number } {
  const found = { count: 0, unreadable: 0 };
  for (const { table, key, column, purpose } of wrappedColumns) {
    const sql = `SELECT CAST(${key} AS TEXT) AS key, ${column} AS wrapped FROM ${table} WHERE ${column} IS NOT NULL`;
    for (const row of reader.iterate<{ key: string; wrapped: Uint8Array }>(sql)) {
      found.count += 1;
      if (ring.open(row.wrapped, purpose(row.key)) === undefined) found.unreadable += 1;
    }
  }
  return found;
}

/** Whether the keys that the restored site would have open what its database holds. */
function vaultKeyOf(
  scratch: string,
  hereKeys: string,
  choice: KeyChoice,
  { siteDir }: { siteDir: string },
  log: Log,
): Inspected['vaultKey'] {
  const paths = sitePaths(scratch);
  // Of what is here a copy: opening a ring may mend its files.
  const looked = join(scratch, 'looked-at');
  copyKeys(paths.keys, looked);
  takeKeysHere(hereKeys, looked, choice);
  const store = openSiteStore({ path: paths.database, appliance: siteDir, log });
  try {
    const ring = KeyRing.open(join(looked, 'site.key'));
    const { count, unreadable } = countSecrets(store, ring);
    if (count === 0) return { state: 'not-needed', secrets: 0 };
    return { state: unreadable === 0 ? 'here' : 'missing', secrets: unreadable };
  } finally {
    store.close();
  }
}
