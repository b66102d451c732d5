import type { Log } from '@bascule/log/log.ts';
import type { Reader } from '@bascule/store/store.ts';
import { countUnfit, erasedContents } from './file-store-rows.ts';
import { StoredContents } from './stored-contents.ts';

const ERASED_TABLE = 'erased_files';
const FILES_TABLE = 'stored_files';

export interface ErasedFilesOptions {
  reader(): Reader | undefined;
  filesDir: string;
  /** There are files to be fetched: the relay looks now, not within the minute. */
  fetch(): void;
  log: Log;
}

/**
 * At a backup: what the primary has erased goes here too. By name alone, and never because no row has it: a history that has given way keeps its files (I5; docs/decisions/0305).
 */
export class ErasedFiles {
  readonly #options: ErasedFilesOptions;

  constructor(options: ErasedFilesOptions) {
    this.#options = options;
  }

  /** Rows of `tables` were changed by the primary. */
  applied(tables: readonly string[]): void {
    if (tables.includes(ERASED_TABLE)) this.remove();
    if (tables.includes(FILES_TABLE)) this.#options.fetch();
  }

  /** Removes what was erased. What cannot be removed now is tried again at the next erasure, and the next start. */
  remove(): void {
    const { reader, filesDir, log } = this.#options;
    const store = reader();
    if (store === undefined) return;
    const contents = new StoredContents(filesDir);
    try {
      const unfit = countUnfit(store);
      if (unfit > 0) log.warn({ rows: unfit }, 'file-store.rows-unfit');
      for (const sha256 of erasedContents(store)) contents.remove(sha256);
    } catch (error) {
      log.warn({ err: error }, 'file-store.not-erased');
    }
  }
}
