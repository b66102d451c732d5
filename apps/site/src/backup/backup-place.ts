/** Where backups lie: a folder of this machine or one behind SFTP. A name is there whole or not at all. */
import { constants } from 'node:fs';
import { access, open, realpath, rename, rm, stat, statfs } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { placeFailed } from './backup-errors.ts';
import type { OpenPlace } from './backup-order.ts';
import { PART_SUFFIX, probeBy, type BackupPlace } from './place-parts.ts';

/** Written bytes go to the disk in portions of this, so that no flood of them at the end holds up the site's own writes. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/** Opens a place. Throws `BACKUP_PLACE_FAILED`, `BACKUP_HOST_KEY_OTHER`. */
export async function openBackupPlace(place: OpenPlace): Promise<BackupPlace> {
  if (place.kind === 'folder') return new FolderPlace(place.path);
  // SSH is loaded where it is needed alone.
  const { SftpPlace } = await import('./sftp-place.ts');
  return await SftpPlace.open(place);
}

/** Refuses a folder that cannot hold backups. `home` is the data directory: a backup in it would be lost with it. Throws `BACKUP_PLACE_FAILED`. */
export async function checkFolder(path: string, home: string): Promise<void> {
  const refused = (why: string, cause?: unknown) => placeFailed(`The folder ${path}`, why, cause);
  if (!isAbsolute(path)) throw refused('its path does not begin with /');
  let real: string;
  try {
    real = await realpath(path);
    if (!(await stat(real)).isDirectory()) throw refused('it is not a folder');
    await access(real, constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw refused(reasonOf(error), error);
  }
  const realHome = await realpath(home);
  if (real === realHome || `${real}${sep}`.startsWith(`${realHome}${sep}`))
    throw refused('it lies in the data directory of the appliance and would be lost with it');
}

class FolderPlace implements BackupPlace {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async write(name: string, bytes: AsyncIterable<Buffer>, written?: () => Promise<void>): Promise<void> {
    const part = join(this.#path, `${name}${PART_SUFFIX}`);
    try {
      await rm(part, { force: true });
      const file = await open(part, 'wx', 0o600);
      try {
        let unsynced = 0;
        for await (const piece of bytes) {
          await file.writeFile(piece);
          unsynced += piece.length;
          if (unsynced < SYNC_EVERY_BYTES) continue;
          await file.datasync();
          unsynced = 0;
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await written?.();
      await rename(part, join(this.#path, name));
      await syncFolder(this.#path);
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw this.#fault(error);
    }
  }

  async *read(name: string): AsyncGenerator<Buffer> {
    try {
      const file = await open(join(this.#path, name), 'r');
      try {
        for (;;) {
          const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(READ_BYTES));
          if (bytesRead === 0) return;
          yield buffer.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await rm(join(this.#path, name), { force: true });
      await rm(join(this.#path, `${name}${PART_SUFFIX}`), { force: true });
    } catch (error) {
      throw this.#fault(error);
    }
  }

  async probe(): Promise<void> {
    await probeBy(this);
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#path);
    return bavail * bsize;
  }

  close(): void {}

  #fault(error: unknown): unknown {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof AppError || code === undefined || !/^E[A-Z]+$/.test(code)) return error;
    return placeFailed(`The folder ${this.#path}`, reasonOf(error), error);
  }
}

const REASONS: Record<string, string> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a folder',
  EACCES: 'the service may not write there',
  EPERM: 'the service may not write there',
  EROFS: 'it is mounted read-only',
  ENOSPC: 'it is full',
  EDQUOT: 'its quota is used up',
  EIO: 'its disk fails',
  ESTALE: 'its server does not know it any more',
  ETIMEDOUT: 'its server does not answer',
};

/** What the file system says, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return REASONS[code ?? ''] ?? (code === undefined ? message : `the system says ${code}`);
}
