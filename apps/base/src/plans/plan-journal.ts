/** Plans in box.db: what is about to be done is written down before it is done (I3). */
import type { AuditEvent, Context, Store, Tx } from '@bascule/store/store.ts';
import { planRecord, type PlanRecord } from './plan-contract.ts';
import { isOver, shownState } from './plan-state.ts';

/** Plans that are kept; the oldest go first. */
export const PLANS_KEPT_MAX = 50;

export interface StoredPlan {
  id: string;
  record: PlanRecord;
}

export class PlanJournal {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Writes the plan down as it is now, with the audit event that made it so. Throws as `Store.transact`; nothing is changed then. */
  write(context: Context, event: AuditEvent, { id, record }: StoredPlan): void {
    this.#store.transact(context, event, (tx) => {
      tx.run(
        `INSERT INTO upgrade_plan (id, kind, state, created_at_ms, ended_at_ms, record) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at_ms = excluded.ended_at_ms, record = excluded.record`,
        id,
        record.kind,
        shownState(record.core),
        record.createdAtMs,
        record.endedAtMs,
        JSON.stringify(record),
      );
      removeOld(tx);
    });
  }

  /** The plan that has not ended; there is one at most. */
  open(): StoredPlan | undefined {
    return this.#read('WHERE ended_at_ms IS NULL ORDER BY created_at_ms DESC LIMIT 1');
  }

  get(id: string): StoredPlan | undefined {
    return this.#read('WHERE id = ?', id);
  }

  newest(): StoredPlan | undefined {
    return this.#read('ORDER BY created_at_ms DESC, id DESC LIMIT 1');
  }

  /** Those that have ended, newest first. */
  ended(): { id: string; kind: PlanRecord['kind']; state: string; endedAtMs: number | null }[] {
    return this.#store.all(
      'SELECT id, kind, state, ended_at_ms AS endedAtMs FROM upgrade_plan WHERE ended_at_ms IS NOT NULL ORDER BY created_at_ms DESC, id DESC LIMIT ?',
      PLANS_KEPT_MAX,
    );
  }

  #read(where: string, ...params: string[]): StoredPlan | undefined {
    const row = this.#store.get<{ id: string; record: string }>(`SELECT id, record FROM upgrade_plan ${where}`, ...params);
    return row && { id: row.id, record: planRecord.parse(JSON.parse(row.record)) };
  }
}

/** Whether there is anything in `next` that a crash must not lose: all but how far a part is, and how often it was looked at. */
export function isWorthWriting(before: PlanRecord, next: PlanRecord): boolean {
  return lasting(before) !== lasting(next);
}

function lasting(record: PlanRecord): string {
  const { core } = record;
  return JSON.stringify({
    ...record,
    measured: { ...record.measured, withoutServiceMs: null },
    core: { ...core, token: 0, silentSinceMs: null, steps: core.steps.map((step) => ({ ...step, progress: null })) },
  });
}

/** The time of its end, once it has ended. */
export function withEnd(record: PlanRecord, nowMs: number): PlanRecord {
  return isOver(record.core) && record.endedAtMs === null ? { ...record, endedAtMs: nowMs } : record;
}

function removeOld(tx: Tx): void {
  tx.run(
    `DELETE FROM upgrade_plan WHERE ended_at_ms IS NOT NULL
     AND id NOT IN (SELECT id FROM upgrade_plan ORDER BY created_at_ms DESC, id DESC LIMIT ?)`,
    PLANS_KEPT_MAX,
  );
  tx.run(
    `DELETE FROM plan_installation WHERE (plan, what, attempt) NOT IN
     (SELECT plan, what, attempt FROM plan_installation ORDER BY asked_at_ms DESC LIMIT ?)`,
    INSTALLATIONS_KEPT_MAX,
  );
}

/** Installations whose plan is remembered. */
export const INSTALLATIONS_KEPT_MAX = 400;
