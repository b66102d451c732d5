import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { foundTrust, updatesState, type Installation, type UpdatesState } from '@bascule/protocol/api/updates.ts';
import { ApiClient } from './api-client.ts';
import { launchAppliance, type LaunchedAppliance, type LaunchOptions } from './launch-appliance.ts';
import { buildRelease, runTool, type Changes } from './test-releases.ts';
import { TypingSession } from './typing-session.ts';
import { waitUntil } from './wait-until.ts';

const CHECKOUT = resolve(import.meta.dirname, '..', '..', '..');
export const BOX_PASSWORD = 'correct horse battery box';
export const SITE_PASSWORD = 'correct horse battery staple';
const INSTALLATION_LIMIT_MS = 240_000;
const started = z.object({ id: z.string() });

/** The releases of the demonstration: a base, and a site with an additive migration and another client bundle. */
export const NEXT_VERSION = '0.2.0';
export const NEXT: Changes = {
  version: NEXT_VERSION,
  migration: 'CREATE TABLE release_note (id TEXT PRIMARY KEY NOT NULL, text TEXT NOT NULL) STRICT;',
};

/** Signed releases in a repository on disk. */
export class ReleaseShop implements Disposable {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  get repository(): string {
    return join(this.directory, 'repository');
  }
  get keys(): string {
    return join(this.directory, 'keys');
  }

  /** Makes keys and a repository with base and site of this checkout as a later version (or with what `kinds` names of them); `edits` are changes of its files beside that. */
  static async open(
    say: (line: string) => void = () => undefined,
    edits: Changes['edits'] = {},
    kinds: ('base' | 'site')[] = ['base', 'site'],
  ): Promise<ReleaseShop> {
    const shop = new ReleaseShop(mkdtempSync(join(tmpdir(), 'bascule-releases-')));
    chmodSync(shop.directory, 0o755);
    say('Signing keys and a repository ...');
    await runTool('release', ['repository', '--repository', shop.repository, '--keys', shop.keys]);
    await shop.release({ ...NEXT, edits }, say, kinds);
    return shop;
  }

  /** Builds base and site of a later version, and publishes both. */
  async release(
    changes: Changes,
    say: (line: string) => void = () => undefined,
    kinds: ('base' | 'site')[] = ['base', 'site'],
  ): Promise<void> {
    for (const kind of kinds) {
      say(`Building ${kind} ${changes.version} ...`);
      await buildRelease(kind, changes, join(this.directory, 'out'));
      await runTool('release', [
        'publish',
        this.packageFile(kind, changes.version),
        '--repository',
        this.repository,
        '--keys',
        this.keys,
      ]);
    }
  }

  packageFile(kind: 'base' | 'site', version: string): string {
    return join(this.directory, 'out', kind, `bascule-${kind}-${version}.tar.zst`);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** A running update server over a shop's repository. */
export class LaunchedUpdateServer implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #log: () => string;

  private constructor(process: ChildProcess, url: string, log: () => string) {
    this.#process = process;
    this.url = url;
    this.#log = log;
  }

  static async start(shop: Pick<ReleaseShop, 'directory' | 'repository' | 'keys'>): Promise<LaunchedUpdateServer> {
    const args = [
      join(CHECKOUT, 'apps', 'update-server', 'src', 'main.ts'),
      'serve',
      '--repository',
      shop.repository,
      '--state',
      join(shop.directory, 'server'),
      '--online-keys',
      shop.keys,
      '--port',
      '0',
      '--registration',
      'open',
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    const url = await waitUntil('the update server runs', () => {
      if (child.exitCode !== null) throw new Error(`the update server ended: ${said}`);
      return /https?:\/\/[^\s"]+/.exec(said)?.[0];
    });
    return new LaunchedUpdateServer(child, url, () => said);
  }

  get log(): string {
    return this.#log();
  }

  /** Registers an appliance by its public key, as whoever runs the server does for one that cannot ask by itself. */
  static async register(shop: ReleaseShop, name: string, publicKey: string): Promise<void> {
    const state = join(shop.directory, 'server');
    await runTool('update-server', ['appliance', 'add', '--state', state, '--name', name, '--key', publicKey]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await exited;
  }
}

/** An appliance that trusts a shop, with Jump Clients, and what can be done on its Updates page. */
export class UpgradeScene implements AsyncDisposable {
  readonly appliance: LaunchedAppliance;
  readonly box: ApiClient;
  readonly site: ApiClient;
  /** Jump Items that are online. */
  readonly items: string[] = [];

  private constructor(appliance: LaunchedAppliance, box: ApiClient, site: ApiClient) {
    this.appliance = appliance;
    this.box = box;
    this.site = site;
  }

  /** Starts an appliance from a staged copy of this checkout; both administrators have taken over. */
  static async start(options: LaunchOptions & { clients?: number } = {}): Promise<UpgradeScene> {
    const appliance = await launchAppliance({ ...options, staged: true });
    const site = await ApiClient.pin(appliance.url);
    await site.takeOver(appliance.passwords.login, SITE_PASSWORD);
    const scene = await UpgradeScene.of(appliance, site);
    await scene.startClients(options.clients ?? 1);
    return scene;
  }

  /** Of an appliance that runs staged, whose site's administrator has taken over (`site`); the other one does now. */
  static async of(appliance: LaunchedAppliance, site: ApiClient): Promise<UpgradeScene> {
    const box = await ApiClient.pin(appliance.url, '/appliance/api');
    await box.takeOver(appliance.passwords.appliance, BOX_PASSWORD);
    return new UpgradeScene(appliance, box, site);
  }

  /** Accepts the agreement of an offer, if nobody has. */
  async accept(target: string): Promise<void> {
    const offer = (await this.state()).offers.find((one) => one.target === target);
    if (offer === undefined) throw new Error(`${target} is not offered`);
    if (offer.eulaAccepted === null)
      await this.box.call('POST', 'updates/eula', z.unknown(), { target, sha256: offer.eulaSha256, name: 'Test Administrator' });
  }

  async startClients(count: number): Promise<void> {
    for (let number = 1; number <= count; number++) {
      await this.appliance.startJumpClient({ name: `machine-${number}` });
      this.items.push(await this.site.onlineItem(`machine-${number}`));
    }
  }

  /** As an administrator would: the server's address, its fingerprint confirmed, and a first look for updates. */
  async trust(server: { url: string }, watchSeconds: number): Promise<UpdatesState> {
    const { settings } = await this.state();
    await this.box.call('PUT', 'updates/settings', z.unknown(), { ...settings, serverUrl: server.url, watchSeconds });
    const { rootSha256 } = await this.box.call('POST', 'updates/trust/fetch', foundTrust, {});
    await this.box.call('POST', 'updates/trust', z.unknown(), { rootSha256 });
    return this.check();
  }

  async check(): Promise<UpdatesState> {
    const before = (await this.state()).lastCheck?.atMs ?? 0;
    await this.box.call('POST', 'updates/check', z.unknown(), {});
    return waitUntil('the check has ended', async () => {
      const state = await this.state();
      if (state.isChecking || state.lastCheck === null || state.lastCheck.atMs < before) return undefined;
      return state.lastCheck.atMs > before || state.lastCheck.error !== null ? state : undefined;
    });
  }

  state(): Promise<UpdatesState> {
    return this.box.call('GET', 'updates/state', updatesState);
  }

  target(kind: 'base' | 'site', version = NEXT_VERSION): string {
    return `${kind}/bascule-${kind}-${version}.tar.zst`;
  }

  /** Accepts the agreement and starts an installation; answers its id. Amber lines of the preflight are overruled. */
  async begin(target: string, how: 'install' | 'download' | 'trial' = 'install'): Promise<string> {
    await this.accept(target);
    const { lines } = await this.box.call(
      'POST',
      'updates/preflight',
      z.object({ lines: z.array(z.object({ code: z.string(), outcome: z.string() })) }),
      { target },
    );
    const overrule = lines.filter(({ outcome }) => outcome === 'amber').map(({ code }) => code);
    return (await this.box.call('POST', `updates/${how}`, started, { target, overrule })).id;
  }

  async rollBack(kind: 'base' | 'site'): Promise<string> {
    return (await this.box.call('POST', 'updates/roll-back', started, { kind })).id;
  }

  /** The installation as it is now, wherever the page shows it. */
  async installation(id: string): Promise<Installation | undefined> {
    const state = await this.state();
    return [state.running, state.rolledBack, state.lastInstalled].find((one) => one?.id === id) ?? undefined;
  }

  /** Waits until the installation has ended, whatever base is replaced or killed meanwhile. */
  async ended(id: string, onStep: (installation: Installation) => void = () => undefined): Promise<Installation> {
    let step = '';
    return waitUntil(
      `installation ${id} has ended`,
      async () => {
        const found = await this.installation(id);
        if (found !== undefined && found.step !== step) {
          step = found.step;
          onStep(found);
        }
        return found !== undefined && found.outcome !== 'running' && found.endedAtMs !== null ? found : undefined;
      },
      INSTALLATION_LIMIT_MS,
    );
  }

  async install(target: string, onStep?: (installation: Installation) => void): Promise<Installation> {
    return this.ended(await this.begin(target), onStep);
  }

  typing(item: string, everyMs?: number): Promise<TypingSession> {
    return TypingSession.start(this.site, item, everyMs);
  }

  installed(state: UpdatesState, kind: 'base' | 'site'): string | undefined {
    return state.installed.find((one) => one.kind === kind)?.version;
  }

  /** What the appliance's journal says of an installation, for a failing test. */
  logTail(): string {
    return readFileSync(join(this.appliance.home, 'log', 'appliance.log'), 'utf8')
      .split('\n')
      .slice(-60)
      .join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.appliance[Symbol.asyncDispose]();
  }
}
