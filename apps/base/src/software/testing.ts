/** A whole world for the engine in one process: real slots, packages, journal and store; a host and a boot that are scripted and can die at any point. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { homePaths } from '@bascule/core/home.ts';
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog } from '@bascule/log/log.ts';
import { packArchive } from '@bascule/package-format/archive.ts';
import type { Release } from '@bascule/package-format/update-client.ts';
import type { Installation, PreflightLine, UpdateSettings } from '@bascule/protocol/api/updates.ts';
import { packageManifest, type PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { Store, type Context } from '@bascule/store/store.ts';
import type { SiteCandidate, SiteSoftware } from '../site-host/site-host.ts';
import type { EngineLimits, InstallationMail } from './engine-contract.ts';
import { Engine } from './engine.ts';
import type { FaultPoint } from './fault-points.ts';
import type { InstallerHost } from './installer-host.ts';
import { engineMigrations } from './journal-migrations.ts';
import type { Shelf } from './shelf.ts';
import { REMOVED_SUFFIX } from './removals.ts';
import { Slots } from './slots.ts';

export const ADMINISTRATOR: Context = { actor: { kind: 'box-administrator', id: 'box_1', name: 'Ada' }, address: '127.0.0.1' };
const QUICK: EngineLimits = {
  baseStartMs: 5_000,
  baseStopMs: 2_000,
  restoreMs: 2_000,
  drainMs: 100,
  watchUnreadyMs: 60,
  lookEveryMs: 2,
};
/** Hundreds of installations write thousands of times through to the disk; nothing is cut here that a real disk would notice. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const RUNTIME = 'c'.repeat(64);

/** A site without processes: what runs, whether it works, and what goes wrong with it. */
export class ScriptedHost implements InstallerHost {
  software: SiteSoftware | undefined;
  ready = false;
  failure: string | undefined;
  deaths = 0;
  clientsOnline = 0;
  /** What each call does first; it may throw or never end. */
  before: (call: 'prepare' | 'freeze' | 'activate' | 'route' | 'restore' | 'health', version: string) => Promise<void> | void =
    () => undefined;
  /** Every version that served, in order. */
  readonly served: string[] = [];
  readonly calls: string[] = [];

  start(software: SiteSoftware): void {
    this.software = software;
    this.ready = true;
    this.served.push(software.version);
  }
  die(): void {
    this.software = undefined;
    this.ready = false;
  }
  processes() {
    return [];
  }
  async whenReady(): Promise<'ready' | 'late'> {
    return this.ready ? 'ready' : 'late';
  }
  async prepare(software: SiteSoftware, signal: AbortSignal): Promise<SiteCandidate> {
    await this.before('prepare', software.version);
    signal.throwIfAborted();
    return { software, pending: ['more'], detail: {} };
  }
  async freeze(candidate: SiteCandidate): Promise<void> {
    await this.before('freeze', candidate.software.version);
    this.die();
  }
  async activate(candidate: SiteCandidate, onProgress: (text: string, done: number, total: number) => void): Promise<void> {
    if (this.ready) throw new Error('two versions would write');
    onProgress('more', 1, 1);
    await this.before('activate', candidate.software.version);
  }
  route(candidate: SiteCandidate): number {
    void this.before('route', candidate.software.version);
    this.start(candidate.software);
    return 12;
  }
  async discard(): Promise<void> {
    this.calls.push('discard');
  }
  async restore(software: SiteSoftware): Promise<void> {
    await this.before('restore', software.version);
    this.calls.push(`restore ${software.version}`);
    this.start(software);
  }
  async tryOn(software: SiteSoftware, siteDir: string) {
    await this.before('prepare', software.version);
    this.calls.push(`try ${siteDir}`);
    return { startMs: 5, told: ['migrated more'], detail: { openMs: 3 } };
  }
  async health(candidate?: SiteCandidate) {
    await this.before('health', must(candidate?.software ?? this.software, 'a version').version);
    return { kind: 'health' as const, nonce: 1, ok: true, detail: { clientsOnline: this.clientsOnline } };
  }
  async snapshot(target: string): Promise<number> {
    writeFileSync(target, 'snapshot');
    return 8;
  }
  async sitePreflight() {
    return {
      kind: 'preflight' as const,
      nonce: 1,
      integrityProblems: [],
      databaseBytes: 1,
      clientsOnline: this.clientsOnline,
      sessions: [],
    };
  }
  async testSession() {
    return { kind: 'test-session' as const, nonce: 1, outcome: 'no-client' as const };
  }
  async fleet() {
    return { total: 0, current: 0, pending: 0, absent: 0, failed: 0, isSettled: true, text: '' };
  }
  async whoWouldILose() {
    return { connected: 0, seenLately: 0, lost: 0, trouble: 0, list: [] };
  }
  tellLicences(licences: { version: string }[]): void {
    this.calls.push(`licences ${licences.map(({ version }) => version).join(' ')}`);
  }
  tellMain(kind: string): void {
    this.calls.push(`tell ${kind}`);
  }
}

/** What outlives a process: the disk, and what boot and the operating system start again. */
export class World implements AsyncDisposable {
  readonly directory = mkdtempSync(join(MEMORY, 'bascule-engine-'));
  readonly paths = homePaths(this.directory);
  readonly slots = new Slots(this.paths);
  readonly store: Store;
  readonly mails: InstallationMail[] = [];
  readonly settings = { watchSeconds: 0.01, keepVersions: 2, keepSnapshots: 2 } as UpdateSettings;
  host = new ScriptedHost();
  preflight: PreflightLine[] = [];
  /** What the next start of a base on trial does: it may say why it cannot. */
  candidateFailure: string | undefined;
  /** How often a base on trial dies as soon as it is started. */
  candidateDeaths = 0;
  faultPoint: FaultPoint = async () => undefined;
  /** Versions of base that were started, in order. */
  readonly bases: string[] = [];
  readonly #releases = new Map<string, { release: Release; file: string }>();
  readonly #pages = http.createServer((_, response) => response.writeHead(this.pageStatus).end());
  pageStatus = 200;
  #engine: Engine | undefined;
  #isOver = false;

  private constructor() {
    for (const folder of [this.paths.box, this.paths.site.keys, this.paths.site.recordings, join(this.paths.run, 'control')])
      mkdirSync(folder, { recursive: true });
    this.store = Store.open({
      path: this.paths.boxDatabase,
      migrations: engineMigrations,
      appliance: 'test',
      log: createLog('test', 'silent'),
    });
  }

  /** Base and site 0.1.0 are installed and run; packages of both, 0.2.0, are on the shelf. */
  static async open(): Promise<World> {
    const world = new World();
    await new Promise<void>((resolve) => world.#pages.listen(0, '127.0.0.1', resolve));
    const runtime = join(world.paths.runtimes, RUNTIME.slice(0, 16), 'bin');
    mkdirSync(runtime, { recursive: true });
    writeFileSync(join(runtime, 'node'), '');
    for (const kind of ['base', 'site'] as const) {
      const folder = join(world.directory, 'software', kind, '0.1.0-aaaaaaaaaaaa');
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'bascule-package.json'), JSON.stringify(world.manifest(kind, '0.1.0')));
      symlinkSync(`../../runtimes/${RUNTIME.slice(0, 16)}`, join(folder, 'runtime'));
      world.slots.point(kind, 'current', '0.1.0-aaaaaaaaaaaa');
      await world.publish(world.manifest(kind, '0.2.0'));
    }
    world.boot();
    return world;
  }

  get engine(): Engine {
    return must(this.#engine, 'a base');
  }

  manifest(kind: PackageManifest['kind'], version: string, more: Partial<PackageManifest> = {}): PackageManifest {
    return packageManifest.parse({
      format: 'bascule-package/1',
      kind,
      version,
      revision: 'abc123',
      releasedAtMs: 1,
      requires: {},
      installsOver: null,
      upgradesClients: kind === 'site',
      restartsBox: kind === 'base',
      emergency: false,
      migrations: [],
      runtime: kind === 'licence' ? null : RUNTIME,
      unpackedBytes: 10_000,
      fileCount: 10,
      workspaces: kind === 'licence' ? {} : { '@bascule/core': 'packages/core' },
      eula: '',
      notes: { en: '' },
      ...more,
    });
  }

  /** Puts a package on the shelf; gives its target. `packed`: what the archive itself says, when that is something else. */
  async publish(manifest: PackageManifest, packed: PackageManifest = manifest): Promise<string> {
    const { kind, version } = manifest;
    const target = `${kind}/bascule-${kind}-${version}.tar.zst`;
    const file = join(this.directory, `${kind}-${version}.tar.zst`);
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    const { bytes, sha256 } = await packArchive(
      [
        { path: 'bascule-package.json', source: text(JSON.stringify(packed)), executable: false },
        { path: 'packages/core/home.ts', source: text(`// ${version}`), executable: false },
      ],
      file,
    );
    this.#releases.set(target, { file, release: { target, role: kind, lengthBytes: bytes, sha256, manifest } });
    return target;
  }

  fileOf(target: string): string {
    return must(this.#releases.get(target), 'the release').file;
  }

  /** What boot does when there is no base: the version on trial while it has tries, else the one that the pointer names. */
  boot(): void {
    if (this.#isOver) return;
    const trial = this.slots.trial();
    let folder = must(this.slots.current('base'), 'base').folder;
    if (trial !== undefined && trial.tries < trial.maxTries && this.slots.read('base', trial.folder) !== undefined) {
      this.slots.writeTrial({ ...trial, tries: trial.tries + 1 });
      if (this.candidateDeaths > 0) {
        this.candidateDeaths--;
        return this.boot();
      }
      folder = trial.folder;
    } else if (trial !== undefined) this.slots.removeTrial();
    this.#startBase(folder);
  }

  /** The process dies at this instant: nothing of it goes on. */
  crash(): void {
    this.#engine = undefined;
    const dead = this.host;
    this.host = Object.assign(new ScriptedHost(), { before: dead.before, clientsOnline: dead.clientsOnline });
    this.host.served.push(...dead.served);
    dead.before = () => never();
    setImmediate(() => this.boot());
  }

  /** Base is told to stop, in order. */
  #stopBase(): void {
    this.#engine?.stop();
    this.crash();
  }

  #startBase(folder: string): void {
    this.bases.push(folder.split('-')[0] as string);
    const { host } = this;
    const engine = new Engine({
      store: this.store,
      paths: this.paths,
      shelf: this.#shelf(),
      host,
      boot: { tryBase: () => this.#tryBase() },
      baseFolder: folder,
      ownUrl: `http://127.0.0.1:${(this.#pages.address() as AddressInfo).port}`,
      settings: () => this.settings,
      preflight: async () => this.preflight,
      mail: (mail) => this.mails.push(mail),
      restartBase: () => setImmediate(() => this.#stopBase()),
      log: createLog('test', 'silent'),
      limits: QUICK,
      faultPoint: (step, when) => (host === this.host ? this.faultPoint(step, when) : never()),
    });
    this.#engine = engine;
    engine.resume();
    host.start(must(this.slots.siteSoftware(), 'a site'));
    engine.continueAfterStart();
  }

  async #tryBase(): Promise<void> {
    const failure = this.candidateFailure;
    if (failure !== undefined) {
      this.slots.removeTrial();
      throw new AppError('unavailable', 'BASE_CANDIDATE_FAILED', failure);
    }
    setImmediate(() => this.#stopBase());
  }

  #shelf(): Shelf {
    return {
      find: (target) => this.#releases.get(target)?.release,
      obtain: async (target, { signal, onProgress }) => {
        signal.throwIfAborted();
        const { file, release } = must(this.#releases.get(target), 'the release');
        onProgress(release.lengthBytes, release.lengthBytes);
        return file;
      },
    };
  }

  /** The installation, once it has ended and is not looked at any more. */
  async ended(id: string): Promise<Installation> {
    for (const deadlineMs = performance.now() + 10_000; performance.now() < deadlineMs;) {
      const found = this.#engine?.history(200).find((installation) => installation.id === id);
      const isVerified =
        found?.outcome !== 'installed' ||
        (found.verification.length > 0 && found.verification.every(({ state }) => state !== 'waiting'));
      if (found !== undefined && found.endedAtMs !== null && isVerified && this.host.ready) return found;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`the installation does not end: ${JSON.stringify(this.store.all('SELECT * FROM installation'))}`);
  }

  /** Nothing waits in the background to be removed any more. */
  async removed(): Promise<void> {
    const folders = [this.paths.baseSoftware, this.paths.siteSoftware, this.paths.runtimes, this.paths.snapshots];
    const left = (): string[] =>
      folders
        .flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []))
        .filter((name) => name.endsWith(REMOVED_SUFFIX));
    for (const deadlineMs = performance.now() + 10_000; left().length > 0;) {
      if (performance.now() > deadlineMs) throw new Error(`not removed: ${left().join(', ')}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#engine?.stop();
    this.#pages.closeAllConnections();
    await new Promise((resolve) => this.#pages.close(resolve));
    this.store.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What a process that is dead does next. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
