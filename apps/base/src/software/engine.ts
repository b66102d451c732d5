import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Installation, InstallationStep, VerificationLine } from '@bascule/protocol/api/updates.ts';
import type { Context } from '@bascule/store/store.ts';
import { baseProcedure } from './engine-base.ts';
import {
  ENGINE_LIMITS,
  type EngineOptions,
  type InstallationEngine,
  type InstallationMail,
  type InstalledSoftware,
  type InstallRequest,
} from './engine-contract.ts';
import { installedSoftware } from './engine-installed.ts';
import { downloadProcedure, licenceProcedure, trialProcedure } from './engine-other.ts';
import * as requests from './engine-requests.ts';
import { decideResume, endOf } from './engine-resume.ts';
import { siteProcedure, type SiteParts } from './engine-site.ts';
import { readFaultPoint, type FaultPoint } from './fault-points.ts';
import { BaseStops, Cancelled, causeOf } from './installation-errors.ts';
import { removeSnapshotLeftovers } from './installation-packages.ts';
import { InstallationRun, stepsOf, type Procedure } from './installation-run.ts';
import { Journal, type Cause, type JournalEntry, type NewInstallation } from './journal.ts';
import { Removals } from './removals.ts';
import { Slots } from './slots.ts';
import { makeReserve } from './slots-durable.ts';
import { runVerification } from './verification.ts';

/** What takes back a failed installation is tried so often, with a wait in between. */
export const UNDO_TRIES = 5;
export const UNDO_WAIT_MS = 1_000;
/** The end is written again and again until the disk takes it. */
export const END_WAIT_MS = 2_000;
/** Progress is told no more often than this. */
const PROGRESS_INTERVAL_MS = 200;

/**
 * The update engine: one installation at a time, its steps written down before they are done, continued or undone after any crash. It ends in the old version
 * healthy or the new version healthy, wherever it was cut, with nobody's help (I3).
 */
export class Engine extends EventEmitter<{ change: [] }> implements InstallationEngine {
  readonly #options: EngineOptions;
  readonly #journal: Journal;
  readonly #slots: Slots;
  readonly #removals: Removals;
  readonly #faultPoint: FaultPoint | undefined;
  readonly #parts: SiteParts;
  #run: InstallationRun | undefined;
  #resumed: { entry: JournalEntry; from: InstallationStep; done: boolean } | undefined;
  /** What a restart cut and `resume` has taken back: ended when the site works. */
  #cut: { id: string; outcome: Ended; why: Cause } | undefined;
  #verifying: { id: string; lines: VerificationLine[] } | undefined;
  #toldAtMs = 0;
  #isStopped = false;

  constructor(options: EngineOptions) {
    super();
    this.#options = options;
    const { paths, store, log, host } = options;
    const now = options.now ?? Date.now;
    const reserve = join(paths.box, 'reserve');
    this.#removals = new Removals(log);
    this.#slots = new Slots(paths, this.#removals);
    this.#journal = new Journal({ store, logDirectory: join(paths.box, 'installations'), reserve, log, now });
    this.#faultPoint =
      options.faultPoint ??
      readFaultPoint({ fault: process.env['BASCULE_FAULT'], paths, processes: () => host.processes(), log });
    this.#parts = {
      ...options,
      slots: this.#slots,
      removals: this.#removals,
      limits: { ...ENGINE_LIMITS, ...options.limits },
      now,
    };
  }

  resume(): void {
    this.#slots.removeLeftovers();
    removeSnapshotLeftovers(this.#removals, this.#options.paths.snapshots);
    this.#makeReserve();
    const entry = this.#journal.open();
    if (entry === undefined) return this.#slots.removeTrial();
    const { id } = entry.installation;
    const decision = decideResume(entry, {
      baseFolder: this.#options.baseFolder,
      siteFolder: this.#slots.current('site')?.folder,
    });
    this.#journal.logs.write(id, `base started; the installation was at ${entry.installation.step}: ${decision.kind}`);
    if (decision.kind === 'go-on') this.#resumed = { entry, from: decision.from, done: decision.done };
    else if (decision.kind === 'leave') this.#leave(entry);
    else this.#takeBackCut(entry, decision.outcome, decision.cause);
  }

  continueAfterStart(): void {
    if (this.#cut !== undefined) void this.#endCut(this.#cut);
    this.#cut = undefined;
    if (this.#resumed === undefined) return;
    const { entry, from, done } = this.#resumed;
    this.#resumed = undefined;
    const { stoppedAtMs } = entry.details;
    if (stoppedAtMs !== null && entry.details.unavailableMs === null)
      this.#journal.note(entry.installation.id, { details: { unavailableMs: Math.max(0, this.#parts.now() - stoppedAtMs) } });
    void this.#work(entry, from, done);
  }

  stop(): void {
    this.#isStopped = true;
    this.#removals.stop();
    const run = this.#run;
    if (run === undefined) return;
    const { kind } = run.entry().installation;
    if (kind === 'base' && run.step === 'switch') run.note({ details: { stoppedAtMs: this.#parts.now() } });
    run.say('base stops');
    run.abort(new BaseStops());
  }

  install({ target, overrule, by }: InstallRequest): string {
    return this.#begin(by, () => requests.planInstall(this.#requestParts(), target, overrule));
  }

  download({ target, by }: { target: string; by: Context }): string {
    return this.#begin(by, () => requests.planDownload(this.#requestParts(), target));
  }

  trial({ target, by }: { target: string; by: Context }): string {
    return this.#begin(by, () => requests.planTrial(this.#requestParts(), target));
  }

  rollBack(kind: 'base' | 'site', by: Context): string {
    return this.#begin(by, () => requests.planRollBack(this.#requestParts(), kind));
  }

  cancel(id: string, by: Context): void {
    const { installation } = this.#journal.get(id);
    if (this.#run?.id !== id || !installation.mayCancel)
      throw new AppError(
        'conflict',
        'INSTALLATION_NOT_CANCELLABLE',
        'This installation cannot be cancelled any more: it has ended, or it is past the point of no return.',
      );
    this.#journal.note(id, { cancelRequestedBy: by.actor.name }, by);
    this.#run.say(`${by.actor.name} cancels`);
    this.#run.abort(new Cancelled(`${by.actor.name} asked for it`));
    this.emit('change');
  }

  acknowledge(id: string, by: Context): void {
    this.#journal.get(id);
    this.#journal.acknowledge(id, by);
    this.emit('change');
  }

  verifyAgain(by: Context): void {
    const last = this.#journal.lastInstalled();
    if (last === undefined) throw new AppError('conflict', 'INSTALLATION_NONE', 'Nothing was installed on this appliance yet.');
    if (this.#run !== undefined) throw isRunning();
    if (this.#verifying !== undefined) return;
    this.#journal.logs.write(last.installation.id, `${by.actor.name} has the verification list run again`);
    void this.#verify(last.installation.id);
  }

  running(): Installation | undefined {
    const installation = this.#journal.open()?.installation;
    return installation && (this.#run?.id === installation.id ? this.#run.live(installation) : installation);
  }

  rolledBack(): Installation | undefined {
    return this.#journal.rolledBack()?.installation;
  }

  lastInstalled(): Installation | undefined {
    const installation = this.#journal.lastInstalled()?.installation;
    if (installation === undefined || this.#verifying?.id !== installation.id) return installation;
    return { ...installation, verification: this.#verifying.lines };
  }

  history(limit: number): Installation[] {
    return this.#journal.history(limit).map(({ installation }) => installation);
  }

  logOf(id: string): string {
    this.#journal.get(id);
    return this.#journal.logs.read(id);
  }

  installed(): InstalledSoftware[] {
    return installedSoftware(this.#slots, this.#journal, this.#options.baseFolder);
  }

  #begin(by: Context, plan: () => Omit<NewInstallation, 'steps'>): string {
    // One at a time: so a site is never installed before its base has committed, nor the other way round.
    if (this.#run !== undefined || this.#journal.open() !== undefined) throw isRunning();
    this.#options.mayBegin?.();
    if (this.#isStopped)
      throw new AppError('unavailable', 'INSTALLATION_STOPPING', 'The appliance is stopping; try again when it is back.');
    const request = plan();
    const entry = this.#journal.start(by, { ...request, steps: stepsOf(this.#procedure(request, false)) });
    const { id, step, toVersion, kind, operation } = entry.installation;
    this.#journal.logs.write(id, `${by.actor.name} starts: ${operation} ${kind} ${toVersion} (${entry.installation.revision})`);
    void this.#work(entry, step, false);
    return id;
  }

  #requestParts(): requests.RequestParts {
    const { shelf, baseFolder } = this.#options;
    return { shelf, slots: this.#slots, journal: this.#journal, baseFolder };
  }

  #procedure({ kind, operation }: Pick<NewInstallation, 'kind' | 'operation'>, isResumed: boolean): Procedure {
    if (operation === 'download') return downloadProcedure(this.#parts);
    if (operation === 'trial') return trialProcedure(this.#parts);
    if (kind === 'licence') return licenceProcedure(this.#parts, this.#journal);
    if (kind === 'site') return siteProcedure(this.#parts, operation, isResumed);
    const { boot, baseFolder, restartBase } = this.#options;
    return baseProcedure({ ...this.#parts, boot, baseFolder: baseFolder ?? '', restartBase }, operation);
  }

  /** Does an installation from `from` on, to its end; never throws. */
  async #work(entry: JournalEntry, from: InstallationStep, done: boolean): Promise<void> {
    const { id } = entry.installation;
    const run = new InstallationRun(entry, this.#journal, this.#faultPoint, () => this.#changed());
    this.#run = run;
    const procedure = this.#procedure(entry.installation, done || from === 'drain' || from === 'watch' || from === 'commit');
    try {
      await run.work(procedure, from, done);
      await this.#end(id, procedure.outcome, null, []);
    } catch (error) {
      if (this.#isStopped) return;
      this.#options.log.error({ err: error, installation: id, step: run.step }, 'installation.failed');
      const why = causeOf(run.signal.aborted ? run.signal.reason : error, run.step);
      if (!(await this.#takeBack(run, procedure, why))) return;
    }
    this.#run = undefined;
    if (this.#isStopped) return;
    this.#afterwards(id);
  }

  /** Brings back what was before; false when another process ends the installation. */
  async #takeBack(run: InstallationRun, procedure: Procedure, why: Cause): Promise<boolean> {
    run.say(`${run.step} failed: ${why.message}`);
    try {
      run.note({ details: { undoing: why } });
    } catch (error) {
      // A disk that takes nothing: the pointer says enough.
      this.#options.log.error({ err: error }, 'installation.undo-not-noted');
    }
    for (let attempt = 1; attempt <= UNDO_TRIES && !this.#isStopped; attempt++) {
      try {
        if ((await procedure.undo(run, why)) === 'handed-over') return false;
        break;
      } catch (error) {
        this.#options.log.error({ err: error, attempt }, 'installation.undo-failed');
        run.say(
          `taking it back failed (attempt ${attempt} of ${UNDO_TRIES}): ${error instanceof Error ? error.message : String(error)}`,
        );
        await pause(UNDO_WAIT_MS);
      }
    }
    const { steps, operation } = run.entry().installation;
    const outcome =
      isChange(operation) && run.step !== 'download'
        ? endOf(why)
        : why.code === 'INSTALLATION_CANCELLED'
          ? 'cancelled'
          : 'failed';
    await this.#end(run.id, outcome, why, isChange(operation) ? steps.map(({ step }) => step) : []);
    return true;
  }

  /** Notes the end, as soon as the disk takes it. */
  async #end(id: string, outcome: Ended, why: Cause | null, undone: InstallationStep[]): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#journal.end(id, outcome, why, undone);
        this.#journal.logs.write(id, outcome);
        this.#mailEnd(id);
        return;
      } catch (error) {
        this.#options.log.error({ err: error, installation: id }, 'installation.end-not-noted');
        await pause(END_WAIT_MS);
      }
    }
  }

  #afterwards(id: string): void {
    this.emit('change');
    const { outcome, operation } = this.#journal.get(id).installation;
    const site = this.#slots.current('site')?.folder;
    if (isChange(operation)) {
      const removed = this.#slots.removeOld(this.#options.settings().keepVersions, { base: this.#options.baseFolder, site });
      for (const folder of removed) this.#journal.logs.write(id, `removed the old version ${folder}`);
    }
    this.#makeReserve();
    if (outcome === 'installed') void this.#verify(id);
  }

  async #verify(id: string): Promise<void> {
    const { installation, details } = this.#journal.get(id);
    const { host, paths, ownUrl } = this.#options;
    const versionOf = (kind: Installation['kind']): string | undefined =>
      this.installed().find((software) => software.kind === kind)?.version;
    const lines = await runVerification({ host, paths, ownUrl, versionOf }, installation, details, (soFar) => {
      this.#verifying = { id, lines: structuredClone(soFar) };
      this.emit('change');
    });
    this.#verifying = undefined;
    if (this.#isStopped) return;
    for (const { code, state, text } of lines) this.#journal.logs.write(id, `verification ${code}: ${state}, ${text}`);
    this.#journal.note(id, { verification: lines });
    this.emit('change');
  }

  /** This base was taken back, and died before it could end: boot starts the old one next. */
  #leave(entry: JournalEntry): void {
    const { fromFolder, previousFolder } = entry.details;
    if (fromFolder !== null) this.#slots.putBack('base', fromFolder, previousFolder);
    this.#slots.removeTrial();
    this.#options.restartBase();
  }

  /** Makes sure that the old version is what the pointers name, after a restart cut an installation. Its end is noted when that version works. */
  #takeBackCut({ installation, details }: JournalEntry, outcome: Ended, why: Cause): void {
    const { id, kind, operation } = installation;
    const { fromFolder, previousFolder } = details;
    if (isChange(operation) && kind !== 'licence' && fromFolder !== null && this.#slots.read(kind, fromFolder) !== undefined)
      this.#slots.putBack(kind, fromFolder, previousFolder);
    this.#slots.removeTrial();
    this.#journal.logs.write(id, why.message);
    this.#cut = { id, outcome, why };
    if (details.undoing !== null) return;
    try {
      this.#journal.note(id, { details: { undoing: why } });
    } catch (error) {
      // The site starts all the same; the pointer says enough.
      this.#options.log.error({ err: error, installation: id }, 'installation.undo-not-noted');
    }
  }

  async #endCut({ id, outcome, why }: { id: string; outcome: Ended; why: Cause }): Promise<void> {
    const { host } = this.#options;
    const found = await host.whenReady(this.#parts.limits.restoreMs);
    if (this.#isStopped) return;
    if (found !== 'ready') this.#journal.logs.write(id, `the site is not ready: ${host.failure ?? found}`);
    const { steps, operation } = this.#journal.get(id).installation;
    await this.#end(id, outcome, why, isChange(operation) ? steps.map(({ step }) => step) : []);
    if (!this.#isStopped) this.#afterwards(id);
  }

  #mailEnd(id: string): void {
    const { installation } = this.#journal.get(id);
    if (installation.operation === 'download' || installation.operation === 'trial') return;
    const event = MAILED[installation.outcome];
    if (event === undefined) return;
    try {
      this.#options.mail({ event, installation });
    } catch (error) {
      this.#options.log.error({ err: error }, 'installation.mail-failed');
    }
  }

  #makeReserve(): void {
    if (!makeReserve(join(this.#options.paths.box, 'reserve'))) this.#options.log.warn('installation.no-room-for-the-reserve');
  }

  #changed(): void {
    const nowMs = performance.now();
    if (nowMs - this.#toldAtMs < PROGRESS_INTERVAL_MS) return;
    this.#toldAtMs = nowMs;
    this.emit('change');
  }
}

type Ended = Exclude<Installation['outcome'], 'running'>;

/** Whether the operation puts another version in use. */
function isChange(operation: Installation['operation']): boolean {
  return operation === 'install' || operation === 'roll-back';
}

const MAILED: Partial<Record<Installation['outcome'], InstallationMail['event']>> = {
  installed: 'installed',
  'rolled-back': 'rolled-back',
  failed: 'failed',
};

function isRunning(): AppError {
  return new AppError(
    'conflict',
    'INSTALLATION_RUNNING',
    'Another installation is running; wait until it has ended, or cancel it.',
  );
}
