/** The file store (B155, B187): files that administrators keep on the site, with it in its backup, and copied to the other appliance of a pair (docs/decisions/0304). */
import type { FileHandle } from 'node:fs/promises';
import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  fileStoreSettings,
  STORED_FILES_MAX,
  STORED_UNDO_MS,
  type FileStoreSettings,
  type FileStoreState,
  type StoredFile,
} from '@bascule/protocol/api/file-store.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { readSetting, writeSetting } from '../settings/settings.ts';
import * as errors from './file-store-errors.ts';
import * as events from './file-store-events.ts';
import * as rows from './file-store-rows.ts';
import type { FileRow } from './file-store-rows.ts';
import { FileUploads, type FileStep } from './file-uploads.ts';
import { STORE_FOLDER, StoredContents } from './stored-contents.ts';

export { fileStoreMigrations } from './file-store-migrations.ts';
export { fileStoreRoutes } from './file-store-routes.ts';
export { ErasedFiles } from './erased-files.ts';

const SETTINGS = 'file-store';
const MEBIBYTE = 1024 * 1024;
export const DEFAULT_FILE_STORE_SETTINGS: FileStoreSettings = { quotaMebibytes: 2048, fileMaxMebibytes: 512 };
/** What was erased is remembered for so long, so that a backup that was away removes it too. */
const ERASED_KEPT_MS = 90 * 24 * 60 * 60_000;

export interface FileStoreOptions {
  store: Store;
  /** `site/files`. */
  filesDir: string;
  /** The page shows something else now. */
  changed(): void;
  log: Log;
  now?: (() => number) | undefined;
  /** For tests: what the disk has free. */
  freeBytes?: (() => number) | undefined;
  step?: ((step: FileStep) => void) | undefined;
}

export class FileStore {
  readonly uploads: FileUploads;
  readonly #options: FileStoreOptions;
  readonly #contents: StoredContents;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | undefined;
  #isStarted = false;

  constructor(options: FileStoreOptions) {
    const { store, filesDir, freeBytes } = options;
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#contents = new StoredContents(filesDir, freeBytes);
    this.uploads = new FileUploads({
      store,
      contents: this.#contents,
      checkFits: (name, totalBytes, moreBytes) => this.#checkFits(name, totalBytes, moreBytes),
      step: options.step,
      now: this.#now,
    });
  }

  /** Puts in order what a cut has left, and erases what was deleted. */
  start(): void {
    const { store, log } = this.#options;
    this.#isStarted = true;
    try {
      const unfit = rows.countUnfit(store);
      if (unfit > 0) log.warn({ rows: unfit }, 'file-store.rows-unfit');
      this.uploads.resume();
      for (const sha256 of rows.erasedContents(store)) this.#contents.remove(sha256);
      this.#erase();
    } catch (error) {
      log.error({ err: error }, 'file-store.not-tidied');
    }
  }

  close(): void {
    this.#isStarted = false;
    clearTimeout(this.#timer);
  }

  /** GET file-store. */
  state(): FileStoreState {
    const { store } = this.#options;
    const all = rows.allFiles(store);
    const settings = this.settings();
    const usedBytes = all.reduce((sum, { bytes }) => sum + bytes, 0);
    const left = settings.quotaMebibytes * MEBIBYTE - usedBytes - this.uploads.promisedBytes();
    return {
      files: all.filter(({ deletedAtMs }) => deletedAtMs === null).map((row) => this.#toFile(row)),
      uploads: this.uploads.list(),
      deleted: all
        .filter(({ deletedAtMs }) => deletedAtMs !== null && this.#now() < deletedAtMs + STORED_UNDO_MS)
        .map(({ id, name, deletedAtMs }) => ({ id, name, undoUntilMs: deletedAtMs! + STORED_UNDO_MS })),
      usedBytes,
      settings,
      uploadMaxBytes: Math.max(0, Math.min(left, settings.fileMaxMebibytes * MEBIBYTE, this.#contents.freeBytes())),
    };
  }

  settings(): FileStoreSettings {
    const parsed = fileStoreSettings.safeParse(readSetting(this.#options.store, SETTINGS));
    return parsed.success ? parsed.data : DEFAULT_FILE_STORE_SETTINGS;
  }

  /** A quota below what is stored takes nothing away: nothing more is taken until there is room. */
  changeSettings(context: Context, settings: FileStoreSettings): FileStoreSettings {
    this.#options.store.transact(context, events.settingsChanged(settings), (tx) => writeSetting(tx, SETTINGS, settings));
    this.#options.changed();
    return settings;
  }

  /** A whole upload becomes a file. Throws NOT_FOUND, FILE_UPLOAD_BUSY, FILE_UPLOAD_INCOMPLETE, FILE_UPLOAD_ALTERED, FILE_NAME_TAKEN, FILE_STORE_FILES_MANY. */
  async finish(context: Context, uploadId: string): Promise<StoredFile> {
    const { store } = this.#options;
    const upload = this.uploads.row(uploadId);
    return await this.uploads.alone(uploadId, async () => {
      this.#checkName(upload.name);
      this.#checkCount();
      const sha256 = await this.uploads.take(upload);
      const row: FileRow = {
        id: newId('storedFile', this.#now()),
        name: upload.name,
        description: upload.description,
        bytes: upload.totalBytes,
        sha256,
        uploadedAtMs: this.#now(),
        uploadedBy: context.actor.name,
        deletedAtMs: null,
      };
      try {
        const event = events.uploaded({ file: row.id, name: row.name, bytes: row.bytes, sha256 });
        store.transact(context, event, (tx) => {
          if (rows.fileByName(tx, row.name) !== undefined) throw errors.nameTaken(row.name);
          rows.insertFile(tx, row);
          rows.deleteUpload(tx, uploadId);
        });
      } catch (error) {
        // Its name was taken meanwhile: it stays an upload.
        if (!rows.isReferenced(store, sha256)) this.#contents.giveBack(uploadId, sha256);
        throw error;
      }
      this.#options.step?.('written');
      this.#options.changed();
      return this.#toFile(row);
    });
  }

  /** Opens a file for reading; the caller closes `handle`. Throws NOT_FOUND, FILE_CONTENT_MISSING. */
  async open(context: Context, id: string): Promise<{ name: string; bytes: number; handle: FileHandle }> {
    const { name, bytes, sha256 } = this.#row(id);
    let handle: FileHandle;
    try {
      handle = await this.#contents.read(sha256);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw errors.contentMissing(name);
      throw error;
    }
    try {
      this.#options.store.transact(context, events.downloaded({ file: id, name }), () => undefined);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return { name, bytes, handle };
  }

  /** Renames a file, or describes it. Throws NOT_FOUND, FILE_NAME_TAKEN. */
  change(context: Context, id: string, change: { name?: string | undefined; description?: string | undefined }): StoredFile {
    const row = this.#row(id);
    const after = { name: change.name ?? row.name, description: change.description ?? row.description };
    this.#options.store.transact(context, events.changed({ file: id, name: after.name, before: row.name }), (tx) => {
      const other = rows.fileByName(tx, after.name);
      if (other !== undefined && other.id !== id) throw errors.nameTaken(after.name);
      rows.updateFile(tx, id, after);
    });
    this.#options.changed();
    return this.#toFile({ ...row, ...after });
  }

  /** Deletes a file; for STORED_UNDO_MS `undelete` takes it back. Throws NOT_FOUND. */
  delete(context: Context, id: string): { undoUntilMs: number } {
    const { name } = this.#row(id);
    const atMs = this.#now();
    this.#options.store.transact(context, events.deleted({ file: id, name }), (tx) => rows.markDeleted(tx, id, atMs));
    this.#options.changed();
    this.#eraseLater();
    return { undoUntilMs: atMs + STORED_UNDO_MS };
  }

  /** Throws NOT_FOUND when it is too late, FILE_NAME_TAKEN. */
  undelete(context: Context, id: string): StoredFile {
    const { store } = this.#options;
    const row = rows.fileById(store, id);
    if (row === undefined || row.deletedAtMs === null || this.#now() >= row.deletedAtMs + STORED_UNDO_MS) throw notFound();
    store.transact(context, events.undeleted({ file: id, name: row.name }), (tx) => {
      if (rows.fileByName(tx, row.name) !== undefined) throw errors.nameTaken(row.name);
      rows.markDeleted(tx, id, null);
    });
    this.#options.changed();
    return this.#toFile(row);
  }

  /** For backups: each content once, by its path below `site/files`, with what it weighs. */
  contents(): { path: string; bytes: number; sha256: string }[] {
    const files = rows
      .allFiles(this.#options.store)
      .filter(({ deletedAtMs, sha256 }) => deletedAtMs === null && this.#contents.has(sha256));
    const bySha256 = new Map(files.map(({ sha256, bytes }) => [sha256, { path: `${STORE_FOLDER}/${sha256}`, bytes, sha256 }]));
    return [...bySha256.values()];
  }

  /** Erases for good what was deleted long enough ago, rows first: a cut leaves contents that the next start removes. */
  #erase(): void {
    const { store, log } = this.#options;
    if (!this.#isStarted) return;
    try {
      const nowMs = this.#now();
      const files = rows.deletedBefore(store, nowMs - STORED_UNDO_MS);
      if (files.length > 0)
        store.transact(SYSTEM, events.erased({ files: files.map(({ name }) => name) }), (tx) => {
          for (const file of files) rows.eraseFile(tx, file, nowMs);
          rows.forgetErased(tx, nowMs - ERASED_KEPT_MS);
        });
      this.#options.step?.('rows-erased');
      for (const { sha256 } of files) if (!rows.isReferenced(store, sha256)) this.#contents.remove(sha256);
    } catch (error) {
      log.error({ err: error }, 'file-store.not-erased');
    }
    if (rows.deletedBefore(store, Number.MAX_SAFE_INTEGER).length > 0) this.#eraseLater();
  }

  #eraseLater(): void {
    if (!this.#isStarted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#erase(), STORED_UNDO_MS).unref();
  }

  #checkFits(name: string, totalBytes: number, moreBytes: number): void {
    this.#checkName(name);
    this.#checkCount();
    const { quotaMebibytes, fileMaxMebibytes } = this.settings();
    if (totalBytes > fileMaxMebibytes * MEBIBYTE) throw errors.tooLarge(fileMaxMebibytes * MEBIBYTE);
    const left = quotaMebibytes * MEBIBYTE - rows.countFiles(this.#options.store).bytes;
    if (moreBytes > left) throw errors.storeFull(left);
    if (moreBytes > this.#contents.freeBytes()) throw errors.noRoom();
  }

  #checkName(name: string): void {
    if (rows.fileByName(this.#options.store, name) !== undefined) throw errors.nameTaken(name);
  }

  #checkCount(): void {
    if (rows.countFiles(this.#options.store).files >= STORED_FILES_MAX) throw errors.tooManyFiles();
  }

  #row(id: string): FileRow {
    const row = rows.fileById(this.#options.store, id);
    if (row === undefined || row.deletedAtMs !== null) throw notFound();
    return row;
  }

  #toFile({ id, name, description, bytes, sha256, uploadedAtMs, uploadedBy }: FileRow): StoredFile {
    return { id, name, description, bytes, sha256, uploadedAtMs, uploadedBy, isHere: this.#contents.has(sha256) };
  }
}
