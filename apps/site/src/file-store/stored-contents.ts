/** Contents of stored files, by their SHA-256, below `site/files/store`: what a file is called is in its row alone. */
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { STORED_PIECE_MAX_BYTES } from '@bascule/protocol/api/file-store.ts';
import * as errors from './file-store-errors.ts';

/** Below `site/files`: copied to the backup of a pair with the rest. */
export const STORE_FOLDER = 'store';
/** Beside it, so that backups leave out what is on its way; and the other side of a pair too, by the dot (docs/spec/pair-copy.md 2.2). */
const UPLOADS_FOLDER = '.uploads';
/** Left free beside stored files: the database must be able to write. */
export const STORE_DISK_RESERVE_BYTES = 512 * 1024 * 1024;

export class StoredContents {
  readonly #folder: string;
  readonly #uploads: string;
  readonly #freeBytes: () => number;

  constructor(filesDir: string, freeBytes?: () => number) {
    this.#folder = join(filesDir, STORE_FOLDER);
    this.#uploads = join(filesDir, UPLOADS_FOLDER);
    this.#freeBytes = freeBytes ?? (() => freeBytesOf(this.#folder));
  }

  /** Makes the folders. */
  open(): void {
    for (const folder of [this.#folder, this.#uploads]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  has(sha256: string): boolean {
    return statSync(this.#content(sha256), { throwIfNoEntry: false })?.isFile() === true;
  }

  /** Opens a content for reading. Rejects with ENOENT when it is not here. */
  read(sha256: string): Promise<FileHandle> {
    return open(this.#content(sha256), 'r');
  }

  remove(sha256: string): void {
    rmSync(this.#content(sha256), { force: true });
  }

  /** What may still be stored here, beside the reserve. */
  freeBytes(): number {
    return Math.max(0, this.#freeBytes() - STORE_DISK_RESERVE_BYTES);
  }

  received(upload: string): number {
    return statSync(this.#part(upload), { throwIfNoEntry: false })?.size ?? 0;
  }

  hasPart(upload: string): boolean {
    return statSync(this.#part(upload), { throwIfNoEntry: false }) !== undefined;
  }

  /** Adds to a part; what arrives is kept, also when the connection breaks. Throws FILE_UPLOAD_TOO_LONG, FILE_PIECE_TOO_LARGE, FILE_STORE_NO_ROOM. */
  async append(upload: string, from: number, totalBytes: number, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const handle = await open(this.#part(upload), 'a', 0o600);
    let position = from;
    try {
      for await (const piece of bytes) {
        if (position + piece.byteLength > totalBytes) throw errors.tooLong(totalBytes);
        if (position + piece.byteLength - from > STORED_PIECE_MAX_BYTES) throw errors.pieceTooLarge(STORED_PIECE_MAX_BYTES);
        await handle.appendFile(piece);
        position += piece.byteLength;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw errors.noRoom();
      throw error;
    } finally {
      try {
        await handle.datasync();
      } finally {
        await handle.close();
      }
    }
  }

  /** An empty file has a part too. */
  async makePart(upload: string): Promise<void> {
    await (await open(this.#part(upload), 'a', 0o600)).close();
  }

  async hashOfPart(upload: string): Promise<string> {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(this.#part(upload)) as AsyncIterable<Buffer>) hash.update(piece);
    return hash.digest('hex');
  }

  /** The part becomes the content `sha256`, on disk. Does nothing when that was done before a cut. */
  take(upload: string, sha256: string): void {
    if (!this.hasPart(upload)) return;
    renameSync(this.#part(upload), this.#content(sha256));
    syncFolderSync(this.#folder);
  }

  /** A content that no row came to have is a part again. */
  giveBack(upload: string, sha256: string): void {
    renameSync(this.#content(sha256), this.#part(upload));
    syncFolderSync(this.#folder);
  }

  removePart(upload: string): void {
    rmSync(this.#part(upload), { force: true });
  }

  /** Removes parts of uploads that are not among `known`. */
  removeParts(known: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#uploads)) if (!known.has(name)) this.removePart(name);
  }

  #content(sha256: string): string {
    return join(this.#folder, sha256);
  }

  #part(upload: string): string {
    return join(this.#uploads, upload);
  }
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
