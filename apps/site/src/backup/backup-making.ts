/** From a wish to a record that says how the backup is: what the program is told, and what its words mean for the record. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BackupInclude, BackupLeftOut, BackupRecord } from '@bascule/protocol/api/backup.ts';
import type { SiteStart } from '@bascule/protocol/base-site.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import type { Destinations } from './backup-destinations.ts';
import { failed, restorable, withoutBoxSettings, written } from './backup-events.ts';
import type { BackupWord, MakeOrder } from './backup-order.ts';
import type { BackupRun } from './backup-runs.ts';
import { readBackup, readBackups, writeBackup, type KeptBackup } from './backup-store.ts';

/** Names of attempts that failed lately, of which a part may lie about. */
const STALE_MAX = 20;

/** Where everything is that goes into a backup. */
export interface BackupSource {
  appliance: string;
  siteVersion: string;
  database: string;
  keysDir: string;
  fileStoreDir: string;
  recordingsDir: string;
  siteDir: string;
  /** The data directory. */
  home: string;
  backupsDir: string;
  /** Scratch of backups, within the site's folder. */
  workDir: string;
  /** How the site's program is started, for a trial. */
  trial: SiteStart;
  history(): string;
  identitySha256(): string | null;
  /** Ids of the vault keys that something is wrapped with. */
  vaultKeys(): string[];
  /** Settings of the box, as JSON of base. */
  boxSettings(withSecrets: boolean): Promise<string>;
}

export interface BackupMakingOptions {
  store: Store;
  source: BackupSource;
  destinations: Destinations;
  log: Log;
  now(): number;
  finished(backup: KeptBackup): Promise<void>;
}

export class BackupMaking {
  readonly #options: BackupMakingOptions;

  constructor(options: BackupMakingOptions) {
    this.#options = options;
  }

  newBackup(
    id: string,
    { include, destination, password }: { include: BackupInclude; destination: string; password?: string | undefined },
    { reason, by }: { reason: BackupRecord['reason']; by: string },
  ): KeptBackup {
    const { source, destinations, now } = this.#options;
    const isEncrypted = password !== undefined;
    return {
      id,
      state: 'making',
      problem: null,
      madeAtMs: now(),
      madeBy: by,
      reason,
      appliance: source.appliance,
      siteVersion: source.siteVersion,
      destination,
      destinationName: destinations.nameOf(destination),
      fileName: fileNameOf(id, now(), isEncrypted),
      bytes: null,
      sha256: null,
      isEncrypted,
      include,
      parts: [],
      leftOut: leftOutOf(include, isEncrypted),
      checkedAtMs: null,
      checkMs: null,
      auditSequence: null,
    };
  }

  makeRun(id: string, password: string | undefined): BackupRun {
    return {
      id,
      order: async () => {
        const backup = this.#kept(id);
        const { settings, problem } = await this.#boxSettings(backup);
        const leftOut: BackupLeftOut[] =
          problem === undefined
            ? backup.leftOut
            : [...backup.leftOut, { what: 'box-settings', why: 'not-available', detail: problem }];
        if (problem !== undefined) this.#write({ ...backup, leftOut }, problem);
        return this.#makeOrder({ ...backup, leftOut }, password, settings);
      },
      said: (word) => this.#said(id, word),
      ended: (error) => this.#ended(id, error),
    };
  }

  checkRun(backup: KeptBackup, password: string | undefined): BackupRun {
    return {
      id: backup.id,
      order: () => Promise.resolve({ kind: 'check', ...this.#checking(backup, password), sha256: backup.sha256 }),
      said: (word) => this.#said(backup.id, word),
      ended: (error) => this.#ended(backup.id, error),
    };
  }

  #makeOrder(backup: KeptBackup, password: string | undefined, boxSettings: string | undefined): MakeOrder {
    const { store, source } = this.#options;
    const stale = readBackups(store).filter(
      ({ id, state, sha256, destination, appliance }) =>
        id !== backup.id &&
        state === 'failed' &&
        sha256 === null &&
        destination === backup.destination &&
        appliance === source.appliance,
    );
    return {
      kind: 'make',
      ...this.#checking(backup, password),
      ...orderOf(source),
      include: backup.include,
      ...(boxSettings !== undefined && { boxSettings }),
      madeAtMs: backup.madeAtMs,
      leftOut: backup.leftOut,
      staleNames: stale.slice(0, STALE_MAX).map(({ fileName }) => fileName),
    };
  }

  #checking({ id, destination, fileName }: KeptBackup, password: string | undefined) {
    const { source, destinations } = this.#options;
    return {
      id,
      place: destinations.open(destination),
      fileName,
      ...(password !== undefined && { password }),
      workDir: join(source.workDir, id),
      trial: source.trial,
    };
  }

  async #boxSettings({ include, isEncrypted }: KeptBackup): Promise<{ settings?: string; problem?: string }> {
    if (!include.boxSettings) return {};
    try {
      return { settings: await this.#options.source.boxSettings(isEncrypted) };
    } catch (error) {
      this.#options.log.warn({ err: error }, 'backup.without-box-settings');
      return { problem: error instanceof AppError ? error.message : 'The base software gave no settings.' };
    }
  }

  #said(id: string, word: BackupWord): void {
    const { store, now } = this.#options;
    const backup = this.#kept(id);
    if (word.kind === 'written') {
      const { bytes, sha256, parts, auditSequence } = word;
      const after: KeptBackup = { ...backup, state: 'checking', bytes, sha256, parts, auditSequence };
      store.transact(SYSTEM, written({ id, file: backup.fileName, bytes, sha256 }), (tx) => writeBackup(tx, after));
    } else if (word.kind === 'restorable') {
      const after: KeptBackup = { ...backup, state: 'restorable', problem: null, checkedAtMs: now(), checkMs: word.ms };
      store.transact(SYSTEM, restorable({ id, seconds: Math.ceil(word.ms / 1000) }), (tx) => writeBackup(tx, after));
    }
  }

  async #ended(id: string, error: unknown): Promise<void> {
    const { store, log, finished, now } = this.#options;
    const backup = this.#kept(id);
    await rm(join(this.#options.source.workDir, id), { recursive: true, force: true });
    if (error === undefined) return await finished(backup);
    const known = error instanceof AppError ? error : undefined;
    if (known === undefined) log.error({ err: error, backup: id }, 'backup.failed');
    const problem = {
      code: known?.code ?? 'BACKUP_FAILED',
      message: known?.message ?? 'It failed; the log of the site says more.',
    };
    const checkedAtMs = backup.sha256 === null ? null : now();
    const after: KeptBackup = { ...backup, state: 'failed', problem, checkedAtMs };
    store.transact(SYSTEM, failed({ id, code: problem.code, reason: problem.message }), (tx) => writeBackup(tx, after));
    await finished(after);
  }

  #write(backup: KeptBackup, reason: string): void {
    this.#options.store.transact(SYSTEM, withoutBoxSettings({ id: backup.id, reason }), (tx) => writeBackup(tx, backup));
  }

  #kept(id: string): KeptBackup {
    const backup = readBackup(this.#options.store, id);
    if (backup === undefined) throw new Error(`the record of the backup ${id} is gone`);
    return backup;
  }
}

/** What the order to make a backup says of the site. */
export function orderOf(
  source: BackupSource,
): Pick<MakeOrder, 'database' | 'keysDir' | 'fileStoreDir' | 'recordingsDir' | 'manifest'> {
  const { database, keysDir, fileStoreDir, recordingsDir, trial } = source;
  return {
    database,
    keysDir,
    fileStoreDir,
    recordingsDir,
    manifest: {
      appliance: source.appliance,
      publicHost: trial.publicHost,
      siteVersion: source.siteVersion,
      basePackage: trial.basePackage ?? null,
      history: source.history(),
      identitySha256: source.identitySha256(),
      vaultKeys: source.vaultKeys(),
    },
  };
}

/** `20261121T225330Z-95c8e5bfa1d2.bascule-backup.age`: in the order of time, without the appliance's name, safe everywhere. */
export function fileNameOf(id: string, atMs: number, isEncrypted: boolean): string {
  const time = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${id.slice(-12)}.bascule-backup${isEncrypted ? '.age' : ''}`;
}

/** What is not in a backup, and why. */
export function leftOutOf(include: BackupInclude, isEncrypted: boolean): BackupLeftOut[] {
  const chosen: [boolean, BackupLeftOut['what']][] = [
    [include.history, 'history'],
    [include.files, 'files'],
    [include.recordings, 'recordings'],
    [include.boxSettings, 'box-settings'],
  ];
  const out: BackupLeftOut[] = chosen.filter(([isIn]) => !isIn).map(([, what]) => ({ what, why: 'not-chosen' }));
  if (!isEncrypted) {
    out.push({ what: 'identity', why: 'no-password' });
    if (include.boxSettings) out.push({ what: 'box-secrets', why: 'no-password' });
  }
  return [...out, { what: 'vault-key', why: 'never' }];
}
