import { EventEmitter } from 'node:events';
import { basename } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import { runtimeTarget } from '@bascule/package-format/planner.ts';
import type { UpdateClient } from '@bascule/package-format/update-client.ts';
import type { ClockState, Offer } from '@bascule/protocol/api/updates.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { importBundle, type Imported } from './updates-bundle.ts';
import { explainFailure } from './updates-errors.ts';
import { updateFileImported, updateFileRefused, updateTrustConfirmed } from './updates-events.ts';
import type { SoftwareHere } from './updates-offers.ts';
import { takeSeed } from './updates-seed.ts';
import * as rows from './updates-store.ts';
import type { Uploads } from './uploads.ts';

export interface UpdateImportsOptions {
  store: Store;
  client: UpdateClient;
  uploads: Uploads;
  /** This appliance: files for others are refused. */
  applianceId: string;
  clock: { now(): number; state(): ClockState };
  installed(): SoftwareHere;
  offers(): Offer[];
  /** The end of base. */
  signal: AbortSignal;
}

/** Who confirmed the update root of an appliance that was installed from the operating system's package. */
const BY_PACKAGE = 'the package bascule-appliance';

/** Packages that come in a file, and their leaving the disk: one after another, since all of it works on the same trusted metadata. `change`: there are new packages. */
export class UpdateImports extends EventEmitter<{ change: [] }> {
  readonly #options: UpdateImportsOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: UpdateImportsOptions) {
    super();
    this.#options = options;
  }

  /** Verifies a whole upload and takes its packages; then it is gone, and so is one that is no good. Others stay, to be finished later (`UPDATES_NOT_TRUSTED`). */
  async finishUpload(context: Context, id: string): Promise<string[]> {
    const { uploads } = this.#options;
    try {
      const { file, name } = await uploads.whole(id);
      const targets = await this.importFile(context, file, name);
      uploads.remove(context, id);
      return targets;
    } catch (error) {
      if (error instanceof AppError && error.kind === 'invalid') uploads.remove(context, id);
      throw error;
    }
  }

  /** Verifies the file `file` of this machine and takes its packages. Throws as `importBundle`. */
  importFile(context: Context, file: string, name: string = basename(file)): Promise<string[]> {
    return this.#afterOthers(() => this.#import(context, file, name));
  }

  /**
   * Offers what the seed of the operating system's package in `folder` has beyond what is installed (docs/spec/boot.md, 7.4). Installs nothing. A refusal is in
   * the audit. Throws as `takeSeed`.
   */
  offerSeed(context: Context, folder: string): Promise<string[]> {
    return this.#afterOthers(async () => {
      const { store, client, clock, installed, signal } = this.#options;
      try {
        const targets = await takeSeed(folder, { client, installed, signal });
        this.#noteTrust(context, folder);
        if (targets.length === 0) return targets;
        const event = updateFileImported({ name: folder, keyNonce: '', targets: targets.join(', ') });
        store.transact(context, event, () => undefined);
        this.emit('change');
        return targets;
      } catch (error) {
        if (signal.aborted) return [];
        const { code, message } = explainFailure(error, clock.state(), folder);
        store.transact(context, updateFileRefused({ name: folder, code, reason: message }), () => undefined);
        throw error;
      }
    });
  }

  /** The root of the seed is trusted since it was installed: who did so is shown, and in the audit. */
  #noteTrust(context: Context, source: string): void {
    const { store, client, clock } = this.#options;
    const trust = client.trust();
    if (trust === undefined || rows.readTrust(store) !== undefined) return;
    const { rootSha256, rootVersion } = trust;
    store.transact(context, updateTrustConfirmed({ rootSha256, rootVersion, source }), (tx) =>
      rows.writeTrust(tx, BY_PACKAGE, Math.floor(clock.now())),
    );
    this.emit('change');
  }

  /** Removes the files of packages that are installed, older than that, or named by nobody any more, and of runtimes that are unpacked. */
  tidy(): Promise<void> {
    return this.#afterOthers(async () => {
      const { client, installed, offers } = this.#options;
      const done = offers().filter(({ state }) => state === 'installed' || state === 'older');
      const targets = [...done.map(({ target }) => target), ...installed().runtimes.map(runtimeTarget)];
      for (const target of targets) if (client.present(target).bytes > 0) await client.discard(target);
      await client.discardUnknown();
    });
  }

  /** Resolves when nothing of this is under way. */
  async settled(): Promise<void> {
    await this.#last.catch(() => undefined);
  }

  #afterOthers<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.catch(() => undefined).then(work);
    this.#last = run;
    return run;
  }

  async #import(context: Context, file: string, name: string): Promise<string[]> {
    const { store, client, applianceId, clock, installed, signal } = this.#options;
    const nowMs = (): number => clock.now();
    const isOwnKey = (nonce: string): boolean => rows.hasKey(store, nonce);
    let imported: Imported;
    try {
      imported = await importBundle(file, { client, name, applianceId, installed, nowMs, isOwnKey }, signal);
    } catch (error) {
      const failure = explainFailure(error, clock.state(), name);
      store.transact(context, updateFileRefused({ name, code: failure.code, reason: failure.message }), () => undefined);
      if (error instanceof AppError) throw error;
      throw new AppError('internal', failure.code, `${failure.message} ${failure.advice}`, { cause: error });
    }
    const { targets, validUntilMs } = imported;
    const before = rows.readCheck(store);
    const event = updateFileImported({ name, keyNonce: imported.about.keyNonce, targets: targets.join(', ') });
    store.transact(context, event, (tx) =>
      rows.writeCheck(tx, {
        atMs: Math.floor(nowMs()),
        error: null,
        validUntilMs,
        source: 'file',
        maintainedUntilMs: before?.maintainedUntilMs ?? null,
        offeredFromMs: before?.offeredFromMs ?? null,
      }),
    );
    this.emit('change');
    return targets;
  }
}
