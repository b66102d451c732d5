import type { Log } from '@bascule/log/log.ts';
import type { ClientSoftware } from '@bascule/protocol/client-program.ts';
import type { ClientFacts } from '@bascule/protocol/control-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import type { ItemChanges } from './item-changes.ts';
import * as rows from './jump-store.ts';

/** Facts and last-seen times are written together, this often, at most so many clients in one transaction. */
const NOTES_INTERVAL_MS = 1000;
const NOTES_BATCH = 500;
/** As many at a time when the program ends: each transaction waits for the disk. */
const LAST_BATCH = 20_000;

const notesWritten = defineAuditEvent(
  'JUMP_CLIENTS_NOTED',
  'Noted changed facts of {facts:Jump Client,Jump Clients} and last-seen times of {seen:Jump Client,Jump Clients}',
  { housekeeping: true },
);

/**
 * What is learnt of clients at every connect and disconnect, written lazily in batches: ten thousand of them coming back must not be ten
 * thousand transactions.
 */
export class ClientNotes {
  #store: Store;
  #changes: ItemChanges;
  #written: (clientIds: string[]) => void;
  #log: Log;
  #facts = new Map<string, { facts: ClientFacts; software: ClientSoftware | undefined }>();
  #seen = new Map<string, number>();
  #timer: NodeJS.Timeout;

  /** `written`: these clients' rows are others now. */
  constructor(options: { store: Store; changes: ItemChanges; written(clientIds: string[]): void; log: Log }) {
    this.#store = options.store;
    this.#written = (clientIds) => options.written(clientIds);
    this.#changes = options.changes;
    this.#log = options.log;
    this.#timer = setInterval(() => this.#write(NOTES_BATCH), NOTES_INTERVAL_MS).unref();
  }

  noteFacts(clientId: string, facts: ClientFacts, software: ClientSoftware | undefined): void {
    this.#facts.set(clientId, { facts, software });
  }

  noteSeen(clientId: string, atMs: number): void {
    this.#seen.set(clientId, atMs);
  }

  /** Facts that are not written yet. */
  factsOf(clientId: string): ClientFacts | undefined {
    return this.#facts.get(clientId)?.facts;
  }

  /** A last-seen time that is not written yet. */
  seenAtMs(clientId: string): number | undefined {
    return this.#seen.get(clientId);
  }

  forget(clientId: string): void {
    this.#facts.delete(clientId);
    this.#seen.delete(clientId);
  }

  /** Writes everything that is still to be written; closes after it. */
  close(): void {
    clearInterval(this.#timer);
    this.writeNow();
  }

  /** Writes everything that is still to be written. */
  writeNow(): void {
    while (this.#facts.size + this.#seen.size > 0) this.#write(LAST_BATCH);
  }

  /** Writes a batch; the rest waits for the next turn. */
  #write(batch: number): void {
    const facts = firstOf(this.#facts, batch);
    const seen = firstOf(this.#seen, batch);
    if (facts.length + seen.length === 0) return;
    const hosts = facts.slice(0, 20).map(([client, noted]) => ({ client, hostName: noted.facts.hostName }));
    try {
      this.#store.transact(SYSTEM, notesWritten({ facts: facts.length, seen: seen.length, hosts }), (tx) => {
        for (const [id, noted] of facts) {
          rows.updateFacts(tx, id, noted.facts);
          if (noted.software !== undefined) rows.updateSoftware(tx, id, noted.software);
        }
        for (const [id, atMs] of seen) rows.updateLastSeen(tx, id, atMs);
      });
    } catch (error) {
      // Noted again at the client's next connect; presence does not depend on it.
      this.#log.warn({ err: error }, 'client-notes-not-written');
    }
    for (const [id, value] of facts) {
      if (this.#facts.get(id) === value) this.#facts.delete(id);
    }
    for (const [id, atMs] of seen) if (this.#seen.get(id) === atMs) this.#seen.delete(id);
    const ids = facts.map(([id]) => id);
    this.#written(ids);
    this.#changes.noteMany(ids);
  }
}

function firstOf<Key, Value>(map: Map<Key, Value>, count: number): [Key, Value][] {
  const first: [Key, Value][] = [];
  for (const entry of map) if (first.push(entry) >= count) break;
  return first;
}
