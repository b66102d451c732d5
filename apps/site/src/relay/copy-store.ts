import { lstat, mkdir, rename, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncFolder } from '@bascule/core/durable-file.ts';
import type { Log } from '@bascule/log/log.ts';
import type { CopyRoot } from '@bascule/protocol/pair-data.ts';
import { RecordingError } from '@bascule/recording/format.ts';
import { RecordingCopy } from '@bascule/recording/recording-copy.ts';
import { placeOf, type CopyFolders } from './copy-tree.ts';

const MEASURE_EVERY_MS = 1000;
/** Faults of single files that are kept to be told. */
const FAULTS_MAX = 100;
const DISK_FAULTS: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS']);

export interface CopyStoreOptions {
  folders: CopyFolders;
  /** Parts of files that are not whole yet. */
  incoming: string;
  /** Where goes what differs; nothing is erased. */
  archive: string;
  checkGeneration(): void;
  /** Kept free for the database. */
  reserveBytes(): number;
  freeBytes?: (() => Promise<number>) | undefined;
  log: Log;
}

/** There is no room for copies: nothing is written until there is. */
class NoRoom extends Error {}

/** The follower's own disk: room, what is archived, and why something does not go on. */
export class CopyStore {
  readonly #options: CopyStoreOptions;
  readonly #archive: string;
  readonly #timer: NodeJS.Timeout;
  readonly #faults = new Map<string, string>();
  #spaceFault: string | undefined;
  #freeBytes = Number.POSITIVE_INFINITY;
  #diskFault: string | undefined;

  constructor(options: CopyStoreOptions) {
    this.#options = options;
    const stamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
    this.#archive = join(options.archive, `${stamp}-replaced`);
    this.#timer = setInterval(() => void this.measure(), MEASURE_EVERY_MS);
  }

  get folders(): CopyFolders {
    return this.#options.folders;
  }

  get incoming(): string {
    return this.#options.incoming;
  }

  /** Why copies do not go on, for a person; undefined when they do. */
  get stopped(): string | undefined {
    const shortage = this.#shortage();
    if (shortage !== undefined) return shortage;
    const [fault] = this.#faults;
    return this.#diskFault ?? (fault && `${fault[0]}: ${fault[1]}`);
  }

  /** Looks how much is free. */
  async measure(): Promise<void> {
    const { freeBytes, folders, log } = this.#options;
    try {
      // Where recordings arrive there is no folder before the first has come.
      await mkdir(folders.recordings, { recursive: true, mode: 0o700 });
      this.#freeBytes = await (freeBytes ?? (() => freeBytesOf(folders.recordings)))();
      this.#spaceFault = undefined;
    } catch (error) {
      const { message } = error as Error;
      // Looked at again and again: the same fault is said once.
      if (message !== this.#spaceFault) log.error({ error: message }, 'recordings-space-unknown');
      this.#spaceFault = message;
    }
  }

  /** Throws when what is kept free would be used up. */
  assertRoom(): void {
    const shortage = this.#shortage();
    if (shortage !== undefined) throw new NoRoom(shortage);
  }

  /** The copy of a recording; one that is damaged here is archived, and begun anew. Rejects with the file system's errors. */
  async openRecording(path: string): Promise<RecordingCopy> {
    const { folders, checkGeneration } = this.#options;
    const file = placeOf(folders, { root: 'recordings', path });
    try {
      return await RecordingCopy.open(file, checkGeneration);
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
      await this.archive('recordings', path);
      return await RecordingCopy.open(file, checkGeneration);
    }
  }

  /** Moves a file of this side away, to be found again by people; what was archived of the same name before stays (I5). */
  async archive(root: CopyRoot, path: string): Promise<void> {
    this.#options.checkGeneration();
    const from = placeOf(this.#options.folders, { root, path });
    const to = await this.#freePlace(join(this.#archive, root, path));
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await rename(from, to).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    for (const folder of [dirname(to), dirname(from)]) await syncFolder(folder);
    this.#options.log.warn({ root, path, to }, 'pair-copy-differed');
  }

  async #freePlace(wanted: string): Promise<string> {
    for (let count = 1; ; count += 1) {
      const place = count === 1 ? wanted : `${wanted}.${count}`;
      if ((await lstat(place).catch(() => undefined)) === undefined) return place;
    }
  }

  checkGeneration(): void {
    this.#options.checkGeneration();
  }

  /** A file could not be copied now. */
  noteFault(path: string, error: unknown): void {
    const { message, code } = error as NodeJS.ErrnoException;
    if (error instanceof NoRoom) return;
    this.#options.log.warn({ path, error: message }, 'pair-copy-fault');
    if (code !== undefined && DISK_FAULTS.has(code)) this.#diskFault = `The disk of the copy does not take it: ${message}`;
    else if (this.#faults.size < FAULTS_MAX) this.#faults.set(path, message);
  }

  /** The file is whole, or is not at the source any more; so the disk works. */
  noteCopied(path: string): void {
    this.#faults.delete(path);
    this.#diskFault = undefined;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #shortage(): string | undefined {
    const needed = this.#options.reserveBytes();
    if (this.#freeBytes >= needed) return undefined;
    return `There is no room for copies: ${this.#freeBytes} bytes are free, and ${needed} are kept free for the database. Make room on this appliance.`;
  }
}

async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}
