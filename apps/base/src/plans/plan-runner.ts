/** Runs one plan: puts inputs into the pure core, writes down what comes out, and only then carries out its effects, one at a time. */
import { must } from '@bascule/core/must.ts';
import type { Log } from '@bascule/log/log.ts';
import { SYSTEM, type AuditEvent, type Context } from '@bascule/store/store.ts';
import type { Effect, Input, PlanRecord } from './plan-contract.ts';
import { step } from './plan-core.ts';
import { isOver, shownState } from './plan-state.ts';
import { planCameOn, planEnded, planOrdered } from './plan-events.ts';
import { isWorthWriting, withEnd, type PlanJournal, type StoredPlan } from './plan-journal.ts';
import type { Performed, PlanPorts, Task } from './plan-ports.ts';

/** When the journal could not be written, the same is done again after this. */
export const JOURNAL_AGAIN_MS = 5_000;

export interface RunnerOptions {
  plan: StoredPlan;
  journal: PlanJournal;
  ports: PlanPorts;
  perform(ports: PlanPorts, task: Task): Promise<Performed>;
  /** Called after each change; the plan is over when `isOver` says so. */
  onChange(): void;
  log: Log;
  now(): number;
}

type Perform = Extract<Effect, { kind: 'perform' }>;

export class PlanRunner {
  readonly #options: RunnerOptions;
  #record: PlanRecord;
  /** Performances one after the other: what takes a step back begins when its action is through. */
  #last: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#record = options.plan.record;
  }

  get id(): string {
    return this.#options.plan.id;
  }
  get record(): PlanRecord {
    return this.#record;
  }

  /** A person's order. Throws what the core refuses, and what the journal throws; nothing has changed then. */
  order(by: Context, input: Exclude<Input, { kind: 'performed' | 'restarted' }>): void {
    const at = this.#record.core.steps[this.#record.core.at]?.number ?? 0;
    const event = planOrdered({ plan: this.id, planKind: this.#record.kind, order: input.kind, step: at });
    this.#put(input, by, event);
  }

  /** After a restart of base: asks again for what may or may not have been done. */
  resume(): void {
    this.#try({ kind: 'restarted', atMs: this.#options.now() });
  }

  /** Base goes down: nothing is ended, and what is under way is not waited for. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** Resolves when what is being performed now has been. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #put(input: Input, by: Context, event?: AuditEvent, found: Partial<PlanRecord> = {}): void {
    const before = this.#record;
    const { state, effects } = step(before.core, input);
    const startedAtMs = before.startedAtMs ?? (state.mode === 'shown' ? null : input.atMs);
    const next = withEnd({ ...before, ...found, startedAtMs, core: state }, input.atMs);
    if (event !== undefined || isWorthWriting(before, next))
      this.#options.journal.write(by, event ?? this.#event(next), { id: this.id, record: next });
    this.#record = next;
    for (const effect of effects) if (effect.kind === 'perform') this.#schedule(effect);
    this.#options.onChange();
  }

  #event({ kind, core }: PlanRecord): AuditEvent {
    const state = shownState(core);
    if (isOver(core)) return planEnded({ plan: this.id, planKind: kind, outcome: state });
    return planCameOn({ plan: this.id, step: must(core.steps[core.at], 'the step').number, state: `${state} ${core.phase}` });
  }

  #schedule(effect: Perform): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#last = this.#last.then(() => this.#perform(effect));
    }, effect.afterMs);
  }

  async #perform({ token, step: number, part, attempt }: Perform): Promise<void> {
    const { core } = this.#record;
    // A person has decided otherwise while it stood in line.
    if (this.#isClosed || core.token !== token) return;
    const current = must(
      core.steps.find((candidate) => candidate.number === number),
      'the step',
    );
    const waitedMs = core.waitsSinceMs === null ? 0 : Math.max(0, this.#options.now() - core.waitsSinceMs);
    const { ports, now } = this.#options;
    const task = { plan: this.id, record: this.#record, step: current, part, attempt, waitedMs };
    const { measured, report, ...outcome } = await this.#options.perform(ports, task);
    if (this.#isClosed) return;
    const found: Partial<PlanRecord> = {
      measured: { ...this.#record.measured, ...measured, withoutServiceMs: ports.withoutServiceMs() },
      report: report ?? this.#record.report,
    };
    this.#try({ kind: 'performed', token, outcome, atMs: now() }, found);
  }

  /** What the runner does by itself must not end base: a disk that takes nothing now takes it later. */
  #try(input: Input, found: Partial<PlanRecord> = {}): void {
    try {
      this.#put(input, SYSTEM, undefined, found);
    } catch (error) {
      this.#options.log.error({ err: error, plan: this.id }, 'plan.journal-not-written');
      if (this.#isClosed) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#try({ ...input, atMs: this.#options.now() }, found), JOURNAL_AGAIN_MS);
    }
  }
}
