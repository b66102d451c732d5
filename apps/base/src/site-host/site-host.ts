import { EventEmitter, once } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import type { BoxAnswer, BoxQuestion } from '@bascule/protocol/api/plans.ts';
import type { FromSite, PairOrder, ToSite } from '@bascule/protocol/base-site.ts';
import type { Losses, PlannedChange } from '@bascule/protocol/losses.ts';
import { raiseGeneration, readGeneration } from '@bascule/store/generation-file.ts';
import type { PairState } from './known-epoch.ts';
import { PairTalk, type PeerAsks } from './pair-talk.ts';
import type { CertificateQuestion } from '../certificates/certificates.ts';
import { endLeftovers, noteSitePrograms } from './site-leftovers.ts';
import { FREEZE_LIMIT_MS, newRunDir, SitePair, type SitePairOptions, type SiteSoftware } from './site-pair.ts';
import type { SupervisedProgram } from './site-program.ts';
import * as questions from './site-questions.ts';
import { tryOnCopy, type TrialReport } from './site-trial.ts';

export { endLeftovers } from './site-leftovers.ts';
export { KnownEpoch, readKnownEpoch, siteHostMigrations, type PairState } from './known-epoch.ts';
export type { PeerAsks } from './pair-talk.ts';
export type { SiteSoftware } from './site-pair.ts';
export type { TrialReport } from './site-trial.ts';
export { ASK_WAIT_MS } from './site-questions.ts';

export interface SiteHostOptions {
  paths: ReturnType<typeof homePaths>;
  /** The version that the pointer names, looked up whenever the site is started anew. */
  software(): SiteSoftware;
  siteStart: SitePairOptions['siteStart'];
  log: Log;
  healthIntervalMs?: number;
  healthSilenceLimitMs?: number;
}

export type SiteState = 'starting' | 'ready' | 'restarting' | 'stopped';

/** A version of the site that was started beside the one in force and has read the state, but may not write. */
export interface SiteCandidate {
  readonly software: SiteSoftware;
  /** Names of the migrations it would apply. */
  readonly pending: readonly string[];
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

interface SiteHostEvents {
  change: [];
  /** A program in force is gone, back, or begins or ends to be switched. */
  programChanged: ['main' | 'relay'];
  /** `main` and `relay` are others now. */
  routeChanged: [];
  /** What main in force says of itself, every few seconds. */
  siteHealth: [Readonly<Record<string, string | number | boolean>>];
  /** From main in force: on each change, and each second as a sign of life. */
  pairState: [PairState];
}

/** Runs the site: its main program and its relay, each restarted alone, under one writer generation; and puts another version in their place. */
export class SiteHost extends EventEmitter<SiteHostEvents> {
  readonly #options: SiteHostOptions;
  readonly #pidFile: string;
  /** Those in force; before the first start, those that will be. */
  #pair: SitePair;
  readonly #candidates = new Map<SiteCandidate, SitePair>();
  /** Of a base that is itself a candidate: its site's programs, loaded before base is activated. */
  #warm: { pair: SitePair; loaded: Promise<boolean> } | undefined;
  #wasReady = false;
  #stopped = false;
  #firstPassword: string | undefined;
  #earlierDeaths = 0;
  #heldSinceMs = 0;
  readonly #pairTalk: PairTalk;
  #certificates: ((question: CertificateQuestion) => ToSite) | undefined;
  #boxSettings: ((withSecrets: boolean) => Promise<string>) | undefined;
  #loginBanner = '';

  constructor(options: SiteHostOptions) {
    super();
    // Bounded by the connections of the control socket.
    this.setMaxListeners(0);
    this.#options = options;
    this.#pairTalk = new PairTalk(options.log);
    this.#pidFile = join(dirname(options.paths.controlSocket), 'site-programs.json');
    this.#pair = this.#makePair(options.software(), undefined);
  }

  get main(): SupervisedProgram {
    return this.#pair.main;
  }
  get relay(): SupervisedProgram {
    return this.#pair.relay;
  }
  /** The version in force. */
  get software(): SiteSoftware {
    return this.#pair.software;
  }

  /** Before `start`, in a base that is a candidate: loads the programs, so that they take over in no time. They open nothing for writing. */
  warmUp(): Promise<boolean> {
    this.#makeDirectories();
    const pair = this.#makePair(this.#options.software(), newRunDir(this.#options.paths.site.run));
    const loaded = pair.prepare(readGeneration(this.#options.paths.site.generation), new AbortController().signal).then(
      () => true,
      (error: unknown) => {
        this.#options.log.warn({ err: error }, 'site.not-loaded-beforehand');
        return false;
      },
    );
    this.#warm = { pair, loaded };
    // From the first moment that this base listens: clients of the base before it redial at once.
    this.#pair.switching = true;
    pair.switching = true;
    return loaded;
  }

  /** Ends what an earlier base left, raises the generation, which shuts out every earlier writer, and starts both programs. */
  async start(): Promise<void> {
    const { paths } = this.#options;
    this.#makeDirectories();
    await endLeftovers(this.#pidFile);
    const software = this.#options.software();
    const warm = this.#warm;
    this.#warm = undefined;
    const isWarm = warm !== undefined && warm.pair.software.directory === software.directory && (await warm.loaded);
    if (warm !== undefined && !isWarm) await warm.pair.end({ killAfterMs: 0 });
    this.#removeRunDirs(isWarm ? warm.pair : undefined);
    if (isWarm) {
      this.#take(warm.pair);
      this.#noteProcesses();
      // A death while it takes over is like any other from here on: the program is started again.
      void warm.pair
        .activate(raiseGeneration(paths.site.generation), () => undefined)
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'site.activation-failed'))
        .finally(() => {
          warm.pair.switching = false;
          this.emit('programChanged', 'main');
          this.emit('programChanged', 'relay');
        });
      return;
    }
    this.#take(this.#makePair(software, undefined));
    this.#pair.start(raiseGeneration(paths.site.generation));
  }

  get ready(): boolean {
    return this.#pair.ready;
  }

  get state(): SiteState {
    if (this.#stopped) return 'stopped';
    if (this.ready) return 'ready';
    return this.#wasReady ? 'restarting' : 'starting';
  }

  /** Why the site cannot work, in its own sentence. */
  get failure(): string | undefined {
    return this.#pair.failure;
  }

  /** Deaths of programs in force that nobody asked for. */
  get deaths(): number {
    return this.#earlierDeaths + this.#pair.deaths;
  }

  /** Waits until both programs are ready; ends early when one says that it cannot work. */
  async whenReady(timeoutMs: number): Promise<'ready' | 'failed' | 'late'> {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
    try {
      while (!this.ready && this.failure === undefined) await once(this, 'change', { signal });
    } catch {
      return 'late';
    }
    return this.ready ? 'ready' : 'failed';
  }

  /** The programs in force; while none are, those of the candidate that takes over. */
  processes(): ProcessState[] {
    const [candidate] = this.#candidates.values();
    const pair = candidate !== undefined && !this.main.alive && !this.relay.alive ? candidate : this.#pair;
    return [pair.main.state, pair.relay.state];
  }

  /**
   * Starts `software` beside the programs in force, with sockets of its own; resolves when it is loaded and has read the state. Throws
   * `SITE_CANDIDATE_FAILED`; nothing is left then.
   */
  async prepare(software: SiteSoftware, signal: AbortSignal): Promise<SiteCandidate> {
    const { site } = this.#options.paths;
    const pair = this.#makePair(software, newRunDir(site.run));
    this.#candidates.set(pair, pair);
    try {
      await pair.prepare(readGeneration(site.generation), signal);
      return pair;
    } catch (error) {
      this.#candidates.delete(pair);
      throw error;
    }
  }

  /** The freeze of an installation: requests and links are held, and the programs in force end. Nothing writes once it resolves. */
  async freeze(candidate: SiteCandidate): Promise<void> {
    this.#pairOf(candidate).switching = true;
    await this.#end();
  }

  /** Makes the candidate the writer of a new generation; resolves when both its programs work. Throws `SITE_CANDIDATE_FAILED`. */
  async activate(candidate: SiteCandidate, onProgress: (text: string, done: number, total: number) => void): Promise<void> {
    await this.#pairOf(candidate).activate(raiseGeneration(this.#options.paths.site.generation), onProgress);
  }

  /** Everything that arrives, and what was held, goes to the candidate from now on. Gives for how many milliseconds it was held. */
  route(candidate: SiteCandidate): number {
    const pair = this.#pairOf(candidate);
    this.#candidates.delete(candidate);
    pair.switching = false;
    this.#take(pair);
    return Math.round(performance.now() - this.#heldSinceMs);
  }

  /** Ends a candidate that is not wanted; a second time does nothing. */
  async discard(candidate: SiteCandidate): Promise<void> {
    const pair = this.#candidates.get(candidate);
    this.#candidates.delete(candidate);
    await pair?.end({ killAfterMs: 0 });
  }

  /** For a restore: holds what arrives, and ends the programs in force. Nothing writes once it resolves; `restore` starts a version again. */
  async hold(): Promise<void> {
    await this.#end();
  }

  /** Ends every program of the site and starts `software`, while requests are held until it works or the front door gives up on them. */
  async restore(software: SiteSoftware): Promise<void> {
    const { paths } = this.#options;
    await Promise.all([this.#end(), ...[...this.#candidates.keys()].map((candidate) => this.discard(candidate))]);
    const pair = this.#makePair(software, newRunDir(paths.site.run));
    pair.switching = true;
    const release = (): void => {
      if (!pair.ready && pair.failure === undefined) return;
      pair.switching = false;
      for (const program of pair.programs) program.off('change', release);
      this.emit('programChanged', 'main');
      this.emit('programChanged', 'relay');
    };
    for (const program of pair.programs) program.on('change', release);
    this.#take(pair);
    pair.start(raiseGeneration(paths.site.generation));
  }

  /** Runs main of `software` once on the scratch copy `siteDir` (B49). Throws `SITE_CANDIDATE_FAILED`. */
  async tryOn(software: SiteSoftware, siteDir: string, signal: AbortSignal): Promise<TrialReport> {
    raiseGeneration(join(siteDir, 'generation'));
    const pair = this.#makePair(software, newRunDir(this.#options.paths.site.run), siteDir);
    return await tryOnCopy(pair, signal);
  }

  /** The one-time password of the site's first administrator; given out once. */
  takeFirstPassword(): string | undefined {
    const password = this.#firstPassword;
    this.#firstPassword = undefined;
    return password;
  }

  /** Makes the site give `user` a one-time password and returns it. Throws `AppError` with the site's reason, or `SITE_UNAVAILABLE`. */
  async resetPassword(user: string): Promise<string> {
    return await questions.resetPassword(this.main, user);
  }

  /** Makes the site remove every second factor of `user`. Errors as `resetPassword`. */
  async resetSecondFactor(user: string): Promise<void> {
    await questions.resetSecondFactor(this.main, user);
  }

  /** A single-use installer token for this machine. Errors as `resetPassword`. */
  async localClientToken(): Promise<string> {
    return await questions.localClientToken(this.main);
  }

  /** What main says of itself, of the version in force or of a candidate that was activated. Throws `SITE_UNAVAILABLE`. */
  async health(candidate?: SiteCandidate): Promise<Extract<FromSite, { kind: 'health' }>> {
    return await questions.health(candidate === undefined ? this.main : this.#pairOf(candidate).main);
  }

  /** A snapshot of site.db into the new file `target`; gives its size. Throws `SITE_REFUSED`, `SITE_UNAVAILABLE`. */
  async snapshot(target: string): Promise<number> {
    return await questions.snapshot(this.main, target);
  }

  /** Integrity of site.db, and who is in which session. Throws as `snapshot`. */
  async sitePreflight(): Promise<Extract<FromSite, { kind: 'preflight' }>> {
    return await questions.preflight(this.main);
  }

  /** A real session by the system (B215). Throws as `snapshot`. */
  async testSession(): Promise<Extract<FromSite, { kind: 'test-session' }>> {
    return await questions.testSession(this.main);
  }

  /** A backup by the site, before an upgrade: one for each `key`, asked again until it is not `running`. Undefined: the site makes none. Throws as `snapshot`. */
  async makeBackup(key: string): Promise<Extract<FromSite, { kind: 'backup-made' }> | undefined> {
    return await questions.makeBackup(this.main, key);
  }

  /** How far client programs are with this version. Throws as `snapshot`; a site before 0.2.0 is late. */
  async fleet(): Promise<Extract<FromSite, { kind: 'fleet' }>> {
    return await questions.fleet(this.main);
  }

  /** Which clients would have trouble with `change`. Throws as `fleet`. */
  async whoWouldILose(change: PlannedChange): Promise<Losses> {
    return await questions.whoWouldILose(this.main, change);
  }

  /** What the site audited after a position. Throws as `snapshot`; a site before 0.4.0 is late. */
  async auditAfter(question: Parameters<typeof questions.auditAfter>[1]): ReturnType<typeof questions.auditAfter> {
    return await questions.auditAfter(this.main, question);
  }

  /** How long the site keeps recordings and reports, after `change` if there is one. Throws as `auditAfter`. */
  async retention(change?: Parameters<typeof questions.retention>[1]): ReturnType<typeof questions.retention> {
    return await questions.retention(this.main, change);
  }

  /** Who is back after a restore, and what cannot be read. Throws as `snapshot`. */
  async restoredFigures(): Promise<Extract<FromSite, { kind: 'restored-figures' }>> {
    return await questions.restoredFigures(this.main);
  }

  /** Where backups lie that are not on this machine, in words. Throws as `snapshot`. */
  async backupPlaces(): Promise<string[]> {
    return await questions.backupPlaces(this.main);
  }

  /** What main in force said last of its failover pair; undefined while it has said nothing. */
  get pairState(): PairState | undefined {
    return this.#pairTalk.stateOf(this.#pair);
  }

  /** Whether one version of the site takes over from another: main is silent on purpose. */
  get isSwitching(): boolean {
    return this.#pair.main.switching;
  }

  /**
   * Has main do a step of an upgrade plan. `outcome` `running`: it goes on; the same order (by `plan` and `step`) asks how far it is. Throws
   * `SITE_UNAVAILABLE`.
   */
  async pairDo(plan: string, step: number, order: PairOrder): Promise<Extract<FromSite, { kind: 'pair-done' }>> {
    return await questions.pairDo(this.main, plan, step, order);
  }

  /** Asks the base of the peer, through both sites. Whoever cannot be asked is an answer too (`ok` false). Throws `SITE_UNAVAILABLE`. */
  async askPeer(question: BoxQuestion): Promise<BoxAnswer> {
    return await questions.askPeer(this.main, question);
  }

  /** Who answers what the base of the peer asks; one for all questions. What it throws is answered as its code and message. */
  onPeerAsks(handler: PeerAsks): void {
    this.#pairTalk.handler = handler;
  }

  /** Who answers what main asks about the web certificate; one for all questions. */
  onCertificate(handler: (question: CertificateQuestion) => ToSite): void {
    this.#certificates = handler;
  }

  /** Who answers what main asks for a backup: the box's own settings, as JSON. */
  onBoxSettings(handler: (withSecrets: boolean) => Promise<string>): void {
    this.#boxSettings = handler;
  }

  /** Tells main, now and whenever one begins, what is shown before a login. */
  setLoginBanner(text: string): void {
    this.#loginBanner = text;
    for (const { main } of [this.#pair, ...this.#candidates.values()]) main.send({ kind: 'login-banner', text });
  }

  /** Tells main of the version in force. One that is not running is told by its start. */
  tellMain(kind: 'committed' | 'update-metadata'): void {
    this.main.send({ kind });
  }

  /** Tells main which licences are installed now. */
  tellLicences(licences: ToldLicence[]): void {
    this.main.send({ kind: 'licences', licences });
  }

  /** Tells both programs that the web is served with another key now. */
  tellWebKey(webKeyPin: string): void {
    for (const pair of [this.#pair, ...this.#candidates.values()])
      for (const program of pair.programs) program.send({ kind: 'web-key', webKeyPin });
  }

  /** Ends the site. With `comeBackAtOnce`, another base takes over next: both programs end together and fast. */
  async stop(options: { comeBackAtOnce?: boolean } = {}): Promise<void> {
    this.#stopped = true;
    await this.#warm?.pair.end({ killAfterMs: 0 });
    await Promise.all([...this.#candidates.keys()].map((candidate) => this.discard(candidate)));
    if (options.comeBackAtOnce === true) return await this.#end();
    // main first: it closes sessions and links in order while the relay still answers it.
    await this.main.stop();
    await this.relay.stop();
    await this.#pair.end({});
  }

  #makePair(software: SiteSoftware, runDir: string | undefined, siteDir = this.#options.paths.site.site): SitePair {
    const { siteStart, log, healthIntervalMs, healthSilenceLimitMs } = this.#options;
    const pair = new SitePair({ software, siteDir, runDir, siteStart, log, healthIntervalMs, healthSilenceLimitMs });
    for (const name of ['main', 'relay'] as const)
      pair[name].on('change', () => {
        this.#noteProcesses();
        if (name === 'main' && !pair.main.alive) this.#pairTalk.forget(pair);
        if (pair !== this.#pair) return;
        if (this.ready) this.#wasReady = true;
        this.emit('programChanged', name);
        this.emit('change');
      });
    pair.main.on('message', (message) => {
      if (pair === this.#pair && message.kind === 'ready' && message.firstPassword !== undefined)
        this.#firstPassword = message.firstPassword;
      if (message.kind === 'ready' && this.#loginBanner !== '') pair.main.send({ kind: 'login-banner', text: this.#loginBanner });
      if (message.kind === 'ask-box-settings') void this.#answerBoxSettings(pair, message);
      if (message.kind === 'health' && pair === this.#pair) this.emit('siteHealth', message.detail);
      if (message.kind === 'pair-state') {
        this.#pairTalk.note(pair, message);
        if (pair === this.#pair) this.emit('pairState', message);
      }
      if ((message.kind === 'ask-certificate' || message.kind === 'take-certificate') && this.#certificates !== undefined)
        pair.main.send(this.#certificates(message));
      if (message.kind === 'peer-asks' && pair === this.#pair) void this.#pairTalk.answer(pair, message);
    });
    return pair;
  }

  async #answerBoxSettings(
    pair: SitePair,
    { nonce, withSecrets }: Extract<FromSite, { kind: 'ask-box-settings' }>,
  ): Promise<void> {
    try {
      if (this.#boxSettings === undefined) throw new AppError('unavailable', 'BOX_SETTINGS_UNREADY', 'base is still starting.');
      pair.main.send({ kind: 'box-settings', nonce, settings: await this.#boxSettings(withSecrets) });
    } catch (error) {
      this.#options.log.warn({ err: error }, 'site.box-settings-not-given');
      const message = error instanceof AppError ? error.message : 'The settings of the box cannot be read; the log says why.';
      pair.main.send({ kind: 'box-settings', nonce, error: message.slice(0, 500) });
    }
  }

  #pairOf(candidate: SiteCandidate): SitePair {
    const pair = this.#candidates.get(candidate);
    if (pair === undefined) throw new AppError('internal', 'SITE_CANDIDATE_FAILED', 'The candidate is gone.');
    return pair;
  }

  /** Puts `pair` in force. */
  #take(pair: SitePair): void {
    const earlier = this.#pair;
    if (earlier !== pair) this.#earlierDeaths += earlier.deaths;
    this.#pair = pair;
    if (this.ready) this.#wasReady = true;
    this.emit('routeChanged');
    // Who waits for the earlier ones looks again, and finds that they are not in force any more.
    earlier.switching = false;
    this.emit('change');
    const pairState = this.#pairTalk.stateOf(pair);
    if (pairState !== undefined) this.emit('pairState', pairState);
  }

  /** Holds what arrives, and ends the programs in force when they have answered what they took. */
  async #end(): Promise<void> {
    this.#heldSinceMs = performance.now();
    const pair = this.#pair;
    pair.switching = true;
    this.emit('programChanged', 'main');
    this.emit('programChanged', 'relay');
    await pair.main.whenAnswered();
    await pair.end({ comeBackAtOnce: true, killAfterMs: FREEZE_LIMIT_MS });
  }

  #makeDirectories(): void {
    const { site } = this.#options.paths;
    mkdirSync(site.site, { recursive: true, mode: 0o700 });
    mkdirSync(site.run, { recursive: true, mode: 0o700 });
  }

  /** Folders of sockets whose programs are gone. */
  #removeRunDirs(except: SitePair | undefined): void {
    const { run } = this.#options.paths.site;
    for (const entry of readdirSync(run, { withFileTypes: true })) {
      const path = join(run, entry.name);
      if (entry.isDirectory() && except?.main.socketPath.startsWith(`${path}/`) !== true)
        rmSync(path, { recursive: true, force: true });
    }
  }

  /** For the base after this one. A base that is a candidate leaves alone what the one in force has noted. */
  #noteProcesses(): void {
    if (this.#warm !== undefined) return;
    const programs = [this.#pair, ...this.#candidates.values()].flatMap((pair) => pair.programs);
    const identities = programs.map(({ identity }) => identity).filter((identity) => identity !== undefined);
    try {
      noteSitePrograms(this.#pidFile, identities);
    } catch (error) {
      // A full disk must not end base: those that are not noted end by their channel, and the generation shuts them out.
      this.#options.log.warn({ err: error }, 'site.programs-not-noted');
    }
  }
}
