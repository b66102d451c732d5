/** What a backup would take, and whether there is room for it. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { HERE, type BackupInclude, type backupSizes } from '@bascule/protocol/api/backup.ts';
import { noRoom } from './backup-errors.ts';
import type { BackupOrder, BackupWord } from './backup-order.ts';
import { BackupProcess } from './backup-process.ts';

/** What was measured serves so long: pages ask again and again. */
const KEPT_MS = 30_000;
/** Stays free for the site itself: its database, and recordings that come meanwhile. */
export const BACKUP_RESERVE_BYTES = 512 * 1024 * 1024;

type Measured = Extract<BackupWord, { kind: 'measured' }>;
type Sizes = Omit<z.infer<typeof backupSizes>, 'boxSettings'>;

export interface BackupRoomOptions {
  measure: Extract<BackupOrder, { kind: 'measure' }>;
  /** `<data directory>/backups`, and the site's folder for scratch copies. */
  backupsDir: string;
  siteDir: string;
  log: Log;
  reserveBytes?: number;
}

export class BackupRoom {
  readonly #options: BackupRoomOptions;
  readonly #reserveBytes: number;
  #known: { measured: Promise<Measured>; atMs: number } | undefined;

  constructor(options: BackupRoomOptions) {
    this.#options = options;
    this.#reserveBytes = options.reserveBytes ?? BACKUP_RESERVE_BYTES;
  }

  /** In bytes, uncompressed: what each choice adds. */
  async sizes(): Promise<Sizes> {
    const { history, whole, files, recordings } = await this.#measured();
    return {
      configuration: whole - history,
      history,
      files,
      recordings,
      freeBytes: await freeBytes(this.#options.siteDir),
      reservedBytes: this.#reserveBytes,
    };
  }

  /**
   * Refuses a backup for which the disks of this appliance may be too small: the copy of the state, once, and the file itself when it lies here, as if nothing could be compressed. Throws `BACKUP_NO_ROOM`.
   */
  async check(include: BackupInclude, destination: string): Promise<void> {
    const { backupsDir, siteDir } = this.#options;
    const { history, whole, files, recordings } = await this.#measured();
    const state = include.history ? whole : whole - history;
    // Without history there are two copies for a moment.
    const scratch = include.history ? state : whole + state;
    const file = state + (include.files ? files.bytes : 0) + (include.recordings ? recordings.bytes : 0);
    const isHere = destination === HERE;
    const needed = scratch + (isHere ? file : 0) + this.#reserveBytes;
    const free = await freeBytes(siteDir);
    if (free < needed) throw noRoom('the disk of this appliance', needed, free);
    if (!isHere || !existsSync(backupsDir)) return;
    const freeThere = await freeBytes(backupsDir);
    if (freeThere < file + this.#reserveBytes) throw noRoom(`the disk of ${backupsDir}`, file + this.#reserveBytes, freeThere);
  }

  #measured(): Promise<Measured> {
    const known = this.#known;
    if (known !== undefined && performance.now() - known.atMs < KEPT_MS) return known.measured;
    const measured = this.#measure();
    this.#known = { measured, atMs: performance.now() };
    measured.catch(() => (this.#known = undefined));
    return measured;
  }

  async #measure(): Promise<Measured> {
    const { measure, log } = this.#options;
    const word = await new BackupProcess({ order: measure, log }).finished();
    if (word.kind !== 'measured')
      throw new AppError('unavailable', 'BACKUP_PROGRAM_ENDED', 'The sizes could not be measured. Try again.');
    return word;
  }
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
