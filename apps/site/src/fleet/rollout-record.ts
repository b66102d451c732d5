import { newId } from '@bascule/core/ids.ts';
import type { FleetSettings } from '@bascule/protocol/api/fleet.ts';
import { SYSTEM, type AuditEvent, type Context, type Store } from '@bascule/store/store.ts';
import * as events from './fleet-events.ts';
import * as rows from './fleet-store.ts';
import type { RolloutRow } from './fleet-store.ts';
import type { QueueCore } from './queue-core.ts';
import type { Halt, RingState } from './queue-types.ts';
import type { RolloutFigures } from './rollout-figures.ts';

/** The row of the rollout of the version in force: one for each version that the site became. */
export class RolloutRecord {
  readonly #store: Store;
  readonly row: RolloutRow;

  private constructor(store: Store, row: RolloutRow) {
    this.#store = store;
    this.row = row;
  }

  /** The newest rollout if it is of this version, else a new one: orders of before that are not on trial are void with it. */
  static open(
    store: Store,
    version: { version: string; revision: string },
    settings: FleetSettings,
    nowMs: number,
  ): RolloutRecord {
    const latest = rows.latestRollout(store);
    if (latest?.version === version.version && latest.revision === version.revision) return new RolloutRecord(store, latest);
    const row: RolloutRow = {
      id: newId('rollout', nowMs),
      ...version,
      createdAtMs: nowMs,
      startedAtMs: null,
      endedAtMs: null,
      // `cycle` was for the version before.
      isOn: settings.upgrades === 'on' ? 1 : 0,
      isPaused: 0,
      halt: '',
      rings: '[]',
      bytesSent: 0,
      chart: '[]',
    };
    const cancelled = rows.countDownloading(store);
    store.transact(SYSTEM, events.rolloutMade({ rollout: row.id, ...version, cancelled }), (tx) => rows.writeRollout(tx, row));
    return new RolloutRecord(store, row);
  }

  get isOn(): boolean {
    return this.row.isOn === 1;
  }

  get halt(): Halt | null {
    return this.row.halt === '' ? null : (JSON.parse(this.row.halt) as Halt);
  }

  get rings(): RingState[] {
    return JSON.parse(this.row.rings) as RingState[];
  }

  setOn(isOn: boolean): void {
    this.row.isOn = isOn ? 1 : 0;
  }

  /** Writes how far the rollout is. `forgives`: nobody counts for a halt any more. */
  save(core: QueueCore, figures: RolloutFigures, event?: AuditEvent, context: Context = SYSTEM, forgives = false): void {
    Object.assign(this.row, {
      startedAtMs: core.startedAtMs,
      endedAtMs: core.endedAtMs,
      isPaused: core.isPaused ? 1 : 0,
      halt: core.halt === null ? '' : JSON.stringify(core.halt),
      rings: JSON.stringify(core.rings),
      bytesSent: figures.bytesSent,
      chart: JSON.stringify(figures.chart),
    });
    const noted = event ?? events.rolloutNoted({ rollout: this.row.id, version: this.row.version });
    this.#store.transact(context, noted, (tx) => {
      rows.writeRollout(tx, this.row);
      if (forgives) rows.forgiveAll(tx, this.row.id);
    });
  }
}
