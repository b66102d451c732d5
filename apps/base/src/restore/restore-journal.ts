import { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import {
  RESTORE_POINT_OF_NO_RETURN,
  RESTORE_STEPS,
  restoration as restorationShape,
  restoreRemark,
  restoreReport,
  type Restoration,
  type RestoreRemark,
  type RestoreReport,
  type RestoreStep,
} from '@bascule/protocol/api/restore.ts';
import { SYSTEM, type AuditEvent, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { unpacked } from '@bascule/protocol/restore-program.ts';
import * as events from './restore-events.ts';
import { swapItem } from './restore-swap.ts';

/** Restores that are kept in the list; the oldest go first. */
export const RESTORATIONS_KEPT = 50;

/** What a restore needs to go on after a crash; later versions only add. */
const details = z.object({
  upload: z.string().nullable().default(null),
  /** The file that was looked into: what is unpacked has to be the same. */
  looked: unpacked.nullable().default(null),
  /** Below the folder of the site: what takes its place, and what takes in what was there. */
  incoming: z.string(),
  archive: z.string(),
  /** Of an undo: the restore that is undone. */
  undoes: z.string().nullable().default(null),
  withBoxSettings: z.boolean().default(false),
  breakPair: z.boolean().default(false),
  /** Noted before the first rename: from then on it goes on after a crash, unless `undoing` is there too. */
  items: z.array(swapItem).nullable().default(null),
  /** What takes the place of what is here, beside database and keys. */
  contents: z.array(z.enum(['recordings', 'files'])).default([]),
  undoing: restoreRemark.nullable().default(null),
  frozenAtMs: z.number().nullable().default(null),
  unavailableMs: z.number().nullable().default(null),
  history: z.string().default(''),
  epoch: z.number().default(0),
  lostClients: z.object({ count: z.number(), names: z.array(z.string()) }).default({ count: 0, names: [] }),
  ended: z.array(restoreRemark).default([]),
});
export type RestoreDetails = z.infer<typeof details>;

export interface RestoreEntry {
  restoration: Restoration;
  details: RestoreDetails;
}

type Ended = Exclude<Restoration['outcome'], 'running'>;
const stepStates = restorationShape.shape.steps;

interface Row {
  id: string;
  operation: Restoration['operation'];
  source: string;
  startedBy: string;
  startedAtMs: number;
  endedAtMs: number | null;
  outcome: Restoration['outcome'];
  step: RestoreStep;
  steps: string;
  cause: string | null;
  report: string | null;
  details: string;
  acknowledgedBy: string | null;
}

const SELECT = `SELECT id, operation, source, started_by AS startedBy, started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs, outcome, step, steps, cause, report,
  details, acknowledged_by AS acknowledgedBy FROM restoration`;

/** Restores and their steps in box.db: what is about to be done is written down before it is done (I3). */
export class RestoreJournal {
  readonly #store: Store;
  readonly #now: () => number;

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  start(
    by: Context,
    request: { operation: Restoration['operation']; source: Restoration['source']; steps: readonly RestoreStep[] } & {
      details: z.input<typeof details>;
    },
  ): RestoreEntry {
    const nowMs = this.#now();
    const id = newId('restoration', nowMs);
    const { operation, source } = request;
    const steps = request.steps.map((step) => ({ step, state: 'waiting', startedAtMs: null, endedAtMs: null }));
    const text = `${source.name} of ${source.appliance}, made ${new Date(source.madeAtMs).toISOString()}`;
    this.#store.transact(by, events.restoreStarted({ restoration: id, operation, source: text }), (tx) => {
      tx.run(
        `INSERT INTO restoration (id, operation, source, started_by, started_at_ms, outcome, step, steps, details) VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?)`,
        id,
        operation,
        JSON.stringify(source),
        by.actor.name,
        nowMs,
        request.steps[0] ?? 'report',
        JSON.stringify(steps),
        JSON.stringify(details.parse(request.details)),
      );
      tx.run(
        `DELETE FROM restoration WHERE outcome <> 'running' AND id NOT IN (SELECT id FROM restoration ORDER BY started_at_ms DESC, id DESC LIMIT ?)`,
        RESTORATIONS_KEPT,
      );
    });
    return this.get(id);
  }

  /** Throws when there is none. */
  get(id: string): RestoreEntry {
    const entry = this.find(id);
    if (entry === undefined) throw new Error(`bug: there is no restore ${id}`);
    return entry;
  }

  find(id: string): RestoreEntry | undefined {
    return this.#entry(this.#store.get<Row>(`${SELECT} WHERE id = ?`, id));
  }

  /** The one that has not ended. */
  open(): RestoreEntry | undefined {
    return this.#entry(this.#store.get<Row>(`${SELECT} WHERE outcome = 'running' ORDER BY started_at_ms LIMIT 1`));
  }

  /** The newest that has ended. */
  last(): RestoreEntry | undefined {
    return this.#entry(this.#store.get<Row>(`${SELECT} WHERE outcome <> 'running' ORDER BY started_at_ms DESC, id DESC LIMIT 1`));
  }

  /** The newest whose result is in place. */
  lastDone(): RestoreEntry | undefined {
    return this.#entry(this.#store.get<Row>(`${SELECT} WHERE outcome = 'restored' ORDER BY started_at_ms DESC, id DESC LIMIT 1`));
  }

  /** Notes that `step` begins, with what a process after a crash needs to know of it. */
  beginStep(id: string, step: RestoreStep, more: Partial<RestoreDetails> = {}): void {
    this.#change(id, events.restoreNoted({ restoration: id, step }), step, (entry) => ({
      details: { ...entry.details, ...more },
      steps: withStep(entry, step, { state: 'running', startedAtMs: this.#now() }),
    }));
  }

  endStep(id: string, step: RestoreStep, state: 'done' | 'skipped'): void {
    this.#change(id, events.restoreNoted({ restoration: id, step }), step, (entry) => ({
      details: entry.details,
      steps: withStep(entry, step, { state, endedAtMs: this.#now() }),
    }));
  }

  note(id: string, more: Partial<RestoreDetails>): void {
    const { step } = this.get(id).restoration;
    this.#change(id, events.restoreNoted({ restoration: id, step }), step, (entry) => ({
      details: { ...entry.details, ...more },
      steps: entry.restoration.steps,
    }));
  }

  noteReport(id: string, report: RestoreReport): void {
    const { step } = this.get(id).restoration;
    this.#store.transact(SYSTEM, events.restoreNoted({ restoration: id, step }), (tx) =>
      tx.run('UPDATE restoration SET report = ? WHERE id = ?', JSON.stringify(restoreReport.parse(report)), id),
    );
  }

  end(id: string, outcome: Ended, cause: RestoreRemark | null): void {
    const entry = this.get(id);
    const { operation, step, steps } = entry.restoration;
    const isUndone = outcome === 'taken-back';
    const ended = steps.map((state) => {
      if (state.state === 'running')
        return { ...state, state: outcome === 'restored' ? 'done' : 'failed', endedAtMs: this.#now() };
      return isUndone && state.state === 'done' ? { ...state, state: 'undone' } : state;
    });
    const event = events.restoreEnded({ restoration: id, operation, outcome, cause: cause?.code ?? '' });
    this.#store.transact(SYSTEM, event, (tx) =>
      tx.run(
        'UPDATE restoration SET outcome = ?, cause = ?, ended_at_ms = ?, steps = ?, step = ? WHERE id = ?',
        outcome,
        cause === null ? null : JSON.stringify(cause),
        this.#now(),
        JSON.stringify(ended),
        step,
        id,
      ),
    );
  }

  acknowledge(id: string, by: Context): void {
    this.#store.transact(by, events.restoreAcknowledged({ restoration: id }), (tx) =>
      tx.run('UPDATE restoration SET acknowledged_by = ? WHERE id = ?', by.actor.name, id),
    );
  }

  #change(
    id: string,
    event: AuditEvent,
    step: RestoreStep,
    next: (entry: RestoreEntry) => { details: RestoreDetails; steps: Restoration['steps'] },
  ): void {
    this.#store.transact(SYSTEM, event, (tx: Tx) => {
      const changed = next(this.get(id));
      tx.run(
        'UPDATE restoration SET step = ?, steps = ?, details = ? WHERE id = ?',
        step,
        JSON.stringify(changed.steps),
        JSON.stringify(changed.details),
        id,
      );
    });
  }

  #entry(row: Row | undefined): RestoreEntry | undefined {
    if (row === undefined) return undefined;
    const { details: text, source, steps, cause, report, ...plain } = row;
    const mayCancel =
      row.outcome === 'running' && RESTORE_STEPS.indexOf(row.step) < RESTORE_STEPS.indexOf(RESTORE_POINT_OF_NO_RETURN);
    return {
      restoration: {
        ...plain,
        source: restorationShape.shape.source.parse(JSON.parse(source)),
        steps: stepStates.parse(JSON.parse(steps)),
        cause: cause === null ? null : restoreRemark.parse(JSON.parse(cause)),
        report: report === null ? null : restoreReport.parse(JSON.parse(report)),
        progress: null,
        mayCancel,
        mayUndo: false,
      },
      details: details.parse(JSON.parse(text)),
    };
  }
}

function withStep(
  { restoration }: RestoreEntry,
  step: RestoreStep,
  change: Partial<Restoration['steps'][number]>,
): Restoration['steps'] {
  return restoration.steps.map((state) => (state.step === step ? { ...state, ...change } : state));
}
