/**
 * What this side holds and the other lacks, when the other's copy is to take its place: decided (by a person, or by the signed word of a takeover that came after it), archived, and
 * offered to the primary, which unites audit and session history (I5, B136; docs/decisions/0202). Never erased.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { uuidv7 } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { sha256OfFile } from '@bascule/package-format/file-hash.ts';
import type { PairStateAnswer } from '@bascule/protocol/pair-link.ts';
import { archiveDatabase } from '@bascule/store/archive.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { sideArchived } from './failover-events.ts';
import { faultPointNow } from './fault-points.ts';
import type { SnapshotReason } from './follow-link.ts';
import { checkSpace } from './free-space.ts';
import type { PairParts } from './pair-parts.ts';
import { addArchive, readValue, removeValue, writeValue } from './pair-store.ts';
import { CLOCK_MARGIN_MS, ownStatement } from './statements.ts';
import { findParting } from './side-changes.ts';
import { sendFile } from './send-file.ts';

/** Archives that wait to be taken by the primary; the oldest is no longer offered (and stays where it is). */
const OFFERS_MAX = 4;

export class GivenWay {
  readonly #parts: PairParts;

  constructor(parts: PairParts) {
    this.#parts = parts;
  }

  /** Before a copy of the source takes the place of what is here. Throws `FAILOVER_CONFLICT` while a person has to decide. */
  async mayReplace(reason: SnapshotReason): Promise<void> {
    const { records, database } = this.#parts;
    const { store } = database;
    if (store === undefined || !isParted(reason) || readValue(records.store, 'giveWay') !== undefined) return;
    if (!this.#wroteAsPrimary(store)) return;
    const taken = ownStatement(records.self.statement);
    const newest = newestAtMs(store);
    // Whoever took over was shown (or, by the witness, knew to be none) what is lost: everything here is older than that.
    if (taken !== undefined && newest <= taken.atMs + CLOCK_MARGIN_MS) return;
    throw new AppError(
      'conflict',
      'FAILOVER_CONFLICT',
      'Both appliances have changes that the other one lacks: look at what differs, and choose with Fix which one stays primary.',
    );
  }

  /** Archives what is here, if the source lacks any of it, and puts the checked copy in its place. */
  async replace(file: string, reason: SnapshotReason): Promise<void> {
    const { database, serving, accounts, records } = this.#parts;
    if (database.store !== undefined && isParted(reason))
      await this.archive('discarded', true, await this.#sinceParting(database.store));
    faultPointNow('sync/copy-archived');
    await serving.stop();
    try {
      database.replaceBy(file);
      if (database.store !== undefined) accounts.copy(database.store);
    } finally {
      await serving.start();
    }
    records.store.transact(SYSTEM, sideArchived({ folder: '', reason: `copy taken: ${reason}`, changes: 0 }), (tx) =>
      removeValue(tx, 'giveWay'),
    );
  }

  /** A copy of site.db into the archive; `isOffered`: the primary is to take its history. `changes`: how many of them the other side lacks; absent: all. */
  async archive(reason: string, isOffered: boolean, changes?: number): Promise<string | undefined> {
    const { database, config, records, now } = this.#parts;
    const { store } = database;
    if (store === undefined) return undefined;
    const lost = changes ?? store.head().seq;
    await checkSpace(config.paths.site, store.fileBytes);
    const {
      folder,
      database: file,
      bytes,
    } = await archiveDatabase({
      path: config.paths.database,
      archive: config.paths.archive,
      reason,
      nowMs: now(),
      about: { appliance: config.applianceName, role: records.self.role },
    });
    const id = uuidv7(now());
    const offer = isOffered ? { id, file, bytes, sha256: await sha256OfFile(file) } : undefined;
    records.store.transact(SYSTEM, sideArchived({ folder: basename(folder), reason, changes: lost }), (tx) => {
      addArchive(tx, { id, atMs: now(), reason, folder, bytes, changes: lost });
      if (offer !== undefined) writeValue(tx, 'offers', [offer, ...this.#offers()].slice(0, OFFERS_MAX));
    });
    return folder;
  }

  /** For `/state`. */
  offered(): NonNullable<PairStateAnswer['archives']> {
    return this.#offers().map(({ id, bytes, sha256 }) => ({ id, bytes, sha256 }));
  }

  /** Answers GET `/archives/<id>`. */
  serve(id: string, request: IncomingMessage, response: ServerResponse): void {
    const offer = this.#offers().find((one) => one.id === id);
    if (offer === undefined) return void response.writeHead(404).end();
    void sendFile(offer.file, offer.bytes, request, response, this.#parts.log);
  }

  /** The primary has the history of the archive `id`. */
  taken(id: string): void {
    const left = this.#offers().filter((one) => one.id !== id);
    if (left.length === this.#offers().length) return;
    const { records } = this.#parts;
    records.store.transact(
      SYSTEM,
      sideArchived({ folder: id, reason: 'united with the history of the primary', changes: 0 }),
      (tx) => writeValue(tx, 'offers', left),
    );
  }

  /** How many changes there are here that the source lacks; undefined when that cannot be told. */
  async #sinceParting(store: Store): Promise<number | undefined> {
    const { dial, log } = this.#parts;
    try {
      const parting = await findParting(dial, store);
      return parting === undefined ? undefined : store.head().seq - parting;
    } catch (error) {
      log.info({ err: error }, 'failover.parting-not-known');
      return undefined;
    }
  }

  #offers() {
    return readValue(this.#parts.records.store, 'offers') ?? [];
  }

  /** Whether the newest entries are ones that this side made itself, as primary. */
  #wroteAsPrimary(store: Store): boolean {
    const { records, config } = this.#parts;
    return (
      records.store.get(
        "SELECT 1 FROM role_changes WHERE appliance = ? AND epoch = ? AND role IN ('primary', 'single')",
        config.applianceName,
        store.head().epoch,
      ) !== undefined
    );
  }
}

/** The log here does not lead to the source's. */
function isParted(reason: SnapshotReason): boolean {
  return reason === 'diverged' || reason === 'other-history';
}

function newestAtMs(store: Store): number {
  const { seq } = store.head();
  return store.entriesAfter(Math.max(0, seq - 1), 1)[0]?.atMs ?? 0;
}
