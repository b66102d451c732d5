/** Works at one upgrade order at a time, from `upgrade` to `upgrade-noted`, over any number of restarts (docs/spec/client-supervisor.md, section 5). */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import type { Log } from '@bascule/log/log.ts';
import { upgradeOrder, type ClientBundleAbout, type UpgradeOrder, type UpgradeReport } from '@bascule/protocol/client-program.ts';
import { prepareCandidate } from './candidate.ts';
import { downloadParcel } from './parcel-download.ts';
import type { Outcome, ProgramFolder } from './program-folder.ts';
import { UpgradeError } from './upgrade-error.ts';

/** Starts of this program that go on with one order: whatever ends the program again and again must not go on for ever. */
const ORDER_STARTS_LIMIT = 10;
/** Progress is told at most this often. */
const PROGRESS_EVERY_MS = 2000;
const REASON_MAX_CHARACTERS = 500;

/** `state/order.json`: the order at work, and how many starts of this program have worked at it. */
const orderFile = z.object({ order: upgradeOrder, starts: z.number().int().nonnegative() });

export interface UpgraderContext {
  folder: ProgramFolder;
  /** The program that runs now. */
  running: ClientBundleAbout;
  /** The client's home: what is at work is kept there. */
  stateDirectory: string;
  /** This start is a trial: nothing is begun, and the outcome is the supervisor's to say. */
  trial: boolean;
  dial(signal: AbortSignal): Promise<TLSSocket>;
  /** Sends on the control link; false when there is none. */
  report(report: UpgradeReport): boolean;
  /** No session is live. */
  isIdle(): boolean;
  /** Resolves when the last session is gone. */
  whenIdle(signal: AbortSignal): Promise<void>;
  /** Hands over to the supervisor, which stops this program. */
  try(attempt: { folder: string; order: string; version: string; healthSeconds: number }): void;
  log: Log;
}

export class Upgrader {
  readonly #context: UpgraderContext;
  #work: { order: UpgradeOrder; abort: AbortController; done: Promise<void> } | undefined;
  #status: UpgradeReport | undefined;
  #isTrying = false;
  #isTrial: boolean;
  #progressToldMs = 0;
  /** When the disk would not take it. */
  #unstoredOutcome: Outcome | undefined;

  constructor(context: UpgraderContext) {
    this.#context = context;
    this.#isTrial = context.trial;
  }

  /** For `hello`: the outcome that the site has not noted, else what is being done. */
  get status(): UpgradeReport | undefined {
    return this.#outcome() ?? this.#status ?? this.#trialStatus();
  }

  /** An order is being worked at, or an outcome is not noted yet. */
  get busy(): boolean {
    return this.status !== undefined;
  }

  /** The supervisor has been asked to stop this program: new sessions are for the next one. */
  get isTrying(): boolean {
    return this.#isTrying;
  }

  /** The link is there: an order that a restart cut short goes on, and what came of the last one is told. */
  linkAccepted(): void {
    if (this.#isTrial) return;
    const outcome = this.#outcome();
    if (outcome !== undefined) this.#context.report(outcome);
    if (this.#work !== undefined) return;
    const stored = this.#storedOrder();
    if (stored === undefined) return;
    if (outcome !== undefined) this.#forgetOrder();
    else if (stored.starts < ORDER_STARTS_LIMIT) this.#begin(stored.order, stored.starts + 1);
    else
      this.#settle(stored.order, new UpgradeError('other', `This program ended ${stored.starts} times while it worked at it.`));
  }

  /** An order came; the same one again changes nothing. */
  ordered(order: UpgradeOrder): void {
    const outcome = this.#outcome();
    if (outcome?.order === order.order || this.#work?.order.order === order.order) {
      if (this.status) this.#context.report(this.status);
      return;
    }
    if (this.#isTrying || this.#isTrial) return;
    this.#work?.abort.abort();
    this.#forgetOutcome();
    this.#begin(order, 1);
  }

  /** The order is void, unless its program is being tried already. */
  cancelled(order: string): void {
    if (this.#work?.order.order !== order || this.#isTrying) return;
    this.#work.abort.abort();
    this.#work = undefined;
    this.#status = undefined;
    this.#forgetOrder();
    this.#context.log.info({ order }, 'upgrade-cancelled');
  }

  /** The site knows the outcome. */
  noted(order: string): void {
    if (this.#outcome()?.order !== order) return;
    this.#forgetOutcome();
    this.#status = undefined;
    this.#safely(() => this.#context.folder.removeUnneeded());
  }

  /** The supervisor has made this candidate the current program. */
  committed(): void {
    this.#isTrial = false;
    const outcome = this.#outcome();
    this.#forgetOrder();
    if (outcome !== undefined) this.#context.report(outcome);
    this.#safely(() => this.#context.folder.removeUnneeded());
  }

  tryRefused(order: string, reason: string): void {
    if (!this.#isTrying || this.#work?.order.order !== order) return;
    this.#isTrying = false;
    this.#settle(this.#work.order, new UpgradeError('other', reason));
  }

  close(): void {
    this.#work?.abort.abort();
  }

  #begin(order: UpgradeOrder, starts: number): void {
    const abort = new AbortController();
    this.#safely(() => writeFileDurablySync(this.#orderFile, JSON.stringify({ order, starts })));
    this.#context.log.info({ order: order.order, version: order.version }, 'upgrade-ordered');
    const work = { order, abort, done: Promise.resolve() };
    this.#work = work;
    work.done = this.#run(order, abort.signal).catch((error: unknown) => {
      if (!abort.signal.aborted) this.#settle(order, UpgradeError.from(error, 'other'));
    });
  }

  async #run(order: UpgradeOrder, signal: AbortSignal): Promise<void> {
    const { folder, running, stateDirectory, log, dial, try: attempt } = this.#context;
    const runningArchive = folder.archiveOf(folder.pointer('current') ?? '');
    if (runningArchive === order.sha256) return this.#settle(order, 'done');
    this.#say(order, { state: 'downloading', receivedBytes: 0 });
    const bundle = await prepareCandidate(order, {
      folder,
      running,
      updatesDirectory: join(stateDirectory, 'updates'),
      fetch: (parcel) =>
        downloadParcel(parcel, {
          directory: join(stateDirectory, 'parcels'),
          dial,
          signal,
          onProgress: (receivedBytes) => this.#sayProgress(order, receivedBytes),
        }),
      onVerifying: () => this.#say(order, { state: 'verifying' }),
      signal,
      log,
    });
    if (!this.#context.isIdle()) this.#say(order, { state: 'waiting-for-session' });
    while (!this.#context.isIdle()) await this.#context.whenIdle(signal);
    signal.throwIfAborted();
    this.#isTrying = true;
    // From here on trial.json says what is at work. Were the order kept, a candidate that failed might be tried again and again on a disk that takes no outcome.
    this.#forgetOrder();
    this.#say(order, { state: 'restarting' });
    const { order: id, version, healthSeconds } = order;
    attempt({ folder: bundle, order: id, version, healthSeconds });
  }

  #sayProgress(order: UpgradeOrder, receivedBytes: number): void {
    if (performance.now() - this.#progressToldMs < PROGRESS_EVERY_MS) {
      if (this.#status?.state === 'downloading') this.#status = { ...this.#status, receivedBytes };
      return;
    }
    this.#say(order, { state: 'downloading', receivedBytes });
  }

  #say({ order, version }: UpgradeOrder, what: Pick<UpgradeReport, 'state' | 'receivedBytes'>): void {
    this.#progressToldMs = performance.now();
    this.#status = { order, version, ...what, atMs: Date.now() };
    this.#context.report(this.#status);
    if (what.state !== 'downloading') this.#context.log.info({ order, version, state: what.state }, 'upgrade');
  }

  /** The order ended here, before any candidate was started, or because it runs already. */
  #settle({ order, version }: UpgradeOrder, end: 'done' | UpgradeError): void {
    const outcome: Outcome =
      end === 'done'
        ? { order, version, state: 'done', atMs: Date.now() }
        : {
            order,
            version,
            state: 'failed',
            failure: end.failure,
            reason: end.message.slice(0, REASON_MAX_CHARACTERS),
            atMs: Date.now(),
          };
    this.#work = undefined;
    this.#status = outcome;
    this.#unstoredOutcome = outcome;
    this.#safely(() => {
      this.#context.folder.storeOutcome(outcome);
      this.#unstoredOutcome = undefined;
    });
    this.#forgetOrder();
    this.#context.report(outcome);
    const { state, failure, reason } = outcome;
    if (end === 'done') this.#context.log.info({ order, version }, 'upgrade-done');
    else this.#context.log.warn({ order, version, state, failure, reason }, 'upgrade-failed');
  }

  /** Of a candidate. */
  #trialStatus(): UpgradeReport | undefined {
    const trial = this.#isTrial ? this.#context.folder.trial() : undefined;
    return trial && { order: trial.order, version: trial.version, state: 'restarting', atMs: Date.now() };
  }

  #outcome(): Outcome | undefined {
    return this.#unstoredOutcome ?? this.#context.folder.outcome();
  }

  #forgetOutcome(): void {
    this.#unstoredOutcome = undefined;
    this.#safely(() => this.#context.folder.forgetOutcome());
  }

  get #orderFile(): string {
    return join(this.#context.stateDirectory, 'order.json');
  }

  #storedOrder(): z.infer<typeof orderFile> | undefined {
    try {
      return orderFile.parse(JSON.parse(readFileSync(this.#orderFile, 'utf8')));
    } catch {
      return undefined;
    }
  }

  #forgetOrder(): void {
    this.#safely(() => rmSync(this.#orderFile, { force: true }));
  }

  /** A full or failing disk must not end the program: the site orders anew. */
  #safely(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#context.log.warn({ reason: (error as Error).message }, 'upgrade-not-stored');
    }
  }
}
