/** For tests: a file store on a site.db and a folder of its own, with a clock that stands until it is moved. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import type { StoredFile } from '@bascule/protocol/api/file-store.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { openSiteStore } from '../site-store.ts';
import { FileStore, type FileStoreOptions } from './file-store.ts';

export const ADA: Context = { actor: { kind: 'user', id: null, name: 'ada' }, address: '192.0.2.1' };

export async function* pieces(...all: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of all) yield typeof piece === 'string' ? Buffer.from(piece) : piece;
}

/** A whole upload, in one piece. */
export async function upload(files: FileStore, name: string, text: string | Uint8Array): Promise<StoredFile> {
  const bytes = Buffer.from(text);
  const { id } = await files.uploads.start(ADA, { name, description: '', totalBytes: bytes.length });
  await files.uploads.append(id, 0, pieces(bytes));
  return await files.finish(ADA, id);
}

export class TestFileStore {
  readonly directory: string;
  readonly store: Store;
  readonly files: FileStore;
  readonly clock: { nowMs: number };

  constructor(
    options: Partial<FileStoreOptions> = {},
    { directory, clock }: { directory: string; clock: { nowMs: number } } = {
      directory: mkdtempSync(join(tmpdir(), 'bascule-files-')),
      clock: { nowMs: Date.UTC(2026, 0, 1) },
    },
  ) {
    this.directory = directory;
    this.clock = clock;
    const log = createLog('test', 'silent');
    this.store = openSiteStore({ path: join(directory, 'site.db'), appliance: 'alpha', log });
    this.files = new FileStore({
      store: this.store,
      filesDir: join(directory, 'files'),
      changed: () => undefined,
      log,
      now: () => clock.nowMs,
      ...options,
    });
    this.files.start();
  }

  /** Names in the folder of contents, and in that of uploads. */
  onDisk(): { contents: string[]; parts: string[] } {
    const namesIn = (folder: string) => readdirSync(join(this.directory, 'files', folder)).toSorted();
    return { contents: namesIn('store'), parts: namesIn('.uploads') };
  }

  auditCodes(): string[] {
    return this.store.all<{ code: string }>('SELECT code FROM audit_event ORDER BY sequence').map(({ code }) => code);
  }

  /** As a crash does, as far as one process can. The directory stays. */
  stop(): void {
    this.files.close();
    this.store.close();
  }

  /** The next start on the same state. */
  again(options: Partial<FileStoreOptions> = {}): TestFileStore {
    this.stop();
    return new TestFileStore(options, this);
  }

  [Symbol.dispose](): void {
    this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
