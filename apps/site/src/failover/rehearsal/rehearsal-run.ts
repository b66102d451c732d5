/** One test of the standby, from its copy to its end: what the page shows of it, and the program that serves it. */
import type { RehearsalReport, RehearsalStart, RehearsalStep } from '@bascule/protocol/rehearsal.ts';
import { REHEARSAL_STEPS } from '@bascule/protocol/rehearsal.ts';
import type { Log } from '@bascule/log/log.ts';
import type { PairParts } from '../pair-parts.ts';
import { RehearsalChild } from './rehearsal-child.ts';
import { makeScratch, scratchStart, type RehearsalNames } from './rehearsal-scratch.ts';

/** Copies of large databases, and migrations on them, take their time. */
const OPEN_LIMIT_MS = 15 * 60_000;

export interface RunOrder {
  rehearsal: string;
  by: string;
  users: { id: string; name: string }[];
  clients: { id: string; name: string }[];
  names: RehearsalNames;
  lifeMs: number;
}

export interface RunOptions {
  order: RunOrder;
  startedAtMs: number;
  changed(): void;
  /** Its program has ended by itself. */
  gone(why: string): void;
  log: Log;
}

export class RehearsalRun {
  readonly order: RunOrder;
  readonly startedAtMs: number;
  /** Counted from the moment at which the copy is there. */
  endsAtMs: number;
  state: 'preparing' | 'open' | 'ending' = 'preparing';
  /** Why it ends. */
  reason = '';
  hasFailed = false;
  /** Its program listened once. */
  wasOpened = false;
  /** The end of `prepare`, however it ended. */
  prepared: Promise<unknown> = Promise.resolve();
  /** Nothing of it serves any more. */
  over: Promise<void> | undefined;
  /** As the primary shows them. */
  primarySteps: RehearsalStep[] = [];
  readonly #options: RunOptions;
  #steps: RehearsalStep[] = [];
  #connected = new Set<string>();
  #child: RehearsalChild | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
    this.order = options.order;
    this.startedAtMs = options.startedAtMs;
    this.endsAtMs = options.startedAtMs + options.order.lifeMs;
  }

  get isEnding(): boolean {
    return this.state === 'ending';
  }

  get child(): RehearsalChild | undefined {
    return this.#child;
  }

  /** Steps of this side. */
  get steps(): RehearsalStep[] {
    return this.#steps;
  }

  /** Those of both sides, in their order. */
  get allSteps(): RehearsalStep[] {
    const own = new Set(this.#steps.map(({ code }) => code));
    const all = [...this.#steps, ...this.primarySteps.filter(({ code }) => !own.has(code))];
    return all.toSorted((one, other) => REHEARSAL_STEPS.indexOf(one.code) - REHEARSAL_STEPS.indexOf(other.code));
  }

  get clients(): RehearsalReport['clients'] {
    return this.order.clients.map(({ id, name }) => ({ id, name, connected: this.#connected.has(id) }));
  }

  /** Makes the copy and opens it. Rejects with what is wrong; when it was ended meanwhile too. Its figures. */
  async prepare({ config, database, now }: PairParts): Promise<{ openMs: number; migrations: number }> {
    await this.step('copy', 'A scratch copy of the site is made', async () => {
      const { store } = database;
      if (store === undefined) throw new Error('there is no copy of the site any more');
      await makeScratch(config, store);
      if (this.isEnding) throw new Error(this.reason);
    });
    return await this.step('open', 'The copy opens as a site, and its migrations apply', async () => {
      if (this.isEnding) throw new Error(this.reason);
      this.endsAtMs = now() + this.order.lifeMs;
      const child = new RehearsalChild({
        start: this.#start(scratchStart(config, this.order.names)),
        log: this.#options.log,
        clientsChanged: (connected) => {
          this.#connected = new Set(connected);
          this.#options.changed();
        },
        gone: (why) => this.#options.gone(why),
      });
      this.#child = child;
      const ready = await child.ready(OPEN_LIMIT_MS);
      if (this.isEnding) throw new Error(this.reason);
      this.wasOpened = true;
      this.state = 'open';
      return ready;
    });
  }

  /** Does `work` as a step that is shown; again if it was done before. */
  async step<T>(code: RehearsalStep['code'], text: string, work: () => Promise<T>): Promise<T> {
    const show = (outcome: RehearsalStep['outcome'], said = text) => {
      this.#steps = [...this.#steps.filter((one) => one.code !== code), { code, outcome, text: said.slice(0, 1000) }];
      this.#options.changed();
    };
    show('running');
    try {
      const done = await work();
      show('passed');
      return done;
    } catch (error) {
      show('failed', `${text}: ${error instanceof Error ? error.message : String(error)}`);
      throw error;
    }
  }

  #start(site: RehearsalStart['site']): RehearsalStart {
    const { rehearsal, by, clients } = this.order;
    return { mode: 'serve', rehearsal, by, site, clients, endsAtMs: this.endsAtMs };
  }
}
