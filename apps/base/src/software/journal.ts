import { z } from 'zod';
import { newId } from '@bascule/core/ids.ts';
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  installation as installationShape,
  INSTALLATION_STEPS,
  POINT_OF_NO_RETURN,
  preflightLine,
  verificationLine,
  type Installation,
  type InstallationStep,
  type PreflightLine,
  type StepState,
  type VerificationLine,
} from '@bascule/protocol/api/updates.ts';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { SYSTEM, type AuditEvent, type Context, type SqlValue, type Store, type Tx } from '@bascule/store/store.ts';
import * as events from './journal-events.ts';
import { JournalLog } from './journal-log.ts';
import { freeReserve } from './slots-durable.ts';

/** Installations that are kept with their steps and logs; the oldest go first. */
export const HISTORY_LIMIT = 200;

export type Cause = NonNullable<Installation['cause']>;

/** What the engine needs to go on after a crash; later versions only add. */
const details = z.object({
  target: z.string().nullable().default(null),
  fromFolder: z.string().nullable().default(null),
  /** What `previous` named before: there again when it is taken back. */
  previousFolder: z.string().nullable().default(null),
  toFolder: z.string().nullable().default(null),
  /** Why it is being undone: set before the first thing is. */
  undoing: z
    .object({ code: z.string(), message: z.string(), advice: z.string(), mayRetry: z.boolean() })
    .nullable()
    .default(null),
  overrule: z.array(z.string()).default([]),
  /** Clients that were online when the old version ended. */
  clientsBefore: z.number().nullable().default(null),
  clientsBack: z.number().nullable().default(null),
  watchStartedAtMs: z.number().nullable().default(null),
  unavailableMs: z.number().nullable().default(null),
  /** When the old base was told to stop for the new one. */
  stoppedAtMs: z.number().nullable().default(null),
});
export type JournalDetails = z.infer<typeof details>;

/** One installation with what only the engine reads. */
export interface JournalEntry {
  installation: Installation;
  details: JournalDetails;
}

export interface NewInstallation {
  kind: PackageKind;
  operation: Installation['operation'];
  fromVersion: string | null;
  fromFolder: string | null;
  toVersion: string;
  toFolder: string | null;
  previousFolder: string | null;
  revision: string;
  target: string | null;
  overrule: string[];
  steps: readonly InstallationStep[];
}

/** What changes of an installation while it runs. */
export interface JournalNote {
  cancelRequestedBy?: string;
  preflight?: PreflightLine[];
  verification?: VerificationLine[];
  details?: Partial<JournalDetails>;
}

interface Row {
  id: string;
  kind: string;
  operation: string;
  from_version: string | null;
  to_version: string;
  revision: string;
  started_by: string;
  started_at_ms: number;
  ended_at_ms: number | null;
  outcome: string;
  step: string;
  cancel_requested_by: string | null;
  acknowledged_by: string | null;
  cause: string | null;
  preflight: string;
  verification: string;
  details: string;
}

export interface JournalOptions {
  store: Store;
  /** The folder of the installations' logs. */
  logDirectory: string;
  /** `box/reserve`: given up when the disk is full, so that the journal can still be written. */
  reserve: string;
  log: Log;
  now(): number;
}

/** Installations and their steps in box.db: what is about to be done is written down before it is done (I3). */
export class Journal {
  readonly #options: JournalOptions;
  readonly #store: Store;
  readonly logs: JournalLog;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#store = options.store;
    this.logs = new JournalLog(options.logDirectory, options.log, options.now);
  }

  /** Notes the beginning; gives what was noted. */
  start(by: Context, request: NewInstallation): JournalEntry {
    const nowMs = this.#options.now();
    const id = newId('installation', nowMs);
    const first = must(request.steps[0], 'the first step');
    const { kind, operation, fromVersion, toVersion, revision, target, overrule, fromFolder, toFolder, previousFolder } = request;
    const event = events.started({ installation: id, kind, operation, fromVersion: fromVersion ?? '-', toVersion });
    this.#write(by, event, (tx) => {
      tx.run(
        `INSERT INTO installation (id, kind, operation, from_version, to_version, revision, started_by, started_at_ms, outcome, step, preflight, verification, details)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'running', ?, '[]', '[]', ?)`,
        id,
        kind,
        operation,
        fromVersion,
        toVersion,
        revision,
        by.actor.name,
        nowMs,
        first,
        JSON.stringify(details.parse({ target, overrule, fromFolder, toFolder, previousFolder })),
      );
      for (const step of INSTALLATION_STEPS)
        tx.run(
          'INSERT INTO installation_step (installation, step, state) VALUES (?, ?, ?)',
          id,
          step,
          request.steps.includes(step) ? 'waiting' : 'skipped',
        );
      tx.run(
        'DELETE FROM installation WHERE ended_at_ms IS NOT NULL AND id NOT IN (SELECT id FROM installation ORDER BY started_at_ms DESC, id DESC LIMIT ?)',
        HISTORY_LIMIT,
      );
    });
    this.logs.keepOnly(new Set(this.#store.all<{ id: string }>('SELECT id FROM installation').map((row) => row.id)));
    return this.get(id);
  }

  /** Notes that `step` is about to be done. */
  beginStep(id: string, step: InstallationStep): void {
    this.#write(SYSTEM, events.stepBegun({ installation: id, step }), (tx) => {
      tx.run('UPDATE installation SET step = ? WHERE id = ?', step, id);
      tx.run(
        "UPDATE installation_step SET state = 'running', started_at_ms = ?, ended_at_ms = NULL WHERE installation = ? AND step = ?",
        this.#options.now(),
        id,
        step,
      );
    });
  }

  /** Notes how `step` ended. */
  endStep(id: string, step: InstallationStep, state: 'done' | 'failed' | 'skipped', more: JournalNote = {}): void {
    this.#write(SYSTEM, events.stepEnded({ installation: id, step, state }), (tx) => {
      this.#setStep(tx, id, step, state);
      this.#apply(tx, id, more);
    });
  }

  /** Notes more about a running or ended installation. */
  note(id: string, note: JournalNote, by: Context = SYSTEM): void {
    const event =
      note.cancelRequestedBy === undefined ? events.noted({ installation: id }) : events.cancelRequested({ installation: id });
    this.#write(by, event, (tx) => this.#apply(tx, id, note));
  }

  /** Notes the end. `undone`: steps that were taken back. */
  end(
    id: string,
    outcome: Exclude<Installation['outcome'], 'running'>,
    cause: Cause | null,
    undone: readonly InstallationStep[] = [],
  ): void {
    const { installation } = this.get(id);
    const { kind, operation, toVersion } = installation;
    const event = events.ended({ installation: id, kind, operation, toVersion, outcome, cause: cause?.code ?? '' });
    this.#write(SYSTEM, event, (tx) => {
      tx.run(
        'UPDATE installation SET outcome = ?, ended_at_ms = ?, cause = ? WHERE id = ? AND ended_at_ms IS NULL',
        outcome,
        this.#options.now(),
        cause && JSON.stringify(cause),
        id,
      );
      tx.run(
        "UPDATE installation_step SET state = 'failed', ended_at_ms = ? WHERE installation = ? AND state = 'running'",
        this.#options.now(),
        id,
      );
      for (const step of undone)
        tx.run("UPDATE installation_step SET state = 'undone' WHERE installation = ? AND step = ? AND state = 'done'", id, step);
    });
  }

  /** Notes that somebody has seen the rollback. */
  acknowledge(id: string, by: Context): void {
    this.#write(by, events.acknowledged({ installation: id }), (tx) => {
      tx.run('UPDATE installation SET acknowledged_by = ? WHERE id = ? AND acknowledged_by IS NULL', by.actor.name, id);
    });
  }

  /** Records what a licence package says, with the end of its installation. */
  installLicence(id: string, manifest: PackageManifest): void {
    const terms = must(manifest.licence, 'the licence');
    this.#write(SYSTEM, events.licenceInstalled({ installation: id, holder: terms.holder, version: manifest.version }), (tx) => {
      tx.run(
        `INSERT INTO licence_package (holder, version, revision, terms, installed_at_ms) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (holder) DO UPDATE SET version = excluded.version, revision = excluded.revision, terms = excluded.terms, installed_at_ms = excluded.installed_at_ms`,
        terms.holder,
        manifest.version,
        manifest.revision,
        JSON.stringify(terms),
        this.#options.now(),
      );
    });
  }

  licences(): { version: string; revision: string; terms: string; installedAtMs: number }[] {
    return this.#store.all(
      'SELECT version, revision, terms, installed_at_ms AS installedAtMs FROM licence_package ORDER BY installed_at_ms DESC',
    );
  }

  /** The installation that has not ended; there is one at most. */
  open(): JournalEntry | undefined {
    return this.#read('WHERE ended_at_ms IS NULL ORDER BY started_at_ms LIMIT 1');
  }

  /** The installation of this id. Throws `INSTALLATION_UNKNOWN`. */
  get(id: string): JournalEntry {
    const entry = this.#read('WHERE id = ?', id);
    if (entry === undefined)
      throw new AppError('not-found', 'INSTALLATION_UNKNOWN', 'There is no such installation; reload the page.');
    return entry;
  }

  /** The newest that rolled back and that nobody has acknowledged. */
  rolledBack(): JournalEntry | undefined {
    const newest = this.#read(
      "WHERE ended_at_ms IS NOT NULL AND operation IN ('install', 'roll-back') ORDER BY ended_at_ms DESC, id DESC LIMIT 1",
    );
    const { outcome, acknowledgedBy } = newest?.installation ?? {};
    return outcome === 'rolled-back' && acknowledgedBy === null ? newest : undefined;
  }

  lastInstalled(): JournalEntry | undefined {
    return this.#read("WHERE outcome = 'installed' ORDER BY ended_at_ms DESC, id DESC LIMIT 1");
  }

  /** When the version in `folder` of the kind was installed last. */
  installedAtMs(kind: PackageKind, folder: string): number | null {
    const row = this.#store.get<{ atMs: number }>(
      "SELECT max(ended_at_ms) AS atMs FROM installation WHERE outcome = 'installed' AND kind = ? AND details ->> '$.toFolder' = ?",
      kind,
      folder,
    );
    return row?.atMs ?? null;
  }

  /** The newest installations, running ones first. */
  history(limit: number): JournalEntry[] {
    return this.#store
      .all<Row>(
        'SELECT * FROM installation ORDER BY started_at_ms DESC, id DESC LIMIT ?',
        Math.min(Math.max(1, limit), HISTORY_LIMIT),
      )
      .map((row) => this.#entry(row));
  }

  #apply(tx: Tx, id: string, { cancelRequestedBy, preflight, verification, details: changed }: JournalNote): void {
    if (cancelRequestedBy !== undefined)
      tx.run('UPDATE installation SET cancel_requested_by = ? WHERE id = ?', cancelRequestedBy, id);
    if (preflight !== undefined) tx.run('UPDATE installation SET preflight = ? WHERE id = ?', JSON.stringify(preflight), id);
    if (verification !== undefined)
      tx.run('UPDATE installation SET verification = ? WHERE id = ?', JSON.stringify(verification), id);
    // What a later version noted there stays.
    if (changed !== undefined)
      tx.run('UPDATE installation SET details = json_patch(details, ?) WHERE id = ?', JSON.stringify(changed), id);
  }

  #setStep(tx: Tx, id: string, step: InstallationStep, state: StepState['state']): void {
    tx.run(
      'UPDATE installation_step SET state = ?, ended_at_ms = ? WHERE installation = ? AND step = ?',
      state,
      this.#options.now(),
      id,
      step,
    );
  }

  /** A transaction that a full disk does not stop: the reserve makes room for it, once. */
  #write(context: Context, event: AuditEvent, work: (tx: Tx) => void): void {
    try {
      this.#store.transact(context, event, work);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'STORE_DISK_FULL' || !freeReserve(this.#options.reserve)) throw error;
      this.#options.log.warn('journal.reserve-used');
      this.#store.transact(context, event, work);
    }
  }

  #read(where: string, ...params: SqlValue[]): JournalEntry | undefined {
    const row = this.#store.get<Row>(`SELECT * FROM installation ${where}`, ...params);
    return row && this.#entry(row);
  }

  #entry(row: Row): JournalEntry {
    const found = details.parse(JSON.parse(row.details));
    const isRunning = row.ended_at_ms === null;
    const mayCancel =
      isRunning && row.cancel_requested_by === null && found.undoing === null && isCancellable(row.step as InstallationStep);
    return {
      details: found,
      installation: installationShape.parse({
        id: row.id,
        kind: row.kind,
        operation: row.operation,
        fromVersion: row.from_version,
        toVersion: row.to_version,
        revision: row.revision,
        startedBy: row.started_by,
        startedAtMs: row.started_at_ms,
        endedAtMs: row.ended_at_ms,
        outcome: row.outcome,
        step: row.step,
        steps: this.#steps(row.id),
        mayCancel,
        cancelRequestedBy: row.cancel_requested_by,
        cause: row.cause === null ? null : JSON.parse(row.cause),
        preflight: z.array(preflightLine).parse(JSON.parse(row.preflight)),
        verification: z.array(verificationLine).parse(JSON.parse(row.verification)),
        unavailableMs: found.unavailableMs,
        acknowledgedBy: row.acknowledged_by,
      }),
    };
  }

  #steps(id: string): StepState[] {
    const rows = this.#store.all<{
      step: string;
      state: StepState['state'];
      startedAtMs: number | null;
      endedAtMs: number | null;
    }>(
      'SELECT step, state, started_at_ms AS startedAtMs, ended_at_ms AS endedAtMs FROM installation_step WHERE installation = ?',
      id,
    );
    return INSTALLATION_STEPS.map((step) => {
      const row = rows.find((candidate) => candidate.step === step);
      return {
        step,
        state: row?.state ?? 'skipped',
        startedAtMs: row?.startedAtMs ?? null,
        endedAtMs: row?.endedAtMs ?? null,
        cancellable: isCancellable(step),
        progress: null,
      };
    });
  }
}

/** Whether Cancel is possible while `step` runs. */
export function isCancellable(step: InstallationStep): boolean {
  return INSTALLATION_STEPS.indexOf(step) < INSTALLATION_STEPS.indexOf(POINT_OF_NO_RETURN);
}
