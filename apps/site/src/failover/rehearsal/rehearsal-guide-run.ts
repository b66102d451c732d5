/** One test of the standby with people and clients, as the primary leads it (B133; pair.md, 9): what the backup does is looked for, and what the primary does comes between. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalState } from '@bascule/protocol/api/failover.ts';
import {
  REHEARSAL_LOOK_EVERY_MS,
  REHEARSAL_STEPS,
  REHEARSAL_WATCH_LIMIT_MS,
  type RehearsalOrder,
  type RehearsalReport,
  type RehearsalStep,
} from '@bascule/protocol/rehearsal.ts';
import type { NameLook } from './rehearsal-guide-name.ts';

/** Copy and opening together: the copy of a large site takes minutes. */
const PREPARE_LIMIT_MS = 30 * 60_000;
/** Within this the chosen clients have their second link; who comes later is in the test all the same. */
const CLIENTS_LIMIT_MS = 30_000;
const SESSION_LIMIT_MS = 120_000;
/** The backup ends a test by itself when its time is over; so long after it the primary does. */
const LATE_MS = 10_000;

/** Shorter for tests. */
export interface RehearsalTiming {
  lookEveryMs?: number;
  watchLimitMs?: number;
  clientsLimitMs?: number;
}

export interface Chosen {
  id: string;
  name: string;
}

export interface LedRehearsalOptions {
  id: string;
  users: Chosen[];
  clients: Chosen[];
  lifeMs: number;
  /** Gives an order about this test to the backup. Throws what it refuses, and `PAIR_UNREACHABLE`. */
  say(order: RehearsalOrder): Promise<RehearsalReport | undefined>;
  lookAtName(): Promise<NameLook>;
  /** Tells a client to hold a second link; false when it cannot. */
  tellClient(clientId: string): boolean;
  /** The scratch copy is open: the chosen people may enter. */
  opened(): void;
  /** All steps are done: `fault` is the first that failed. */
  tested(fault: string | undefined): void;
  /** The page would show something else. */
  changed(): void;
  log: Log;
  now(): number;
  timing?: RehearsalTiming | undefined;
}

export class LedRehearsal {
  readonly #options: LedRehearsalOptions;
  readonly #startedAtMs: number;
  readonly #steps = new Map<RehearsalStep['code'], RehearsalStep>();
  /** Why clients have no second link, as they said. */
  readonly #reasons = new Map<string, string>();
  #news = Promise.withResolvers<void>();
  #report: RehearsalReport | undefined;
  #isOpen = false;
  /** Why it ends, once it does. */
  #ending: string | undefined;
  #isOver = false;

  constructor(options: LedRehearsalOptions) {
    this.#options = options;
    this.#startedAtMs = options.now();
  }

  get id(): string {
    return this.#options.id;
  }

  get clients(): readonly Chosen[] {
    return this.#options.clients;
  }

  /** Whether the chosen people may be in it. */
  get isOpen(): boolean {
    return this.#isOpen && this.#ending === undefined;
  }

  get endsAtMs(): number {
    return this.#report?.endsAtMs ?? this.#startedAtMs + this.#options.lifeMs;
  }

  get steps(): RehearsalStep[] {
    const theirs = new Map(this.#report?.steps.map((step) => [step.code, step]));
    return REHEARSAL_STEPS.flatMap((code) => this.#steps.get(code) ?? theirs.get(code) ?? []);
  }

  get state(): RehearsalState {
    const hasFailed = this.steps.some(({ outcome }) => outcome !== 'passed') || this.steps.length < REHEARSAL_STEPS.length;
    return {
      state: this.#isOver ? (hasFailed ? 'failed' : 'closed') : this.isOpen ? 'open' : 'preparing',
      startedAtMs: this.#startedAtMs,
      endsAtMs: this.endsAtMs,
      users: this.#options.users.map(({ name }) => name),
      clients: this.#options.clients.map(({ name }) => name),
      steps: this.steps,
    };
  }

  /** A client came back to the primary: it is told again, which changes nothing where it was told before. */
  clientCame(clientId: string): void {
    if (!this.#steps.has('clients') || this.#ending !== undefined) return;
    if (this.#options.clients.some(({ id }) => id === clientId)) this.#options.tellClient(clientId);
  }

  /** A client says whether its second link stands. */
  clientSaid(clientId: string, isConnected: boolean, reason: string | undefined): void {
    if (isConnected || reason === undefined) this.#reasons.delete(clientId);
    else this.#reasons.set(clientId, reason);
  }

  /** Ends it, for this reason; the first one counts. */
  end(reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = reason;
    this.#tellNews();
  }

  /** Leads it from the begun copy to its end, and gives the reason why it ended: nobody is in it any more then. Never throws. */
  async lead(): Promise<string> {
    const looking = this.#keepLooking();
    try {
      await this.#until(({ state }) => state === 'open', PREPARE_LIMIT_MS, 'The scratch copy was not open in time.');
      await this.#step('name', async () => this.#options.lookAtName());
      await this.#step('clients', async () => this.#linkClients());
      await this.#testSession();
      const fault = this.steps.find(({ outcome }) => outcome === 'failed');
      this.#options.tested(fault?.text);
      this.#isOpen = true;
      this.#options.opened();
      this.#options.changed();
      await this.#until(() => false, this.#options.lifeMs + LATE_MS, 'Its time was over.');
    } catch (error) {
      this.#ending ??= error instanceof AppError ? error.message : String(error);
      if (!this.#isOpen) this.#options.tested(this.#ending);
      this.#options.log.info({ reason: this.#ending }, 'failover.rehearsal-ending');
    }
    this.#isOver = true;
    this.#tellNews();
    await looking;
    this.#options.changed();
    return this.#ending ?? '';
  }

  async #linkClients(): Promise<NameLook> {
    const { clients, tellClient, timing } = this.#options;
    for (const { id } of clients) if (!tellClient(id)) this.#reasons.set(id, 'it is not connected, or its version knows no test');
    const isLinked = (id: string) => this.#report?.clients.some((one) => one.id === id && one.connected) === true;
    await this.#until(
      () => clients.every(({ id }) => isLinked(id)),
      timing?.clientsLimitMs ?? CLIENTS_LIMIT_MS,
      'Not all are connected.',
    ).catch((error: unknown) => {
      if (this.#ending !== undefined) throw error;
    });
    const missing = clients.filter(({ id }) => !isLinked(id));
    const named = missing.map(({ id, name }) => (this.#reasons.has(id) ? `${name} (${this.#reasons.get(id)})` : name));
    return missing.length === 0
      ? { isFine: true, text: `Connected to the scratch copy: ${clients.map(({ name }) => name).join(', ')}.` }
      : { isFine: false, text: `Not connected to the scratch copy: ${named.join(', ')}.` };
  }

  /** The backup makes it, and its report says what came of it. */
  async #testSession(): Promise<void> {
    await this.#options.say({ kind: 'test-session', rehearsal: this.id });
    const outcome = () => this.#report?.steps.find(({ code }) => code === 'session')?.outcome ?? 'running';
    await this.#until(() => outcome() !== 'running', SESSION_LIMIT_MS, 'The test session was not over in time.');
  }

  async #step(code: RehearsalStep['code'], work: () => Promise<NameLook>): Promise<void> {
    const show = (outcome: RehearsalStep['outcome'], text: string) => {
      this.#steps.set(code, { code, outcome, text: text.slice(0, 1000) });
      this.#options.changed();
    };
    show('running', '');
    try {
      const { isFine, text } = await work();
      show(isFine ? 'passed' : 'failed', text);
    } catch (error) {
      show('failed', error instanceof AppError ? error.message : 'It was not done: the test ended.');
      throw error;
    }
  }

  /** Resolves when the backup's report is as wanted. Throws when the test ends first, or `limitMs` are over. */
  async #until(isSo: (report: RehearsalReport) => boolean, limitMs: number, late: string): Promise<void> {
    const endMs = performance.now() + limitMs;
    for (;;) {
      if (this.#ending !== undefined) throw new AppError('unavailable', 'REHEARSAL_OVER', this.#ending);
      if (this.#report !== undefined && isSo(this.#report)) return;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new AppError('unavailable', 'REHEARSAL_LATE', late);
      await this.#nextNews(leftMs);
    }
  }

  async #nextNews(limitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
    await Promise.race([this.#news.promise, late]);
    clearTimeout(timer);
  }

  #tellNews(): void {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers<void>();
    resolve();
  }

  /** Asks the backup how it is until the test is over: it ends by itself when nobody does. */
  async #keepLooking(): Promise<void> {
    const { lookEveryMs = REHEARSAL_LOOK_EVERY_MS, watchLimitMs = REHEARSAL_WATCH_LIMIT_MS } = this.#options.timing ?? {};
    let heardMs = performance.now();
    while (!this.#isOver) {
      try {
        const own = [...this.#steps.values()];
        const report = await this.#options.say({ kind: 'look', rehearsal: this.id, steps: own });
        heardMs = performance.now();
        if (report !== undefined) this.#heard(report);
      } catch (error) {
        this.#options.log.debug({ err: error }, 'failover.rehearsal-not-seen');
        if (performance.now() - heardMs > watchLimitMs) this.end('The backup did not answer any more.');
      }
      if (!this.#isOver) await this.#pause(lookEveryMs);
    }
  }

  /** Between two looks; a test that is over needs no more. */
  async #pause(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!this.#isOver && performance.now() < endMs) await this.#nextNews(Math.max(0, endMs - performance.now()));
  }

  #heard(report: RehearsalReport): void {
    const isNew = JSON.stringify(report) !== JSON.stringify(this.#report);
    const wasOpen = this.#report?.state === 'open';
    this.#report = report;
    if (report.state === 'failed') this.end(report.reason ?? 'The scratch copy failed.');
    else if (report.state === 'closed' || report.state === 'ending' || (report.state === 'none' && wasOpen))
      this.end(report.reason ?? 'The backup ended it.');
    else if (report.state === 'none') this.end('The backup knows nothing of it: it was started anew.');
    if (!isNew) return;
    this.#tellNews();
    this.#options.changed();
  }
}
