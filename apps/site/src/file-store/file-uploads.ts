import { uuidv7 } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import { STORED_PIECE_MAX_BYTES, type StoredUpload } from '@bascule/protocol/api/file-store.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import * as errors from './file-store-errors.ts';
import * as events from './file-store-events.ts';
import * as rows from './file-store-rows.ts';
import type { UploadRow } from './file-store-rows.ts';
import type { StoredContents } from './stored-contents.ts';

/** At once; each holds disk. */
export const UPLOADS_MAX = 8;
/** An upload that nobody finished is removed after this, at the next start or upload. */
export const UPLOAD_KEPT_MS = 24 * 60 * 60_000;

/** Where tests cut what becomes of an upload, and an erasure. */
export const FILE_STEPS = ['content-noted', 'content-taken', 'written', 'rows-erased'] as const;
export type FileStep = (typeof FILE_STEPS)[number];

export interface FileUploadsOptions {
  store: Store;
  contents: StoredContents;
  /** Throws when `bytes` more, for a file of `totalBytes` named `name`, do not fit. */
  checkFits(name: string, totalBytes: number, moreBytes: number): void;
  step?: ((step: FileStep) => void) | undefined;
  now(): number;
}

/** What a new upload says of its file. */
export interface WantedUpload {
  name: string;
  description: string;
  totalBytes: number;
  sha256?: string | undefined;
}

/** Files on their way here from a browser, in pieces: how far each is, is the length of its part, so that it goes on after any break, of the site too. */
export class FileUploads {
  readonly #options: FileUploadsOptions;
  /** Uploads to which a request is writing. */
  readonly #busy = new Set<string>();

  constructor(options: FileUploadsOptions) {
    this.#options = options;
  }

  /** After a start: contents that were put in their place before a cut, and came to no row, are parts again; what nobody finished goes. */
  resume(): void {
    const { store, contents } = this.#options;
    contents.open();
    for (const { id, contentSha256 } of rows.allUploads(store))
      if (
        contentSha256 !== null &&
        !contents.hasPart(id) &&
        contents.has(contentSha256) &&
        !rows.isReferenced(store, contentSha256)
      )
        contents.giveBack(id, contentSha256);
    this.#removeOld();
    contents.removeParts(new Set(rows.allUploads(store).map(({ id }) => id)));
  }

  list(): StoredUpload[] {
    return rows.allUploads(this.#options.store).map((row) => this.#state(row));
  }

  /** What uploads that are under way still have to receive. */
  promisedBytes(except?: string): number {
    return rows
      .allUploads(this.#options.store)
      .filter(({ id }) => id !== except)
      .reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  }

  /** Begins an upload, or finds the broken-off one of the same name and size. Throws what `checkFits` throws, FILE_STORE_UPLOADS_MANY. */
  async start(context: Context, wanted: WantedUpload): Promise<StoredUpload> {
    const { store, contents, checkFits, now } = this.#options;
    contents.open();
    this.#removeOld();
    const { name, description, totalBytes, sha256 = null } = wanted;
    const same = rows.allUploads(store).find((row) => isSame(row, wanted));
    if (same !== undefined) {
      checkFits(name, totalBytes, totalBytes - contents.received(same.id));
      return this.#state(same);
    }
    if (rows.allUploads(store).length >= UPLOADS_MAX) throw errors.tooManyUploads(UPLOADS_MAX);
    checkFits(name, totalBytes, totalBytes + this.promisedBytes());
    const row: UploadRow = {
      id: uuidv7(now()),
      name,
      description,
      totalBytes,
      sha256,
      contentSha256: null,
      startedAtMs: now(),
    };
    store.transact(context, events.uploadBegun({ name, bytes: totalBytes }), (tx) => rows.insertUpload(tx, row));
    await contents.makePart(row.id);
    return this.#state(row);
  }

  /** Adds `bytes` at the offset `from`, which must be what is here. Throws NOT_FOUND, FILE_UPLOAD_BUSY, FILE_UPLOAD_OFFSET and what `StoredContents.append` throws. */
  async append(id: string, from: number, bytes: AsyncIterable<Uint8Array>): Promise<StoredUpload> {
    const { contents } = this.#options;
    const row = this.row(id);
    const received = contents.received(id);
    if (from !== received) throw errors.wrongOffset(received);
    // Others write to this disk too.
    if (contents.freeBytes() < Math.min(row.totalBytes - received, STORED_PIECE_MAX_BYTES)) throw errors.noRoom();
    return await this.alone(id, async () => {
      await contents.append(id, from, row.totalBytes, bytes);
      return this.#state(row);
    });
  }

  /** Removes an upload. Throws NOT_FOUND, FILE_UPLOAD_BUSY. */
  remove(context: Context, id: string): void {
    const { store, contents } = this.#options;
    const { name } = this.row(id);
    if (this.#busy.has(id)) throw errors.busy();
    store.transact(context, events.uploadRemoved({ name }), (tx) => rows.deleteUpload(tx, id));
    contents.removePart(id);
  }

  /** The content of a whole upload is in its place, on disk; gives its SHA-256. Throws FILE_UPLOAD_INCOMPLETE, FILE_UPLOAD_ALTERED. */
  async take(row: UploadRow): Promise<string> {
    const { store, contents, step } = this.#options;
    const received = contents.received(row.id);
    if (received !== row.totalBytes || !contents.hasPart(row.id)) throw errors.incomplete(received, row.totalBytes);
    const sha256 = await contents.hashOfPart(row.id);
    if (row.sha256 !== null && row.sha256 !== sha256) throw errors.altered();
    // First: after a cut this tells whose the content is.
    store.transact(SYSTEM, events.contentTaken({ name: row.name, sha256 }), (tx) => rows.noteContent(tx, row.id, sha256));
    step?.('content-noted');
    contents.take(row.id, sha256);
    step?.('content-taken');
    return sha256;
  }

  /** One request at a time works on an upload. Throws FILE_UPLOAD_BUSY. */
  async alone<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (this.#busy.has(id)) throw errors.busy();
    this.#busy.add(id);
    try {
      return await work();
    } finally {
      this.#busy.delete(id);
    }
  }

  /** Throws NOT_FOUND. */
  row(id: string): UploadRow {
    const row = rows.uploadById(this.#options.store, id);
    if (row === undefined) throw notFound();
    return row;
  }

  #removeOld(): void {
    const { store, now } = this.#options;
    for (const { id, startedAtMs } of rows.allUploads(store))
      if (now() - startedAtMs > UPLOAD_KEPT_MS && !this.#busy.has(id)) this.remove(SYSTEM, id);
  }

  #state({ id, name, totalBytes }: UploadRow): StoredUpload {
    return { id, name, totalBytes, receivedBytes: this.#options.contents.received(id) };
  }
}

function isSame(row: UploadRow, wanted: WantedUpload): boolean {
  if (row.totalBytes !== wanted.totalBytes || row.name !== wanted.name) return false;
  return wanted.sha256 === undefined || row.sha256 === null || row.sha256 === wanted.sha256;
}
