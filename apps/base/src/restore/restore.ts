import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, isAbsolute, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Restoration, RestoreRemark, RestoreState, RestoreStep } from '@bascule/protocol/api/restore.ts';
import { RESTORE_STEPS } from '@bascule/protocol/api/restore.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { JournalLog, readFaultPoint, Uploads } from '../software/software.ts';
import { breaksPair, checkConfirm, checkSettingsShown, newArchive, onBackup } from './restore-checks.ts';
import { restoreControlVerbs, type RestoreControlVerbs } from './restore-control.ts';
import { backupUploadRemoved, backupUploadStarted, restoreCancelled } from './restore-events.ts';
import type { RestoreHost } from './restore-host.ts';
import { RestoreJournal, type RestoreEntry } from './restore-journal.ts';
import { RestoreLook } from './restore-look.ts';
import { runProgram } from './restore-program.ts';
import { cancelled, causeOf, interrupted, remark, RestoreStops } from './restore-remarks.ts';
import { LiveReport, reportOf } from './restore-report.ts';
import { restoreRoutes } from './restore-routes.ts';
import { RestoreRun } from './restore-run.ts';
import { foldersOf, removeScratch, SCRATCH_FOLDER, SITE_START_LIMIT_MS, UNDO_STEPS, type RestoreParts } from './restore-steps.ts';
import { holdsSite, move, movesBackward, movesForward } from './restore-swap.ts';

export { restoreMigrations } from './restore-migrations.ts';

/** Taking back is tried again and again, a second later each time, up to this: a site that is half of each must not run. */
const UNDO_WAIT_MS = 1_000;
const UNDO_WAIT_MAX_MS = 30_000;
/** The end is written again and again until the disk takes it. */
const END_WAIT_MS = 2_000;

export interface RestoreOptions {
  store: Store;
  paths: ReturnType<typeof homePaths>;
  applianceName: string;
  host: RestoreHost & { processes(): ProcessState[] };
  knownEpoch(): { history: string; epoch: number } | undefined;
  /** What else is under way that must end first, in words; undefined: nothing. */
  busyWith(): RestoreRemark | undefined;
  describeSettings(text: string): Promise<string[]>;
  applySettings(text: string, by: string): Promise<string[]>;
  /** By name, of /appliance. */
  administrators(): string[];
  log: Log;
  now?: () => number;
  startLimitMs?: number;
  faultPoint?: RestoreParts['faultPoint'];
  program?: RestoreParts['program'];
}

type Ended = Exclude<Restoration['outcome'], 'running'>;

/**
 * Puts a backup in the place of the site of this appliance, and back: journalled, so that it ends in the old state whole or the new state whole wherever it was cut, with nobody's help (I3;
 * docs/decisions/0290). It needs the site's software, but no site that works.
 */
export class Restore {
  readonly uploads: Uploads;
  readonly look: RestoreLook;
  readonly #options: RestoreOptions;
  readonly #parts: RestoreParts;
  readonly #journal: RestoreJournal;
  readonly #logs: JournalLog;
  readonly #live: LiveReport;
  #run: RestoreRun | undefined;
  #resumed: { entry: RestoreEntry; from: RestoreStep } | undefined;
  /** What a restart cut, and `resume` has brought to its end: noted when the site works. */
  #cut: { entry: RestoreEntry; outcome: Ended; cause: RestoreRemark } | undefined;
  #working: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: RestoreOptions) {
    this.#options = options;
    const { store, paths, host, log, now = Date.now } = options;
    this.uploads = new Uploads({
      store,
      kind: { table: 'restore_upload', started: backupUploadStarted, removed: backupUploadRemoved },
      directory: join(paths.box, 'restore-uploads'),
      nowMs: now,
    });
    this.#journal = new RestoreJournal(store, now);
    this.#logs = new JournalLog(join(paths.box, 'restorations'), log, now, 'restoration');
    this.#live = new LiveReport(host);
    this.look = new RestoreLook({
      store,
      siteDir: paths.site.site,
      software: () => host.software,
      sourceOf: (upload) => this.#sourceOf(upload),
      describeSettings: options.describeSettings,
      administrators: options.administrators,
      program: options.program ?? runProgram,
      log,
    });
    this.#parts = {
      ...options,
      journal: this.#journal,
      uploadedFile: async (id) => (await this.#sourceOf(id)).file,
      faultPoint:
        options.faultPoint ??
        readFaultPoint({ fault: process.env['BASCULE_FAULT'], paths, processes: () => host.processes(), log }),
      startLimitMs: options.startLimitMs ?? SITE_START_LIMIT_MS,
      program: options.program ?? runProgram,
    };
  }

  /** Before the site starts: goes on with what a crash cut, or takes it back, so that what starts is whole. */
  resume(): void {
    this.uploads.removeOld(SYSTEM);
    const entry = this.#journal.open();
    this.#removeLeftovers(entry);
    if (entry === undefined) return;
    const { restoration, details } = entry;
    const { items, undoing } = details;
    this.#logs.write(restoration.id, `base started; the restore was at ${restoration.step}`);
    if (items === null) {
      removeScratch(this.#options, entry);
      this.#cut = { entry, outcome: 'failed', cause: undoing ?? interrupted(restoration.step) };
    } else if (undoing !== null) {
      for (const next of movesBackward(items, foldersOf(this.#options, entry))) move(next);
      this.#cut = { entry, outcome: 'taken-back', cause: undoing };
    } else {
      for (const next of movesForward(items, foldersOf(this.#options, entry))) move(next);
      const isSwapped = RESTORE_STEPS.indexOf(restoration.step) > RESTORE_STEPS.indexOf('swap');
      this.#resumed = { entry, from: isSwapped ? restoration.step : 'start' };
    }
  }

  /** Once the site was started. */
  continueAfterStart(): void {
    const [cut, resumed] = [this.#cut, this.#resumed];
    this.#cut = this.#resumed = undefined;
    if (cut !== undefined) this.#working = this.#endCut(cut);
    if (resumed !== undefined) this.#begin(resumed.entry, resumed.from, undefined);
  }

  /** Stops working without ending anything: base goes down, and the next one goes on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#run?.say('base stops');
    this.#run?.abort(new RestoreStops());
    await Promise.all([this.look.stop(), this.#working]);
  }

  routes(): AnyRoute[] {
    return restoreRoutes(this);
  }

  controlVerbs(): RestoreControlVerbs {
    return restoreControlVerbs(this);
  }

  /** Throws while nothing may be installed: a restore is under way. */
  assertIdle(): void {
    if (this.#journal.open() !== undefined)
      throw new AppError('conflict', 'RESTORE_RUNNING', 'A restore is under way: wait until it has ended.');
  }

  /** For the page that is shown while the site is away. */
  summary(): { isRestore: true; startedAtMs: number } | undefined {
    const restoration = this.#journal.open()?.restoration;
    return restoration && { isRestore: true, startedAtMs: restoration.startedAtMs };
  }

  state(): RestoreState {
    const { host, applianceName, now = Date.now } = this.#options;
    const last = this.#journal.last();
    return {
      nowMs: now(),
      applianceName,
      siteVersion: host.software.version,
      siteReady: host.ready,
      blocked: this.#blocked(),
      uploads: this.uploads.list(),
      inspection: this.look.shown,
      running: this.running() ?? null,
      last: last === undefined || last.restoration.acknowledgedBy !== null ? null : this.#shown(last),
    };
  }

  running(): Restoration | undefined {
    const entry = this.#journal.open();
    return entry && (this.#run?.id === entry.restoration.id ? this.#run.live(entry.restoration) : entry.restoration);
  }

  find(id: string): Restoration {
    const entry = this.#journal.find(id);
    if (entry === undefined) throw notFound();
    return entry.restoration.outcome === 'running' ? (this.running() ?? entry.restoration) : this.#shown(entry);
  }

  logOf(id: string): string {
    if (this.#journal.find(id) === undefined) throw notFound();
    return this.#logs.read(id);
  }

  /** Resolves when no restore is under way in this process. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /**
   * Begins to restore what was looked into; gives the restore's id. Throws `RESTORE_NOT_INSPECTED`, `RESTORE_CONFIRM`, `RESTORE_SETTINGS_MANY`,
   * `RESTORE_IN_PAIR`, `RESTORE_ON_BACKUP`, `RESTORE_BUSY`.
   */
  start(
    context: Context,
    request: { upload: string; password?: string | undefined; withBoxSettings: boolean; breakPair: boolean; confirm: string },
  ): string {
    this.#assertMayBegin(request.confirm);
    const found = this.look.foundIn(request.upload);
    if (found === undefined)
      throw new AppError(
        'conflict',
        'RESTORE_NOT_INSPECTED',
        'Look into the backup first: what restoring it means is shown there.',
      );
    if (request.withBoxSettings) checkSettingsShown(found.hiddenLines);
    const isInPair = breaksPair(found.preview, this.#options.host.pairState, request.breakPair);
    const { appliance, siteVersion, madeAtMs } = found.preview;
    const entry = this.#journal.start(context, {
      operation: 'restore',
      source: { name: this.look.nameShown, appliance, siteVersion, madeAtMs },
      steps: RESTORE_STEPS.filter((step) => step !== 'settings' || request.withBoxSettings),
      details: {
        upload: request.upload,
        looked: found.file,
        incoming: join(SCRATCH_FOLDER, `${this.#nowMs}`),
        archive: newArchive(this.#options.paths.site.archive, 'restored', this.#nowMs),
        withBoxSettings: request.withBoxSettings,
        breakPair: isInPair,
      },
    });
    this.#begin(entry, 'unpack', request.password);
    return entry.restoration.id;
  }

  /** Begins to put back the state before the restore `id`. Throws NOT_FOUND, `RESTORE_CONFIRM`, `RESTORE_NO_UNDO`, `RESTORE_BUSY`. */
  undo(context: Context, id: string, confirm: string): string {
    const done = this.#journal.find(id);
    if (done === undefined) throw notFound();
    this.#assertMayBegin(confirm);
    if (!this.#mayUndo(done))
      throw new AppError(
        'conflict',
        'RESTORE_NO_UNDO',
        'The state before is not in the archive any more, or something else was restored since.',
      );
    const { source } = done.restoration;
    const entry = this.#journal.start(context, {
      operation: 'undo',
      source,
      steps: UNDO_STEPS,
      details: {
        incoming: done.details.archive,
        archive: newArchive(this.#options.paths.site.archive, 'undone', this.#nowMs),
        undoes: id,
      },
    });
    this.#begin(entry, 'keep', undefined);
    return entry.restoration.id;
  }

  /** Throws `RESTORE_NOT_CANCELLABLE` from `freeze` on. */
  cancel(id: string, by: Context): void {
    const restoration = this.running();
    if (this.#run?.id !== id || restoration?.mayCancel !== true)
      throw new AppError(
        'conflict',
        'RESTORE_NOT_CANCELLABLE',
        'This restore cannot be cancelled any more: it has ended, or what was here is being replaced.',
      );
    this.#options.store.transact(by, restoreCancelled({ restoration: id }), () => undefined);
    this.#run.abort(cancelled(by.actor.name));
  }

  /** Closes the report. */
  acknowledge(id: string, by: Context): void {
    const entry = this.#journal.find(id);
    if (entry === undefined || entry.restoration.outcome === 'running') throw notFound();
    const report = this.#live.of(entry);
    if (report !== null) this.#journal.noteReport(id, report);
    this.#journal.acknowledge(id, by);
  }

  get #nowMs(): number {
    return (this.#options.now ?? Date.now)();
  }

  #assertMayBegin(confirm: string): void {
    const [blocked] = this.#blocked();
    if (blocked !== undefined) throw new AppError('conflict', blocked.code, blocked.message, { params: blocked.params });
    if (this.#isStopped)
      throw new AppError('unavailable', 'RESTORE_BUSY', 'The appliance is stopping; try again when it is back.');
    checkConfirm(confirm, this.#options.applianceName);
  }

  #blocked(): RestoreRemark[] {
    const { host, busyWith } = this.#options;
    if (this.#journal.open() !== undefined)
      return [remark('RESTORE_RUNNING', 'A restore is under way: wait until it has ended.')];
    const busy = busyWith();
    if (busy !== undefined) return [busy];
    return host.pairState?.role === 'backup' ? [onBackup(host.pairState.peer?.name ?? '')] : [];
  }

  async #sourceOf(upload: string): Promise<{ file: string; name: string }> {
    if (!isAbsolute(upload)) return await this.uploads.whole(upload);
    if (!existsSync(upload))
      throw new AppError('not-found', 'RESTORE_NO_FILE', `There is no file ${upload}, or the appliance may not read it.`);
    return { file: upload, name: basename(upload) };
  }

  #mayUndo(entry: RestoreEntry): boolean {
    return (
      entry.restoration.outcome === 'restored' &&
      this.#journal.lastDone()?.restoration.id === entry.restoration.id &&
      holdsSite(foldersOf(this.#options, entry).archive)
    );
  }

  #shown(entry: RestoreEntry): Restoration {
    const report = entry.restoration.outcome === 'restored' ? this.#live.of(entry) : entry.restoration.report;
    return { ...entry.restoration, report, mayUndo: this.#journal.open() === undefined && this.#mayUndo(entry) };
  }

  #begin(entry: RestoreEntry, from: RestoreStep, password: string | undefined): void {
    const run = new RestoreRun(this.#parts, this.#logs, entry, password);
    this.#run = run;
    const { operation, source, startedBy } = entry.restoration;
    run.say(`${startedBy}: ${operation} of ${source.name} (${source.appliance}, site ${source.siteVersion}), from ${from}`);
    this.#working = this.#work(run, from);
  }

  /** Does a restore from `from` on, to its end; never throws. */
  async #work(run: RestoreRun, from: RestoreStep): Promise<void> {
    try {
      await run.work(from);
      const figures = await this.#live.ask(run.id);
      this.#journal.noteReport(run.id, reportOf(run.entry(), figures, run.settings));
      await this.#end(run.id, 'restored', null);
    } catch (error) {
      if (this.#isStopped) return;
      const why = causeOf(run.signal.aborted ? run.signal.reason : error, run.step);
      this.#options.log.error({ err: error, restoration: run.id, step: run.step }, 'restore.failed');
      await this.#takeBack(run, why);
    }
    this.#run = undefined;
    if (!this.#isStopped) this.#afterwards(run.id);
  }

  /** What was here before is here again. */
  async #takeBack(run: RestoreRun, why: RestoreRemark): Promise<void> {
    const { host } = this.#options;
    run.say(`${run.step} failed: ${why.message}`);
    const { items, frozenAtMs } = run.entry().details;
    if (items !== null || frozenAtMs !== null) {
      for (let attempt = 1; !this.#isStopped; attempt += 1) {
        try {
          if (items !== null) {
            this.#journal.note(run.id, { undoing: why });
            await host.hold();
            for (const next of movesBackward(items, foldersOf(this.#options, run.entry()))) move(next);
          }
          break;
        } catch (error) {
          this.#options.log.error({ err: error, attempt }, 'restore.not-taken-back');
          run.say(`taking it back failed (attempt ${attempt}): ${error instanceof Error ? error.message : String(error)}`);
          await pause(Math.min(attempt * UNDO_WAIT_MS, UNDO_WAIT_MAX_MS));
        }
      }
      await host.restore(host.software);
      const outcome = await host.whenReady(this.#parts.startLimitMs);
      run.say(outcome === 'ready' ? 'the site works as before' : `the site is not ready: ${host.failure ?? outcome}`);
    }
    const outcome = items !== null ? 'taken-back' : why.code === 'RESTORE_CANCELLED' ? 'cancelled' : 'failed';
    await this.#end(run.id, outcome, why);
  }

  async #endCut({ entry, outcome, cause }: { entry: RestoreEntry; outcome: Ended; cause: RestoreRemark }): Promise<void> {
    const { host } = this.#options;
    const { id } = entry.restoration;
    const found = await host.whenReady(this.#parts.startLimitMs);
    if (found !== 'ready') this.#logs.write(id, `the site is not ready: ${host.failure ?? found}`);
    await this.#end(id, outcome, cause);
    if (!this.#isStopped) this.#afterwards(id);
  }

  /** Notes the end, as soon as the disk takes it. */
  async #end(id: string, outcome: Ended, cause: RestoreRemark | null): Promise<void> {
    while (!this.#isStopped) {
      try {
        this.#journal.end(id, outcome, cause);
        this.#logs.write(id, outcome);
        return;
      } catch (error) {
        this.#options.log.error({ err: error, restoration: id }, 'restore.end-not-noted');
        await pause(END_WAIT_MS);
      }
    }
  }

  #afterwards(id: string): void {
    const entry = this.#journal.get(id);
    try {
      removeScratch(this.#options, entry);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'restore.scratch-not-removed');
    }
    this.look.forget();
    const { upload } = entry.details;
    if (entry.restoration.outcome !== 'restored' || upload === null || isAbsolute(upload)) return;
    try {
      this.uploads.remove(SYSTEM, upload);
    } catch (error) {
      this.#options.log.warn({ err: error }, 'restore.upload-not-removed');
    }
  }

  /** What a restore that is not under way any more has unpacked. */
  #removeLeftovers(open: RestoreEntry | undefined): void {
    const scratch = join(this.#options.paths.site.site, SCRATCH_FOLDER);
    if (!existsSync(scratch)) return;
    for (const name of readdirSync(scratch))
      if (open === undefined || join(SCRATCH_FOLDER, name) !== open.details.incoming)
        rmSync(join(scratch, name), { recursive: true, force: true });
  }
}
