/** Keeping what is about to be discarded (I5: never erased): a snapshot, and a note of what it is. */
import { mkdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { syncFolderSync, writeFileDurably } from '@bascule/core/durable-file.ts';
import { Connection } from './connection.ts';
import { readHead } from './received-copy.ts';
import { takeSnapshot } from './snapshot.ts';

const PRIVATE_FOLDER_MODE = 0o700;
const REASON = /^[a-z][a-z-]{0,39}$/;

export interface Archived {
  /** `<time>-<reason>`, below the folder that was given; more may be laid beside the database. */
  folder: string;
  database: string;
  bytes: number;
  seq: number;
  /** Hex. */
  hash: string;
  epoch: number;
}

/**
 * Copies the database at `path`, which may be open, into a new folder of `archive`, with `about.json`, all on disk when it resolves. `reason` is short, of small letters and dashes
 * (`discarded`, `replaced`). Rejects, and has erased nothing, when the disk is full.
 */
export async function archiveDatabase(options: {
  path: string;
  archive: string;
  reason: string;
  nowMs: number;
  about?: Record<string, string | number>;
}): Promise<Archived> {
  const { path, archive, reason, nowMs, about = {} } = options;
  const folder = makeArchiveFolder(archive, reason, nowMs);
  const database = join(folder, basename(path));
  await takeSnapshot(path, database);
  const connection = new Connection(database, undefined, 'immutable');
  try {
    const { seq, hash, epoch, schema } = readHead(connection);
    const position = { seq, hash: Buffer.from(hash).toString('hex'), epoch };
    const note = { format: 'bascule-archive/1', reason, atMs: nowMs, ...about, ...position, schema };
    await writeFileDurably(join(folder, 'about.json'), `${JSON.stringify(note, undefined, 2)}\n`);
    return { folder, database, bytes: statSync(database).size, ...position };
  } finally {
    connection.close();
  }
}

/** Makes the folder `<time>-<reason>` below `archive`, on the disk when it returns. */
export function makeArchiveFolder(archive: string, reason: string, nowMs: number): string {
  if (!REASON.test(reason)) throw new Error(`bug: '${reason}' is no reason for an archive`);
  return makeFolder(archive, `${new Date(nowMs).toISOString().replaceAll(':', '').slice(0, 17)}Z-${reason}`);
}

/** Makes a folder of that name; with a number behind it when there is one already. */
function makeFolder(parent: string, name: string): string {
  mkdirSync(parent, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  for (let count = 1; ; count += 1) {
    const folder = join(parent, count === 1 ? name : `${name}-${count}`);
    try {
      mkdirSync(folder, { mode: PRIVATE_FOLDER_MODE });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    syncFolderSync(parent);
    syncFolderSync(dirname(parent));
    return folder;
  }
}
