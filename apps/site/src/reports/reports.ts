import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { notFound } from '@bascule/errors/app-error.ts';
import type { AccessSessionRow, accessSessionDetail } from '@bascule/protocol/api/access-sessions.ts';
import { copyPath } from '@bascule/protocol/pair-data.ts';
import { asciicastLines } from '@bascule/recording/asciicast.ts';
import { readFacts } from '@bascule/recording/reader.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { z } from 'zod';
import type { AccessSessions, SessionFilter } from '../access-session/access-session.ts';
import { recordingChanged, recordingMissing, tooManyReaders } from './reports-errors.ts';

export { reportRoutes } from './reports-routes.ts';

/** Recordings read from end to end at one time (detail page, derived cast), at most: each reads and hashes a whole file. */
export const RECORDING_READERS_LIMIT = 16;
/** Of them for one person: a slow reader of theirs delays nobody else. */
export const RECORDING_READERS_PER_USER_LIMIT = 4;

const recordingDownloaded = defineAuditEvent(
  'RECORDING_DOWNLOADED',
  'Played or downloaded the recording of the access session of {user} on {item} ({format})',
);

type RecordingFacts = NonNullable<z.infer<typeof accessSessionDetail>['recording']>;
export type RecordingFormat = 'recording' | 'asciicast';

export interface ReportsOptions {
  sessions: AccessSessions;
  store: Store;
  recordingsDir: string;
}

/** Reports of access sessions, and their recordings. A recording is served as far as it is whole: also of a session that was cut, or that runs. */
export class Reports {
  #sessions: AccessSessions;
  #store: Store;
  #recordingsDir: string;
  /** Who reads, once for each recording that is being read. */
  readonly #readers: string[] = [];

  constructor(options: ReportsOptions) {
    this.#sessions = options.sessions;
    this.#store = options.store;
    this.#recordingsDir = options.recordingsDir;
  }

  /** One page of access sessions, newest first; with `ownerId` only that user's. */
  page(filter: SessionFilter): { sessions: AccessSessionRow[]; more: boolean } {
    return this.#sessions.page(filter);
  }

  /** One session with the facts of its recording, read from the file itself; null when there is none. `ownerId` as in `page`. */
  async detail(
    id: string,
    ownerId: string | undefined,
    readerId: string,
  ): Promise<{ session: AccessSessionRow; recording: RecordingFacts | null }> {
    const { session, file } = this.#find(id, ownerId);
    return { session, recording: await this.#facts(file, readerId) };
  }

  /**
   * Opens a recording, or the asciicast derived from it, for a download, and audits that. Answers the file for `recording`, the lines for
   * `asciicast`. Throws NOT_FOUND, RECORDING_MISSING or REPORT_READERS_LIMIT.
   */
  async download(
    context: Context,
    id: string,
    ownerId: string | undefined,
    format: RecordingFormat,
  ): Promise<{ file: string; sizeBytes: number; name: string }> {
    const { session, file } = this.#find(id, ownerId);
    const size = await sizeOf(file);
    if (size === undefined) throw recordingMissing();
    const details = { session: id, user: session.userName, item: session.jumpItemName, format };
    this.#store.transact(context, recordingDownloaded(details), () => undefined);
    return { file, sizeBytes: size, name: fileName(session, format) };
  }

  /** The lines of the asciicast for `readerId`; at most RECORDING_READERS_PER_USER_LIMIT at one time for each, RECORDING_READERS_LIMIT for all. */
  async *castLines(file: string, readerId: string): AsyncGenerator<string> {
    using _reader = this.#takeReader(readerId);
    yield* asciicastLines(file);
  }

  #find(id: string, ownerId: string | undefined): { session: AccessSessionRow; file: string } {
    const found = this.#sessions.find(id);
    if (found === undefined || (ownerId !== undefined && found.session.userId !== ownerId)) throw notFound();
    return { session: found.session, file: join(this.#recordingsDir, ownFile(id, found.recordingFile)) };
  }

  async #facts(file: string, readerId: string): Promise<RecordingFacts | null> {
    if ((await sizeOf(file)) === undefined) return null;
    using _reader = this.#takeReader(readerId);
    const facts = await readFacts(file).catch((error: unknown) => {
      throw recordingChanged(error);
    });
    if (facts === undefined) return null;
    const complete = facts.end !== undefined;
    const missingBytes = facts.gaps.reduce((sum, { from, to }) => sum + to - from, 0);
    return {
      bytes: facts.wholeBytes,
      complete,
      headSha256: complete ? facts.headSha256 : null,
      durationMs: facts.durationMs,
      ...(missingBytes > 0 && { missingBytes }),
    };
  }

  #takeReader(userId: string): Disposable {
    if (this.#readers.length >= RECORDING_READERS_LIMIT) throw tooManyReaders(RECORDING_READERS_LIMIT);
    const own = this.#readers.filter((reader) => reader === userId).length;
    if (own >= RECORDING_READERS_PER_USER_LIMIT) throw tooManyReaders(RECORDING_READERS_PER_USER_LIMIT);
    this.#readers.push(userId);
    return { [Symbol.dispose]: () => void this.#readers.splice(this.#readers.indexOf(userId), 1) };
  }
}

/** A row may come from the archive of the other appliance: what leads out of the folder of recordings is no name of one. */
function ownFile(id: string, recordingFile: string): string {
  return copyPath.safeParse(recordingFile).success ? recordingFile : `${id}.bsr`;
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const EXTENSION: Record<RecordingFormat, string> = { recording: 'bsr', asciicast: 'cast' };

/** `2026-11-21T0503Z-web01-anna.bsr`: letters, digits, dot and dash only, whatever a host calls itself. */
export function fileName(
  session: Pick<AccessSessionRow, 'startedAtMs' | 'jumpItemName' | 'userName'>,
  format: RecordingFormat,
): string {
  const at = new Date(session.startedAtMs).toISOString().slice(0, 16).replace(':', '');
  const plain = (text: string) =>
    text
      .replace(/[^A-Za-z0-9.]+/g, '-')
      .replace(/^[-.]+|[-.]+$/g, '')
      .slice(0, 60) || 'unnamed';
  return `${at}Z-${plain(session.jumpItemName)}-${plain(session.userName)}.${EXTENSION[format]}`;
}
