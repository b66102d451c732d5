/** Backups of the site (B40, B184-B191): made, kept, restored on trial, by hand and by themselves. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { newId } from '@bascule/core/ids.ts';
import { removeTree } from '@bascule/core/remove-tree.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import {
  HERE,
  type backupChanges,
  type BackupInclude,
  type backups,
  type backupSizes,
  type BackupRecord,
} from '@bascule/protocol/api/backup.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { Destinations } from './backup-destinations.ts';
import { checkInclude, interrupted, notHere } from './backup-errors.ts';
import { begun, cancelledBy, checkBegun, deleted, downloaded, expired, settled } from './backup-events.ts';
import { BackupMaking, type BackupSource } from './backup-making.ts';
import { openBackupPlace } from './backup-place.ts';
import { expiredBackups } from './backup-retention.ts';
import { BackupRoom } from './backup-room.ts';
import { UPGRADE_INCLUDE, type UpgradeBackupMaker } from './backup-standby.ts';
import { BackupRuns } from './backup-runs.ts';
import { Schedule } from './backup-schedule.ts';
import {
  changesAfter,
  readBackup,
  readBackups,
  readSchedule,
  removeBackup,
  writeBackup,
  type KeptBackup,
} from './backup-store.ts';
import { PART_SUFFIX } from './place-parts.ts';

export { backupMigrations } from './backup-migrations.ts';
export { backupRoutes } from './backup-routes.ts';
export { backupWrappedColumns } from './backup-wrapped.ts';
export { BoxSettingsQuestion } from './backup-box-settings.ts';
export { StandbyBackups, UpgradeBackups } from './backup-standby.ts';
export type { BackupSource } from './backup-making.ts';

/** Changes that one answer names. */
const CHANGES_SHOWN = 100;
/** Rows that are no backups of ours are named in the log up to this number. */
const UNFIT_NAMED = 20;
/** Whoever asked for an upgrade, in the place of a person. */
const UPGRADE = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'upgrade' } };

export interface BackupsOptions {
  store: Store;
  source: BackupSource;
  keyWrap: KeyWrap;
  mail: Pick<Mailer, 'tell'>;
  page(): string;
  changed(): void;
  log: Log;
  now(): number;
  /** For tests: room that stays free, and a step at which the program ends. */
  reserveBytes?: number;
  environment?: NodeJS.ProcessEnv;
}

export interface MakeRequest {
  include: BackupInclude;
  destination: string;
  password?: string | undefined;
  upgradeKey?: string | undefined;
}

export class Backups implements UpgradeBackupMaker {
  readonly destinations: Destinations;
  readonly schedule: Schedule;
  readonly #options: BackupsOptions;
  readonly #runs: BackupRuns;
  readonly #room: BackupRoom;
  readonly #making: BackupMaking;

  constructor(options: BackupsOptions) {
    const { store, source, keyWrap, mail, log, now } = options;
    this.#options = options;
    this.destinations = new Destinations({ store, keyWrap, backupsDir: source.backupsDir, home: source.home });
    this.schedule = new Schedule({
      store,
      keyWrap,
      mail,
      page: options.page,
      log,
      now,
      make: async ({ include, destination }, password) => {
        const actor = { ...SYSTEM.actor, name: 'schedule' };
        await this.#begin({ ...SYSTEM, actor }, { include, destination, password }, 'schedule');
      },
    });
    this.#runs = new BackupRuns({
      log,
      changed: options.changed,
      now,
      ...(options.environment && { environment: options.environment }),
    });
    this.#room = new BackupRoom({
      measure: {
        kind: 'measure',
        database: source.database,
        fileStoreDir: source.fileStoreDir,
        recordingsDir: source.recordingsDir,
      },
      backupsDir: source.backupsDir,
      siteDir: source.siteDir,
      log,
      ...(options.reserveBytes !== undefined && { reserveBytes: options.reserveBytes }),
    });
    this.#making = new BackupMaking({
      store,
      source,
      destinations: this.destinations,
      log,
      now,
      finished: (backup) => this.#finished(backup),
    });
  }

  /** Settles what an earlier start left, and follows the schedule from now on. */
  start(): void {
    mkdirSync(this.#options.source.backupsDir, { recursive: true, mode: 0o700 });
    this.#settle();
    void this.#sweep();
    this.schedule.start();
  }

  async close(): Promise<void> {
    this.schedule.close();
    await this.#runs.close();
  }

  list(): z.infer<typeof backups> {
    const { store } = this.#options;
    return {
      backups: readBackups(store).map((backup) => this.#shown(backup)),
      running: this.#runs.progress,
      last: this.#last(),
      schedule: { isOn: this.schedule.settings().isOn, nextAtMs: this.schedule.nextAtMs(), problem: this.schedule.problem() },
    };
  }

  /** Throws the 404 of what is missing. */
  get(id: string): BackupRecord {
    return this.#shown(this.#needed(id));
  }

  /** For the preflight of an installation (B40): the last backup that is known to be restorable. */
  last(): { atMs: number; changesSince: number } | null {
    const last = this.#last();
    return last === null ? null : { atMs: last.atMs, changesSince: last.changesSince };
  }

  async sizes(): Promise<z.infer<typeof backupSizes>> {
    const [sizes, settings] = await Promise.all([
      this.#room.sizes(),
      this.#options.source.boxSettings(false).catch(() => undefined),
    ]);
    return { ...sizes, boxSettings: settings === undefined ? null : Buffer.byteLength(settings) };
  }

  /** What people changed since the last restorable backup, newest first (B189). */
  changes(before: number | undefined): z.infer<typeof backupChanges> {
    const { store } = this.#options;
    const last = readBackups(store).find(isRestorable);
    const since = last?.auditSequence ?? 0;
    const shown = [];
    for (const change of changesAfter(store, since, before)) {
      shown.push(change);
      if (shown.length > CHANGES_SHOWN) break;
    }
    const page = shown.slice(0, CHANGES_SHOWN);
    return {
      sinceMs: last?.madeAtMs ?? null,
      count: countOf(changesAfter(store, since)),
      changes: page,
      before: shown.length > CHANGES_SHOWN ? (page.at(-1)?.row ?? null) : null,
    };
  }

  /** Begins a backup on behalf of a person. Throws `BACKUP_NO_ROOM`, `BACKUP_BUSY`, `BACKUP_DESTINATION_UNKNOWN`, `BACKUP_RECORDINGS_NEED_HISTORY`. */
  async make(context: Context, request: MakeRequest): Promise<{ id: string }> {
    return await this.#begin(context, request, 'person');
  }

  /** Begins a backup before an upgrade: all but recordings, which no installation touches, onto this appliance and without a password, so that it restores by itself. */
  async makeForUpgrade(key: string): Promise<{ id: string }> {
    const known = readBackups(this.#options.store).find(({ upgradeKey, state }) => upgradeKey === key && state !== 'failed');
    if (known !== undefined) return { id: known.id };
    return await this.#begin(UPGRADE, { include: UPGRADE_INCLUDE, destination: HERE, upgradeKey: key }, 'upgrade');
  }

  /** How the backup before an upgrade is. */
  upgradeState(id: string): ReturnType<UpgradeBackupMaker['upgradeState']> {
    const backup = readBackup(this.#options.store, id);
    if (backup === undefined) return { state: 'failed', error: 'The backup was deleted meanwhile.' };
    const { state, fileName, bytes, problem } = backup;
    if (state === 'failed') return { state, id, error: problem?.message ?? 'It failed.' };
    return { state: state === 'restorable' ? state : 'running', id, file: fileName, ...(bytes !== null && { bytes }) };
  }

  /** Restores a backup on trial once more. Throws `BACKUP_BUSY`, `BACKUP_CONFLICT` while it is being made. */
  check(context: Context, id: string, password: string | undefined): void {
    const { store } = this.#options;
    const backup = this.#needed(id);
    if (this.#runs.has(id)) throw new AppError('conflict', 'BACKUP_UNDER_WAY', 'This backup is being made or checked already.');
    if (backup.sha256 === null)
      throw new AppError('conflict', 'BACKUP_NOT_WRITTEN', 'This backup was never written: there is nothing to check.');
    this.#runs.checkRoom();
    const checking: KeptBackup = { ...backup, state: 'checking', problem: null };
    store.transact(context, checkBegun({ id }), (tx) => writeBackup(tx, checking));
    // To one that was made without a password none belongs.
    const given = backup.isEncrypted ? (password ?? this.#schedulePassword(backup)) : undefined;
    this.#runs.add(this.#making.checkRun(checking, given));
  }

  /** Throws `BACKUP_NOT_RUNNING`. */
  async cancel(context: Context, id: string): Promise<void> {
    this.#needed(id);
    if (!this.#runs.has(id)) throw new AppError('conflict', 'BACKUP_NOT_RUNNING', 'This backup is not under way any more.');
    this.#options.store.transact(context, cancelledBy({ id }), () => undefined);
    await this.#runs.cancel(id, context.actor.name);
  }

  /** Removes the file where it lies, and the record. Throws `BACKUP_UNDER_WAY`, and what its destination says. */
  async delete(context: Context, id: string): Promise<void> {
    const backup = this.#needed(id);
    if (this.#runs.has(id))
      throw new AppError('conflict', 'BACKUP_UNDER_WAY', 'This backup is being made or checked: cancel that first.');
    await this.#remove(backup);
    const event = deleted({ id, file: backup.fileName, destination: backup.destinationName });
    this.#options.store.transact(context, event, (tx) => removeBackup(tx, id));
    this.#options.changed();
  }

  /** The file of a backup that lies here, for a download, which is audited. Throws `BACKUP_NOT_HERE`. */
  async file(context: Context, id: string): Promise<{ path: string; bytes: number; fileName: string; sha256: string | null }> {
    const backup = this.#needed(id);
    const { fileName, sha256 } = backup;
    const path = join(this.destinations.here, fileName);
    const found = backup.destination === HERE ? await stat(path).catch(() => undefined) : undefined;
    if (!found?.isFile() || backup.appliance !== this.#options.source.appliance) throw notHere();
    this.#options.store.transact(context, downloaded({ id, file: fileName }), () => undefined);
    return { path, bytes: found.size, fileName, sha256 };
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#runs.idle();
  }

  async #begin(context: Context, request: MakeRequest, reason: BackupRecord['reason']): Promise<{ id: string }> {
    const { store, now } = this.#options;
    checkInclude(request.include);
    this.#runs.checkRoom();
    // Opened here, so that what is wrong with it is said at once.
    this.destinations.open(request.destination);
    await this.#room.check(request.include, request.destination);
    const id = newId('backup', now());
    const { upgradeKey } = request;
    const made = this.#making.newBackup(id, request, { reason, by: context.actor.name });
    const backup = { ...made, ...(upgradeKey !== undefined && { upgradeKey }) };
    const parts = Object.entries(request.include)
      .filter(([, isIn]) => isIn)
      .map(([name]) => name);
    const event = begun({
      id,
      destination: backup.destinationName,
      parts: ['configuration', ...parts].join(', '),
      password: backup.isEncrypted ? 'with a password' : 'without a password',
    });
    store.transact(context, event, (tx) => writeBackup(tx, backup));
    this.#runs.add(this.#making.makeRun(id, request.password));
    return { id };
  }

  /** After each backup and check: who is told, and what goes. */
  async #finished(backup: KeptBackup): Promise<void> {
    const { store, source, log, now } = this.#options;
    if (backup.reason !== 'schedule') return;
    if (backup.state === 'failed') this.schedule.failed(backup);
    const settings = readSchedule(store)?.settings;
    if (settings === undefined) return;
    for (const old of expiredBackups(readBackups(store), settings, { appliance: source.appliance, nowMs: now() }))
      try {
        await this.#remove(old);
        const event = expired({ id: old.id, file: old.fileName, destination: old.destinationName });
        store.transact(SYSTEM, event, (tx) => removeBackup(tx, old.id));
      } catch (error) {
        log.warn({ err: error, backup: old.id }, 'backup.not-removed');
      }
  }

  async #remove(backup: KeptBackup): Promise<void> {
    if (backup.destination === HERE && backup.appliance !== this.#options.source.appliance) throw notHere();
    const isKnown = backup.destination === HERE || this.destinations.list().some(({ id }) => id === backup.destination);
    // A destination that was removed keeps its files.
    if (!isKnown) return;
    const place = await openBackupPlace(this.destinations.open(backup.destination));
    try {
      await place.remove(backup.fileName);
    } finally {
      place.close();
    }
  }

  /** What an earlier start of this appliance was at says so. */
  #settle(): void {
    const { store, source, log } = this.#options;
    const unfit: string[] = [];
    const cut = readBackups(store, (id) => unfit.push(id)).filter(
      ({ state, appliance }) => appliance === source.appliance && (state === 'making' || state === 'checking'),
    );
    if (unfit.length > 0) log.warn({ backups: unfit.slice(0, UNFIT_NAMED) }, 'backup.rows-unfit');
    if (cut.length === 0) return;
    store.transact(SYSTEM, settled({ count: cut.length }), (tx) => {
      for (const backup of cut) {
        const { code, message } = interrupted(backup.sha256 !== null);
        writeBackup(tx, { ...backup, state: 'failed', problem: { code, message } });
      }
    });
  }

  /** Removes what an earlier start left half written on this appliance; what this one begins has other names. */
  async #sweep(): Promise<void> {
    const { source, log } = this.#options;
    const left = [
      ...namesIn(source.workDir).map((name) => join(source.workDir, name)),
      ...namesIn(source.backupsDir)
        .filter((name) => name.endsWith(PART_SUFFIX))
        .map((name) => join(source.backupsDir, name)),
    ];
    try {
      for (const path of left) await removeTree(path);
    } catch (error) {
      log.warn({ err: error }, 'backup.left-over-not-removed');
    }
  }

  #last(): z.infer<typeof backups>['last'] {
    const { store } = this.#options;
    const last = readBackups(store).find(isRestorable);
    if (last === undefined) return null;
    return { id: last.id, atMs: last.madeAtMs, changesSince: countOf(changesAfter(store, last.auditSequence ?? 0)) };
  }

  /** A scheduled backup's password may still be the one of the schedule. */
  #schedulePassword({ reason }: KeptBackup): string | undefined {
    return reason === 'schedule' ? this.schedule.password() : undefined;
  }

  #needed(id: string): KeptBackup {
    const backup = readBackup(this.#options.store, id);
    if (backup === undefined) throw notFound();
    return backup;
  }

  #shown({ auditSequence: _sequence, upgradeKey: _key, ...backup }: KeptBackup): BackupRecord {
    const isHere =
      backup.destination === HERE &&
      backup.appliance === this.#options.source.appliance &&
      backup.bytes !== null &&
      existsSync(join(this.destinations.here, backup.fileName));
    return { ...backup, isHere };
  }
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function isRestorable({ state }: KeptBackup): boolean {
  return state === 'restorable';
}

function countOf(items: Iterable<unknown>): number {
  let count = 0;
  for (const _ of items) count += 1;
  return count;
}
