import { EventEmitter } from 'node:events';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Mirror, UpdateClient } from '@bascule/package-format/update-client.ts';
import type { ClockState, UpdateSettings } from '@bascule/protocol/api/updates.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { explainFailure } from './updates-errors.ts';
import { updatesChecked } from './updates-events.ts';
import { askForOffers } from './updates-question.ts';
import { readCheck, writeCheck, type CheckResult } from './updates-store.ts';

/** Metadata is small; a server that takes longer is given up. */
export const CHECK_WAIT_MS = 120_000;
/** The first look by itself is so long after the start, so that a fleet that came back together does not ask together. */
export const FIRST_CHECK_WAIT_MS = { least: 60_000, most: 10 * 60_000 };
/** Looks come up to this part earlier or later than set. */
export const CHECK_JITTER = 0.1;
/** After a look that failed the next comes sooner than set, but not sooner than this. */
export const CHECK_RETRY_MS = 60 * 60_000;
const HOUR_MS = 60 * 60_000;

export interface UpdateCheckerOptions {
  store: Store;
  client: UpdateClient;
  mirror(): Mirror | undefined;
  settings(): UpdateSettings;
  question(): Parameters<typeof askForOffers>[1];
  clock: { now(): number; state(): ClockState };
  log: Log;
  random?: (() => number) | undefined;
}

/** Looks for updates: verified metadata first, then what the update server says about this appliance. By button and by itself. */
export class UpdateChecker extends EventEmitter<{ change: []; checked: [] }> {
  readonly #options: UpdateCheckerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStarted = false;

  constructor(options: UpdateCheckerOptions) {
    super();
    this.#options = options;
  }

  get isChecking(): boolean {
    return this.#running !== undefined;
  }

  start(): void {
    this.#isStarted = true;
    const { least, most } = FIRST_CHECK_WAIT_MS;
    this.plan(least + this.#random() * (most - least));
  }

  async stop(): Promise<void> {
    this.#isStarted = false;
    clearTimeout(this.#timer);
    this.#stopping.abort();
    await this.#running?.catch(() => undefined);
  }

  /** Sets the next look by itself, `leastWaitMs` away or more; none when the settings want none. */
  plan(leastWaitMs = 0): void {
    clearTimeout(this.#timer);
    const { checkEveryHours, serverUrl } = this.#options.settings();
    if (!this.#isStarted || checkEveryHours === 0 || serverUrl === '') return;
    const last = readCheck(this.#options.store);
    const everyMs = checkEveryHours * HOUR_MS * (1 - CHECK_JITTER + 2 * CHECK_JITTER * this.#random());
    const waitMs = last?.error != null ? Math.min(everyMs, CHECK_RETRY_MS) : everyMs;
    const dueInMs = last === undefined ? 0 : last.atMs + waitMs - this.#options.clock.now();
    this.#timer = setTimeout(() => this.#byItself(), Math.max(dueInMs, leastWaitMs, 1_000)).unref();
  }

  /** Throws `UPDATES_NO_SERVER` or `UPDATES_NOT_TRUSTED`: what must be set first. */
  assertPossible(): Mirror {
    const mirror = this.#options.mirror();
    if (mirror === undefined)
      throw new AppError(
        'conflict',
        'UPDATES_NO_SERVER',
        'No update server is set. Set one under Updates > Settings, or bring packages by hand with an appliance download key.',
      );
    if (this.#options.client.trust() === undefined)
      throw new AppError(
        'conflict',
        'UPDATES_NOT_TRUSTED',
        'No update root is confirmed yet. Compare its SHA-256 with what the publisher says, and confirm it under Updates > Settings.',
      );
    return mirror;
  }

  /** Looks now. One look at a time: who asks meanwhile gets the same. Throws what `assertPossible` throws, and the explained failure. */
  check(context: Context): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    let mirror: Mirror;
    try {
      mirror = this.assertPossible();
    } catch (error) {
      return Promise.reject(error);
    }
    this.#running = this.#check(context, mirror).finally(() => {
      this.#running = undefined;
      this.plan();
      this.emit('change');
    });
    this.emit('change');
    return this.#running;
  }

  #byItself(): void {
    this.check(SYSTEM).then(
      () => undefined,
      (error: unknown) => {
        this.#options.log.warn({ err: error }, 'updates.check-failed');
        this.plan(CHECK_RETRY_MS);
      },
    );
  }

  async #check(context: Context, mirror: Mirror): Promise<void> {
    const { client, settings, question, clock, store } = this.#options;
    const { serverUrl } = settings();
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(CHECK_WAIT_MS)]);
    const before = readCheck(store);
    let hasMetadata = false;
    try {
      const { validUntilMs } = await client.refresh(mirror, signal);
      hasMetadata = true;
      const answer = await askForOffers(serverUrl, question(), signal);
      this.#note(context, mirror, {
        ...this.#result(),
        error: null,
        validUntilMs,
        maintainedUntilMs: answer?.maintainedUntilMs ?? null,
        offeredFromMs:
          answer === undefined ? null : Object.fromEntries(answer.offers.map(({ target, fromMs }) => [target, fromMs])),
      });
    } catch (error) {
      if (this.#stopping.signal.aborted) throw error;
      const failure = explainFailure(error, clock.state(), serverUrl);
      this.#note(context, mirror, {
        ...this.#result(),
        error: failure,
        // What was known stays known: packages that are here can still be installed.
        validUntilMs: before?.validUntilMs ?? null,
        maintainedUntilMs: before?.maintainedUntilMs ?? null,
        // Releases that are known now, but of which the server did not say that this appliance may have them, are not offered.
        offeredFromMs: before?.offeredFromMs ?? (hasMetadata || before === undefined ? {} : null),
      });
      throw new AppError('unavailable', failure.code, `${failure.message} ${failure.advice}`, { cause: error });
    }
    this.emit('checked');
  }

  #result(): Pick<CheckResult, 'atMs' | 'source'> {
    return { atMs: Math.floor(this.#options.clock.now()), source: 'server' };
  }

  #note(context: Context, mirror: Mirror, result: CheckResult): void {
    const outcome = result.error === null ? 'found what there is' : result.error.code;
    this.#options.store.transact(context, updatesChecked({ source: mirror.describe(), outcome }), (tx) => writeCheck(tx, result));
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}
