/** Backups before an upgrade: of a site with records, and of the backup of a pair, whose copy of site.db nobody may write to. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { HERE, type BackupInclude } from '@bascule/protocol/api/backup.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import { fileNameOf, leftOutOf, orderOf, type BackupSource } from './backup-making.ts';
import type { BackupLeftOut } from '@bascule/protocol/api/backup.ts';
import { BackupRoom } from './backup-room.ts';
import { BackupRuns } from './backup-runs.ts';

/** All but recordings, which no installation touches. */
export const UPGRADE_INCLUDE: BackupInclude = { history: true, files: true, recordings: false, boxSettings: true };
/** Upgrades that are remembered; a plan asks about its last one. */
const ASKED_MAX = 20;

type Made = Omit<Extract<FromSite, { kind: 'backup-made' }>, 'kind' | 'nonce'>;

/** Who can make a backup before an upgrade, and say how it is. */
export interface UpgradeBackupMaker {
  makeForUpgrade(key: string): Promise<{ id: string }>;
  upgradeState(id: string): Made;
}

/** One backup for each key, however often it is asked for. */
export class UpgradeBackups {
  readonly #maker: UpgradeBackupMaker;
  readonly #asked = new Map<string, Promise<{ id: string }>>();

  constructor(maker: UpgradeBackupMaker) {
    this.#maker = maker;
  }

  /** Begins the backup of `key`, or says how far it is. A failure is told once; asked again after it, another backup begins. */
  async ask(key: string): Promise<Made> {
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = this.#maker.makeForUpgrade(key);
      this.#asked.set(key, asked);
      for (const old of this.#asked.keys()) if (this.#asked.size > ASKED_MAX) this.#asked.delete(old);
    }
    try {
      const made = this.#maker.upgradeState((await asked).id);
      if (made.state === 'failed') this.#asked.delete(key);
      return made;
    } catch (error) {
      this.#asked.delete(key);
      throw error;
    }
  }
}

export interface StandbyBackupsOptions {
  source: BackupSource;
  log: Log;
  now(): number;
}

/** Makes backups without writing to site.db. The files lie in the folder for backups of this appliance. */
export class StandbyBackups implements UpgradeBackupMaker {
  readonly #options: StandbyBackupsOptions;
  readonly #runs: BackupRuns;
  readonly #room: BackupRoom;
  readonly #made = new Map<string, Made>();

  constructor(options: StandbyBackupsOptions) {
    const { source, log, now } = options;
    this.#options = options;
    this.#runs = new BackupRuns({ log, now, changed: () => undefined });
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
    });
  }

  /** Throws `BACKUP_NO_ROOM`, `BACKUP_BUSY`. */
  async makeForUpgrade(): Promise<{ id: string }> {
    const { source, now, log } = this.#options;
    this.#runs.checkRoom();
    await this.#room.check(UPGRADE_INCLUDE, HERE);
    mkdirSync(source.backupsDir, { recursive: true, mode: 0o700 });
    const id = newId('backup', now());
    const fileName = fileNameOf(id, now(), false);
    const workDir = join(source.workDir, id);
    const made: Made = { state: 'running', id, file: fileName };
    this.#made.set(id, made);
    this.#runs.add({
      id,
      order: async () => {
        const leftOut: BackupLeftOut[] = leftOutOf(UPGRADE_INCLUDE, false);
        const boxSettings = await source.boxSettings(false).catch((error: unknown) => {
          log.warn({ err: error }, 'backup.without-box-settings');
          leftOut.push({ what: 'box-settings', why: 'not-available' });
          return undefined;
        });
        return {
          kind: 'make',
          id,
          place: { kind: 'folder', path: source.backupsDir },
          fileName,
          workDir,
          trial: source.trial,
          ...orderOf(source),
          include: UPGRADE_INCLUDE,
          ...(boxSettings !== undefined && { boxSettings }),
          madeAtMs: now(),
          leftOut,
          staleNames: [],
        };
      },
      said: (word) => {
        if (word.kind === 'written') made.bytes = word.bytes;
      },
      ended: async (error) => {
        made.state = error === undefined ? 'restorable' : 'failed';
        if (error !== undefined)
          made.error = error instanceof AppError ? error.message : 'It failed; the log of the site says more.';
        await rm(workDir, { recursive: true, force: true });
      },
    });
    return { id };
  }

  upgradeState(id: string): Made {
    return this.#made.get(id) ?? { state: 'failed', error: 'This start of the site knows nothing of that backup.' };
  }

  async close(): Promise<void> {
    await this.#runs.close();
  }
}
