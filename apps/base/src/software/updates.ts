import { EventEmitter } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import type { z } from 'zod';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { applianceIdOf, openApplianceKey, publicKeyText } from '@bascule/package-format/appliance-key.ts';
import { createDownloadKey, DOWNLOAD_KEY_LIFE_MS } from '@bascule/package-format/download-key.ts';
import { HttpMirror } from '@bascule/package-format/http-mirror.ts';
import { UpdateClient, type Mirror } from '@bascule/package-format/update-client.ts';
import type {
  ClockState,
  downloadKey,
  eulaText,
  foundTrust,
  Offer,
  PathStep,
  UpdateSettings,
  UpdatesState,
} from '@bascule/protocol/api/updates.ts';
import type { PackageManifest } from '@bascule/protocol/package-manifest.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { PackageShelf, type Shelf } from './shelf.ts';
import { newNonce } from './updates-bundle.ts';
import { UpdateChecker } from './updates-check.ts';
import { explainFailure } from './updates-errors.ts';
import { downloadKeyMade, eulaAccepted, updateSettingsChanged, updateTrustConfirmed } from './updates-events.ts';
import { UpdateImports } from './updates-imports.ts';
import { offersOf, sha256Of, type SoftwareHere } from './updates-offers.ts';
import { findRoot } from './updates-trust.ts';
import * as rows from './updates-store.ts';
import { Uploads } from './uploads.ts';

/** Offers are worked out anew after this, or when something changed: pages ask every second. */
export const OFFERS_KEPT_MS = 2_000;

export interface UpdatesOptions {
  store: Store;
  /** box/updates */
  directory: string;
  applianceName: string;
  clock: { now(): number; state(): ClockState };
  installed(): SoftwareHere;
  /** Until when installed licences are maintained; null without one. Used when the update server does not say. */
  licensedUntilMs(): number | null;
  /** Clients that the next site package waits for; undefined when it need not. */
  waitingClients?(): PathStep['clients'];
  log: Log;
  /** 0 to 1, for the jitter of checks. */
  random?: () => number;
}

/** What exists, what of it this appliance may have, and how it gets here: from an update server or in a file. Installing is the engine's. */
export class Updates extends EventEmitter<{ change: []; checked: [] }> {
  readonly shelf: Shelf;
  readonly uploads: Uploads;
  readonly imports: UpdateImports;
  readonly #options: UpdatesOptions;
  readonly #client: UpdateClient;
  readonly #privateKey: KeyObject;
  readonly #checker: UpdateChecker;
  readonly #stopping = new AbortController();
  #kept: { untilMs: number; offers: Offer[]; path: PathStep[] } | undefined;

  /** Makes the appliance's update key at the first start. Throws `APPLIANCE_KEY_UNREADABLE` and what `UpdateClient.open` throws. */
  static async open(options: UpdatesOptions): Promise<Updates> {
    mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    const privateKey = await openApplianceKey(join(options.directory, 'appliance.key'));
    const client = await UpdateClient.open({
      directory: options.directory,
      now: () => options.clock.now(),
      log: options.log,
    });
    return new Updates(options, client, privateKey);
  }

  private constructor(options: UpdatesOptions, client: UpdateClient, privateKey: KeyObject) {
    super();
    this.#options = options;
    this.#client = client;
    this.#privateKey = privateKey;
    const nowMs = (): number => options.clock.now();
    this.uploads = new Uploads({ store: options.store, directory: join(options.directory, 'uploads'), nowMs });
    this.shelf = new PackageShelf({
      client,
      mirror: () => this.#mirror(),
      limitBytesPerSecond: () => this.settings().downloadLimitBytesPerSecond,
    });
    this.#checker = new UpdateChecker({
      store: options.store,
      client,
      mirror: () => this.#mirror(),
      settings: () => this.settings(),
      question: () => ({
        privateKey,
        body: { kind: 'offers', applianceName: options.applianceName, installed: this.#versions() },
        nowMs: nowMs(),
      }),
      clock: options.clock,
      log: options.log,
      random: options.random,
    });
    this.imports = new UpdateImports({
      store: options.store,
      client,
      uploads: this.uploads,
      applianceId: applianceIdOf(privateKey),
      clock: options.clock,
      installed: options.installed,
      offers: () => this.offers(),
      signal: this.#stopping.signal,
    });
    this.imports.on('change', () => this.changed());
    this.#checker.on('change', () => this.changed());
    this.#checker.on('checked', () => this.emit('checked'));
  }

  /** Begins to look by itself. */
  start(): void {
    this.#checker.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#checker.stop();
    await this.imports.settled();
  }

  /** What was installed or downloaded has changed: offers are worked out anew. */
  changed(): void {
    this.#kept = undefined;
    this.emit('change');
  }

  settings(): UpdateSettings {
    return rows.readSettings(this.#options.store);
  }

  /** Stores the settings; from then on they hold, also for what runs. */
  changeSettings(context: Context, settings: UpdateSettings): UpdateSettings {
    const before = this.settings();
    const changes = rows.describeChanges(before, settings);
    if (changes === '') return before;
    this.#options.store.transact(context, updateSettingsChanged({ changes }), (tx) => {
      rows.writeSettings(tx, settings);
      tx.afterCommit(() => {
        this.#checker.plan();
        this.changed();
      });
    });
    return settings;
  }

  /** The root that the server (or, without one, an uploaded file) gives, to be compared by a person. Throws `UPDATES_NO_ROOT` or a failure that is explained. */
  async foundTrust(): Promise<z.infer<typeof foundTrust>> {
    const { sha256, version, validUntilMs, threshold, keyIds } = (await this.#explained(() => this.#findRoot())).root;
    return { rootSha256: sha256, rootVersion: version, validUntilMs, threshold, keys: keyIds };
  }

  /**
   * Trusts the root with this SHA-256, for good: later ones must be signed by it. `file`: a file of this machine that may hold it, beside server and
   * uploads. Throws `UPDATES_ROOT_DIFFERS` and as `foundTrust`.
   */
  async confirmTrust(context: Context, rootSha256: string, file?: string): Promise<void> {
    if (this.#client.trust() !== undefined)
      throw new AppError(
        'conflict',
        'UPDATES_TRUST_CONFIRMED',
        'An update root is confirmed already; it follows its own successors by itself.',
      );
    const { root, source } = await this.#explained(() => this.#findRoot(rootSha256, file));
    await this.#client.confirmTrust(root.bytes);
    const details = { rootSha256: root.sha256, rootVersion: root.version, source };
    this.#options.store.transact(context, updateTrustConfirmed(details), (tx) =>
      rows.writeTrust(tx, context.actor.name, Math.floor(this.#options.clock.now())),
    );
    this.changed();
  }

  /** Looks for updates now; a look that is under way is the answer too. Throws the explained failure, which is stored and shown as well. */
  check(context: Context): Promise<void> {
    return this.#checker.check(context);
  }

  /** Starts to look and returns; what comes of it is in the state. Throws at once what can be known at once. */
  beginCheck(context: Context): void {
    this.#checker.assertPossible();
    this.check(context).catch((error: unknown) => {
      if (!(error instanceof AppError)) this.#options.log.error({ err: error }, 'updates.check-failed');
    });
  }

  offers(): Offer[] {
    return this.#offers().offers;
  }

  path(): PathStep[] {
    return this.#offers().path;
  }

  /** Throws NOT_FOUND for a target that is no package or not known. */
  offer(target: string): Offer {
    const offer = this.offers().find((candidate) => candidate.target === target);
    if (offer === undefined) throw notFound();
    return offer;
  }

  manifest(target: string): PackageManifest {
    const manifest = this.#client.find(target)?.manifest;
    if (manifest === undefined) throw notFound();
    return manifest;
  }

  eula(target: string): z.infer<typeof eulaText> {
    const text = this.manifest(target).eula;
    return { target, sha256: sha256Of(text), text };
  }

  /** Notes that `name` accepted the licence agreement of `target`, whose text has `sha256` (B62). Throws NOT_FOUND, `EULA_CHANGED`. */
  acceptEula(context: Context, { target, sha256, name }: { target: string; sha256: string; name: string }): void {
    if (this.eula(target).sha256 !== sha256)
      throw new AppError('conflict', 'EULA_CHANGED', 'The licence agreement is another one than you were shown: read it again.');
    this.#options.store.transact(context, eulaAccepted({ name, target, sha256 }), (tx) =>
      rows.writeEula(tx, sha256, name, Math.floor(this.#options.clock.now())),
    );
    this.changed();
  }

  /** Throws `EULA_NOT_ACCEPTED` unless somebody accepted the text of `target`; an empty text needs nobody. */
  assertEulaAccepted(target: string): void {
    const { text, sha256 } = this.eula(target);
    if (text === '' || rows.readEula(this.#options.store, sha256) !== undefined) return;
    throw new AppError(
      'conflict',
      'EULA_NOT_ACCEPTED',
      'The licence agreement of this package must be accepted by name before it is installed for the first time.',
      { params: { target } },
    );
  }

  /** A download key as text, good for 24 minutes (B70, B71), with which a person gets the missing packages in a file. */
  makeDownloadKey(context: Context): z.infer<typeof downloadKey> {
    const nowMs = Math.floor(this.#options.clock.now());
    const nonce = newNonce();
    const expiresAtMs = nowMs + DOWNLOAD_KEY_LIFE_MS;
    const text = createDownloadKey({
      privateKey: this.#privateKey,
      applianceName: this.#options.applianceName,
      installed: this.#versions(),
      rootVersion: this.#client.trust()?.rootVersion ?? 1,
      nowMs,
      nonce,
    });
    this.#options.store.transact(context, downloadKeyMade({ nonce, expiresAtMs }), (tx) =>
      rows.writeKey(tx, { nonce, madeAtMs: nowMs, expiresAtMs }),
    );
    this.emit('change');
    return { text, expiresAtMs };
  }

  /** What is trusted and what is on the disk, for the copies that client programs need. */
  get client(): UpdateClient {
    return this.#client;
  }

  /** Until when the verified list of releases holds, wherever it came from. */
  metadataValidUntilMs(): number | null {
    return this.#client.validUntilMs() ?? null;
  }

  /** The parts of the page's state that are known here. */
  state(): Pick<
    UpdatesState,
    | 'nowMs'
    | 'applianceName'
    | 'publicKey'
    | 'clock'
    | 'settings'
    | 'trust'
    | 'lastCheck'
    | 'isChecking'
    | 'offers'
    | 'path'
    | 'downloadKey'
    | 'uploads'
  > {
    const { store, clock, applianceName } = this.#options;
    const check = rows.readCheck(store);
    const confirmed = rows.readTrust(store);
    const trust = this.#client.trust();
    const expiresAtMs = rows.openKeyUntil(store, clock.now());
    return {
      nowMs: Math.floor(clock.now()),
      applianceName,
      publicKey: publicKeyText(this.#privateKey),
      clock: clock.state(),
      settings: this.settings(),
      trust:
        trust === undefined
          ? null
          : { ...trust, confirmedBy: confirmed?.confirmedBy ?? '', confirmedAtMs: confirmed?.confirmedAtMs ?? 0 },
      lastCheck: check === undefined ? null : rows.withoutOffers(check),
      isChecking: this.#checker.isChecking,
      ...this.#offers(),
      downloadKey: expiresAtMs === undefined ? null : { expiresAtMs },
      uploads: this.uploads.list(),
    };
  }

  #offers(): { offers: Offer[]; path: PathStep[] } {
    const nowMs = this.#options.clock.now();
    if (this.#kept === undefined || nowMs >= this.#kept.untilMs) {
      const { store, installed, licensedUntilMs } = this.#options;
      const check = rows.readCheck(store);
      const made = offersOf({
        source: this.#client,
        installed: installed(),
        check,
        maintainedUntilMs: check?.maintainedUntilMs ?? licensedUntilMs(),
        eulaAccepted: (sha256) => rows.readEula(store, sha256),
        waitingClients: this.#options.waitingClients?.(),
        nowMs,
      });
      this.#kept = { ...made, untilMs: nowMs + OFFERS_KEPT_MS };
    }
    const { offers, path } = this.#kept;
    return { offers, path };
  }

  #findRoot(rootSha256?: string, file?: string): ReturnType<typeof findRoot> {
    return findRoot({
      client: this.#client,
      mirror: this.#mirror(),
      files: [...this.uploads.files(), ...(file === undefined ? [] : [file])],
      rootSha256,
      signal: this.#stopping.signal,
    });
  }

  /** Runs `work`, giving what is not yet a sentence for people one. */
  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { code, message, advice } = explainFailure(error, this.#options.clock.state(), this.settings().serverUrl);
      const kind = error instanceof AppError ? error.kind : 'unavailable';
      throw new AppError(kind, code, `${message} ${advice}`, { cause: error });
    }
  }

  #mirror(): Mirror | undefined {
    const { serverUrl } = this.settings();
    return serverUrl === '' ? undefined : new HttpMirror({ url: serverUrl });
  }

  #versions(): { base: string; site: string; runtimes: string[] } {
    const { packages, runtimes } = this.#options.installed();
    const version = (kind: 'base' | 'site'): string => packages.find((candidate) => candidate.kind === kind)?.version ?? '0.0.0';
    return { base: version('base'), site: version('site'), runtimes };
  }
}
