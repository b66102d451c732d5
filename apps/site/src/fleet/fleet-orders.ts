import { newId } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ToClient } from '@bascule/protocol/control-link.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import type { FleetClients, FleetMember } from './fleet-clients.ts';
import * as events from './fleet-events.ts';
import { saveEntry } from './fleet-store.ts';
import type { OrderContents, UpgradePrograms } from './fleet-options.ts';
import type { QueueCore } from './queue-core.ts';
import { DOWNLOAD_LEASE_MS, type OrderInfo, type QueueEntry } from './queue-types.ts';

/** Rows written in one transaction. */
const SAVE_BATCH = 500;
/** Failures that have an audit event each, in a minute; the others are counted in that of their batch. */
const FAILURE_EVENTS_PER_MINUTE = 60;
const MINUTE_MS = 60_000;

export interface FleetOrdersOptions {
  store: Store;
  core: QueueCore;
  clients: FleetClients;
  programs: UpgradePrograms;
  rollout: string;
  healthSeconds(): number;
  send(clientId: string, message: ToClient): boolean;
  /** No trusted metadata names what is to come next. */
  noSignedPrograms(): void;
  /** Effects of what was decided after an await are to be looked at. */
  decided(): void;
  log: Log;
  now(): number;
}

/** Makes orders, writes them down before they leave, and writes outcomes down before they are noted. */
export class FleetOrders {
  readonly #options: FleetOrdersOptions;
  /** Entries whose rows are behind. */
  readonly #unsaved = new Set<string>();
  /** Clients whose outcome is to be noted once its row is written: the order's id by client. */
  readonly #toNote = new Map<string, string>();
  #upgraded = 0;
  #failed: string[] = [];
  #failuresTold = 0;
  #failuresSinceMs = 0;
  /** What one client fetches, of the newest order. */
  bytesPerClient = 0;

  constructor(options: FleetOrdersOptions) {
    this.#options = options;
  }

  /** Gives the clients their orders: made, written down in one transaction, sent. */
  async begin(ids: readonly string[]): Promise<void> {
    const { core, store, log, now } = this.#options;
    const made = (await Promise.all(ids.map((id) => this.#make(id)))).filter((order) => order !== undefined);
    // Whoever left, or was told to wait, while the order was made gets none.
    const leaving = made.filter(({ entry }) => entry.phase === 'preparing' && core.entries.get(entry.id) === entry);
    if (leaving.length > 0) {
      const leaseUntilMs = now() + DOWNLOAD_LEASE_MS;
      try {
        store.transact(SYSTEM, events.ordersGiven({ clients: leaving.length }), (tx) => {
          for (const { entry, info } of leaving) saveEntry(tx, entry, info, { leaseUntilMs });
        });
        for (const { entry, info, contents } of leaving)
          if (core.begun(entry.id, info, now())) this.#give(entry.id, info.id, contents);
      } catch (error) {
        log.error({ err: error }, 'fleet.orders-not-written');
        for (const { entry } of leaving) core.notBegun(entry.id, now());
      }
    }
    this.#options.decided();
  }

  /** The same order again, if it still is what the client would get. */
  async resend(id: string): Promise<void> {
    const { core, now } = this.#options;
    const order = core.entries.get(id)?.order;
    const made = order && (await this.#make(id));
    const entry = core.entries.get(id);
    if (order === undefined || entry?.order !== order || entry.phase !== 'downloading') return;
    if (made === undefined || made.info.version !== order.version || made.info.bundle !== order.bundle) {
      core.void(id, now());
    } else {
      // Parcels are made anew when the metadata is.
      entry.order = { ...order, parcels: made.info.parcels };
      this.#unsaved.add(id);
      this.#give(id, order.id, made.contents);
    }
    this.#options.decided();
  }

  save(id: string): void {
    this.#unsaved.add(id);
  }

  /** The outcome is to be noted to the client when it is on disk. */
  note(id: string, order: string): void {
    this.#toNote.set(id, order);
  }

  upgraded(): void {
    this.#upgraded += 1;
  }

  failed(id: string): void {
    this.#failed.push(id);
  }

  /** Writes what is behind, a batch at a time, then notes outcomes. */
  flush(): void {
    while (this.#unsaved.size > 0) if (!this.#flushBatch()) return;
    for (const [id, order] of this.#toNote) this.#options.send(id, { kind: 'upgrade-noted', order });
    this.#toNote.clear();
    this.#tellFailures();
  }

  #flushBatch(): boolean {
    const { store, core, log } = this.#options;
    const ids = [...this.#unsaved].slice(0, SAVE_BATCH);
    const event = events.outcomesNoted({ clients: ids.length, upgraded: this.#upgraded, failed: this.#failed.length });
    try {
      store.transact(SYSTEM, event, (tx) => {
        for (const id of ids) {
          const entry = core.entries.get(id);
          // Only moved to the front: that is forgotten with the program.
          if (entry?.order !== undefined) saveEntry(tx, entry, entry.order, undefined);
        }
      });
    } catch (error) {
      // Tried again at the next turn; outcomes are not noted before, so that clients keep them.
      log.error({ err: error }, 'fleet.outcomes-not-written');
      return false;
    }
    for (const id of ids) this.#unsaved.delete(id);
    this.#upgraded = 0;
    return true;
  }

  /** One event for each failure, up to a limit. */
  #tellFailures(): void {
    const { store, clients, core, now, log } = this.#options;
    const failed = this.#failed.splice(0);
    if (now() - this.#failuresSinceMs >= MINUTE_MS) {
      this.#failuresSinceMs = now();
      this.#failuresTold = 0;
    }
    for (const id of failed) {
      const entry = core.entries.get(id);
      if (entry?.order === undefined || this.#failuresTold >= FAILURE_EVENTS_PER_MINUTE) continue;
      this.#failuresTold += 1;
      try {
        store.transact(SYSTEM, failureEvent(entry, entry.order, clients.get(id)), () => undefined);
      } catch (error) {
        log.error({ err: error }, 'fleet.failure-not-audited');
      }
    }
  }

  /** What the client is to be ordered; undefined when there is nothing, and the queue was told why. */
  async #make(id: string): Promise<{ entry: QueueEntry; info: OrderInfo; contents: OrderContents } | undefined> {
    const { programs, clients, core, now, rollout, log } = this.#options;
    const software = clients.toOrder(id);
    const entry = core.entries.get(id);
    if (software === undefined || entry === undefined) {
      core.notBegun(id, now());
      return undefined;
    }
    try {
      const contents = await programs.order(software, entry.failedVersion ?? undefined);
      if ('problem' in contents) {
        core.notBegun(id, now());
        if (contents.problem === 'no-signed-programs') this.#options.noSignedPrograms();
        const standing = contents.problem === 'no-program-for-platform' ? 'unsupported' : contents.problem;
        if (standing !== 'no-signed-programs') core.change({ ...entry, standing }, now());
        return undefined;
      }
      const parcels = [contents.parcel, ...(contents.runtime ? [contents.runtime.parcel] : [])];
      this.bytesPerClient = parcels.reduce((sum, { bytes }) => sum + bytes, 0);
      const info: OrderInfo = {
        id: newId('clientUpgrade', now()),
        rollout,
        version: contents.version,
        fromVersion: software.version,
        bundle: contents.sha256,
        parcels: parcels.map(({ sha256 }) => sha256),
        begunAtMs: now(),
      };
      return { entry, info, contents };
    } catch (error) {
      log.error({ err: error, client: id }, 'fleet.order-not-made');
      core.notBegun(id, now());
      return undefined;
    }
  }

  #give(id: string, order: string, contents: OrderContents): void {
    this.#options.send(id, { kind: 'upgrade', order, healthSeconds: this.#options.healthSeconds(), ...contents });
  }
}

function failureEvent(entry: QueueEntry, order: OrderInfo, member: FleetMember | undefined) {
  return events.upgradeFailed({
    client: entry.id,
    name: member?.name ?? entry.id,
    fromVersion: order.fromVersion,
    version: order.version,
    outcome: entry.outcome === 'rolled-back' ? 'was rolled back' : 'failed',
    failure: entry.failure ?? 'other',
    reason: entry.reason ?? '',
    attempts: entry.attempts,
  });
}
