import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { uuidv7 } from '@bascule/core/ids.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { startUpload } from '@bascule/protocol/api/updates.ts';
import type { AuditEvent, Context, Store } from '@bascule/store/store.ts';
import { uploadRemoved, uploadStarted } from './updates-events.ts';
import { deleteUpload, readUpload, readUploads, writeUpload, type UploadRow, type UploadTable } from './updates-store.ts';

/** At once; each holds disk. */
export const UPLOADS_MAX = 4;
/** One request of a browser; it sends the next where this one ended. */
export const UPLOAD_CHUNK_MAX_BYTES = 16 * 1024 * 1024;
/** An upload that nobody finished is removed after this, at the next start or upload. */
export const UPLOAD_KEPT_MS = 7 * 24 * 60 * 60_000;
/** Left free beside an upload and the packages taken out of it. */
export const UPLOAD_DISK_RESERVE_BYTES = 256 * 1024 * 1024;

export interface UploadsOptions {
  store: Store;
  /** Whose uploads they are; packages when absent. */
  kind?: UploadsKind;
  /** box/updates/uploads */
  directory: string;
  nowMs(): number;
  freeBytes?(): number;
}

/** Where uploads of one kind are written down, and what the audit says of them. */
export interface UploadsKind {
  table: UploadTable;
  started(upload: { name: string; totalBytes: number }): AuditEvent;
  removed(upload: { name: string }): AuditEvent;
}

const PACKAGES: UploadsKind = { table: 'update_upload', started: uploadStarted, removed: uploadRemoved };

/**
 * Files on their way here from a browser, in pieces: how far each is, is the length of its file, so that it goes on after any break, of base too. What
 * they are is looked at when they are whole (updates-bundle.ts).
 */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #kind: UploadsKind;
  /** Uploads to which a request is writing. */
  readonly #busy = new Set<string>();

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.#kind = options.kind ?? PACKAGES;
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  }

  list(): { id: string; name: string; receivedBytes: number; totalBytes: number }[] {
    return this.#rows().map(({ id, name, totalBytes }) => ({
      id,
      name,
      receivedBytes: this.#received(id),
      totalBytes,
    }));
  }

  /** Begins an upload, or finds the one of the same file that was broken off. Throws `UPLOAD_TOO_MANY`, `UPLOAD_DISK_SPACE`. */
  start(context: Context, wanted: z.infer<typeof startUpload>): { id: string; receivedBytes: number } {
    this.removeOld(context);
    const rows = this.#rows();
    const same = rows.find((row) => isSame(row, wanted));
    const receivedBytes = same === undefined ? 0 : this.#received(same.id);
    // What the others were promised is not there for this one.
    const others = rows.filter((row) => row !== same).map(({ id, totalBytes }) => spaceFor(totalBytes, this.#received(id)));
    this.#checkSpace(spaceFor(wanted.totalBytes, receivedBytes) + others.reduce((sum, bytes) => sum + bytes, 0));
    if (same !== undefined) return { id: same.id, receivedBytes };
    if (rows.length >= UPLOADS_MAX)
      throw new AppError('limited', 'UPLOAD_TOO_MANY', `${UPLOADS_MAX} uploads are here already: finish or remove one.`, {
        params: { uploads: UPLOADS_MAX },
      });
    const row: UploadRow = {
      id: uuidv7(),
      name: wanted.name,
      totalBytes: wanted.totalBytes,
      sha256: wanted.sha256 ?? null,
      startedAtMs: this.#options.nowMs(),
    };
    this.#options.store.transact(context, this.#kind.started({ name: row.name, totalBytes: row.totalBytes }), (tx) =>
      writeUpload(tx, this.#kind.table, row),
    );
    return { id: row.id, receivedBytes: 0 };
  }

  /**
   * Adds `bytes` at the offset `from`, which must be what is here. What arrives is kept, also when the connection breaks. Throws NOT_FOUND, `UPLOAD_BUSY`,
   * `UPLOAD_OFFSET` (with `receivedBytes`), `UPLOAD_TOO_LONG`, `UPLOAD_DISK_SPACE`.
   */
  async append(id: string, from: number, bytes: AsyncIterable<Uint8Array>): Promise<{ id: string; receivedBytes: number }> {
    const row = this.#row(id);
    if (this.#busy.has(id)) throw busy();
    const received = this.#received(id);
    if (from !== received)
      throw new AppError('conflict', 'UPLOAD_OFFSET', `${received} bytes are here: go on from there.`, {
        params: { receivedBytes: received },
      });
    // Others write to this disk too, and the databases must be able to.
    this.#checkSpace(Math.min(row.totalBytes - received, UPLOAD_CHUNK_MAX_BYTES));
    this.#busy.add(id);
    try {
      await this.#write(row, from, bytes);
    } finally {
      this.#busy.delete(id);
    }
    return { id, receivedBytes: this.#received(id) };
  }

  /** The whole file, to be verified. Throws NOT_FOUND, `UPLOAD_BUSY`, `UPLOAD_INCOMPLETE`, `UPLOAD_ALTERED`. */
  async whole(id: string): Promise<{ file: string; name: string }> {
    const { name, totalBytes, sha256 } = this.#row(id);
    if (this.#busy.has(id)) throw busy();
    const received = this.#received(id);
    if (received !== totalBytes)
      throw new AppError(
        'conflict',
        'UPLOAD_INCOMPLETE',
        `${name} is incomplete: ${received} of ${totalBytes} bytes are here. Go on with the upload.`,
        {
          params: { receivedBytes: received, totalBytes },
        },
      );
    const file = this.#file(id);
    if (sha256 !== null && (await hashOf(file)) !== sha256)
      throw new AppError('invalid', 'UPLOAD_ALTERED', `${name} was altered on its way here. Remove it and upload it again.`);
    return { file, name };
  }

  /** Files of all uploads, the newest last. */
  files(): string[] {
    return this.#rows()
      .map(({ id }) => this.#file(id))
      .filter((file) => existsSync(file));
  }

  /** Removes an upload. Throws NOT_FOUND, `UPLOAD_BUSY`. */
  remove(context: Context, id: string): void {
    const { name } = this.#row(id);
    if (this.#busy.has(id)) throw busy();
    this.#options.store.transact(context, this.#kind.removed({ name }), (tx) => deleteUpload(tx, this.#kind.table, id));
    rmSync(this.#file(id), { force: true });
  }

  /** Removes what nobody finished, and files without an upload. */
  removeOld(context: Context): void {
    const rows = this.#rows();
    for (const { id, startedAtMs } of rows)
      if (this.#options.nowMs() - startedAtMs > UPLOAD_KEPT_MS && !this.#busy.has(id)) this.remove(context, id);
    const known = new Set(this.#rows().map(({ id }) => id));
    for (const name of readdirSync(this.#options.directory))
      if (!known.has(name)) rmSync(join(this.#options.directory, name), { force: true });
  }

  async #write(row: UploadRow, from: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const handle = await open(this.#file(row.id), 'a', 0o600);
    let position = from;
    try {
      for await (const piece of bytes) {
        if (position + piece.byteLength > row.totalBytes)
          throw new AppError(
            'invalid',
            'UPLOAD_TOO_LONG',
            `${row.name} is longer than the ${row.totalBytes} bytes that were announced.`,
          );
        if (position + piece.byteLength - from > UPLOAD_CHUNK_MAX_BYTES)
          throw new AppError('too-large', 'UPLOAD_CHUNK_TOO_LARGE', `One piece is at most ${UPLOAD_CHUNK_MAX_BYTES} bytes.`);
        await handle.appendFile(piece);
        position += piece.byteLength;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw noSpace(row.totalBytes - position);
      throw error;
    } finally {
      try {
        await handle.datasync();
      } finally {
        await handle.close();
      }
    }
  }

  #checkSpace(bytes: number): void {
    const needed = bytes + UPLOAD_DISK_RESERVE_BYTES;
    const free = this.#options.freeBytes?.() ?? freeBytes(this.#options.directory);
    if (free < needed) throw noSpace(needed - free);
  }

  #row(id: string): UploadRow {
    const row = readUpload(this.#options.store, this.#kind.table, id);
    if (row === undefined) throw notFound();
    return row;
  }

  #rows(): UploadRow[] {
    return readUploads(this.#options.store, this.#kind.table);
  }

  #received(id: string): number {
    return statSync(this.#file(id), { throwIfNoEntry: false })?.size ?? 0;
  }

  #file(id: string): string {
    return join(this.#options.directory, id);
  }
}

/** Bytes that base's user may still write where `directory` is. */
export function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** The file itself, and once more what is taken out of it. */
function spaceFor(totalBytes: number, receivedBytes: number): number {
  return 2 * totalBytes - receivedBytes;
}

function isSame(row: UploadRow, wanted: z.infer<typeof startUpload>): boolean {
  if (row.totalBytes !== wanted.totalBytes) return false;
  return wanted.sha256 === undefined || row.sha256 === null ? row.name === wanted.name : row.sha256 === wanted.sha256;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(file)) hash.update(piece as Buffer);
  return hash.digest('hex');
}

function busy(): AppError {
  return new AppError('conflict', 'UPLOAD_BUSY', 'Another request is working on this upload: wait for it.');
}

function noSpace(missingBytes: number): AppError {
  const megabytes = Math.ceil(missingBytes / 1024 / 1024);
  return new AppError(
    'conflict',
    'UPLOAD_DISK_SPACE',
    `The disk of the appliance has ${megabytes} MB too little for this file and what is in it. Free some, then try again.`,
    { params: { megabytes } },
  );
}
