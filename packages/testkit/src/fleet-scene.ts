import { join } from 'node:path';
import {
  fleetClients,
  fleetSettings,
  rollout,
  type FleetClient,
  type FleetSettings,
  type Rollout,
} from '@bascule/protocol/api/fleet.ts';
import { createdInstaller, installers } from '@bascule/protocol/api/installers.ts';
import { FAULTS_BY_FILE, FaultInjector } from './fault-injector.ts';
import { InstalledProgram } from './installed-program.ts';
import type { ApiClient } from './api-client.ts';
import type { Changes } from './test-releases.ts';
import { LaunchedUpdateServer, ReleaseShop, SITE_PASSWORD, UpgradeScene } from './upgrade-scene.ts';
import { waitUntil } from './wait-until.ts';

const WATCH_SECONDS = 1;
/** A client fetches, checks, restarts and proves itself within this on the slowest machine. */
export const UPGRADE_LIMIT_MS = 120_000;
const COME_BACK_LIMIT_MS = 60_000;

export interface ClientOptions {
  name: string;
  program?: 'jump-client' | 'jumpoint';
  mode?: 'active' | 'passive';
  /** Of the site that is downloaded and not installed. */
  isAhead?: boolean;
  environment?: Record<string, string>;
}

/** An appliance that trusts an update server and runs a signed site, with client programs that their real installer put beside each other. */
export class FleetScene implements AsyncDisposable {
  readonly upgrades: UpgradeScene;
  readonly shop: ReleaseShop;
  readonly faults: FaultInjector;
  readonly programs = new Map<string, InstalledProgram>();
  readonly #server: LaunchedUpdateServer;

  private constructor(parts: { upgrades: UpgradeScene; shop: ReleaseShop; server: LaunchedUpdateServer }) {
    this.upgrades = parts.upgrades;
    this.shop = parts.shop;
    this.#server = parts.server;
    this.faults = new FaultInjector(parts.upgrades.appliance);
  }

  get site(): ApiClient {
    return this.upgrades.site;
  }
  get appliance(): UpgradeScene['appliance'] {
    return this.upgrades.appliance;
  }

  /** The appliance runs the first of `releases` when this resolves; all of them are on the update server. */
  static async start(releases: [Changes, ...Changes[]]): Promise<FleetScene> {
    const [first, ...later] = releases;
    const shop = await ReleaseShop.open(undefined, {}, []);
    let server: LaunchedUpdateServer | undefined;
    let upgrades: UpgradeScene | undefined;
    try {
      await shop.release(first, undefined, ['site']);
      server = await LaunchedUpdateServer.start(shop);
      upgrades = await UpgradeScene.start({ clients: 0, environment: FAULTS_BY_FILE });
      await upgrades.trust(server, WATCH_SECONDS);
      const scene = new FleetScene({ upgrades, shop, server });
      upgrades.appliance.keepBootRunning();
      await scene.installSite(first.version);
      for (const release of later) await shop.release(release, undefined, ['site']);
      await upgrades.check();
      return scene;
    } catch (error) {
      await upgrades?.[Symbol.asyncDispose]();
      await server?.[Symbol.asyncDispose]();
      shop[Symbol.dispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.programs.values()].map((program) => program[Symbol.asyncDispose]()));
    await this.faults[Symbol.asyncDispose]();
    await this.upgrades[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
    this.shop[Symbol.dispose]();
  }

  /** Installs a site package to the end of its watch period; throws when it was not. */
  async installSite(version: string): Promise<void> {
    await this.committed(await this.upgrades.begin(this.upgrades.target('site', version)));
  }

  /** Downloads a site package, which is not installed; resolves when installers of that version can be made. */
  async download(version: string): Promise<void> {
    await this.upgrades.begin(this.upgrades.target('site', version), 'download');
    await waitUntil(
      `installers of ${version} can be had`,
      async () => (await this.site.call('GET', 'installers', installers)).next === version,
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => this.fail(error));
  }

  async committed(id: string): Promise<void> {
    const { outcome, cause } = await this.upgrades.ended(id);
    if (outcome !== 'installed') throw new Error(`the site was not installed: ${outcome} ${JSON.stringify(cause)}`);
  }

  /** A client from an installer of the wizard. Resolves when it is enrolled, for one that is ahead when its installation began. */
  async install({ name, program = 'jump-client', mode = 'active', isAhead = false, environment }: ClientOptions) {
    const { installCommand } = await this.site.call('POST', 'installers', createdInstaller, {
      program,
      name,
      validForHours: 1,
      uses: 1,
      groupId: null,
      approveEach: false,
      mode,
      tags: [],
      comment: '',
      isGeneric: false,
      version: isAhead ? 'next' : 'current',
    });
    const beside = this.programs.values().next().value;
    const options = {
      name,
      program,
      command: installCommand,
      directory: join(this.appliance.directory, name),
      ...(environment && { environment }),
      ...(beside && { beside }),
    };
    const installed = isAhead ? InstalledProgram.begin(options) : await InstalledProgram.install(options);
    this.programs.set(name, installed);
    if (!isAhead && mode === 'active') await this.site.onlineItem(name);
    return installed;
  }

  settings(): Promise<FleetSettings> {
    return this.site.call('GET', 'fleet/settings', fleetSettings);
  }

  async changeSettings(changes: Partial<FleetSettings>): Promise<FleetSettings> {
    return this.site.call('PUT', 'fleet/settings', fleetSettings, { ...(await this.settings()), ...changes });
  }

  rollout(): Promise<Rollout> {
    return this.site.call('GET', 'fleet/rollout', rollout);
  }

  async clients(): Promise<FleetClient[]> {
    return (await this.site.call('GET', 'fleet/clients', fleetClients)).clients;
  }

  async client(name: string): Promise<FleetClient> {
    const found = (await this.clients()).find((client) => client.name === name);
    if (found === undefined) throw new Error(`no client ${name} is listed`);
    return found;
  }

  /** Waits until the client is as wanted; its log and the appliance's go with the error when it never is. */
  async until(name: string, what: string, isTrue: (client: FleetClient) => boolean): Promise<FleetClient> {
    return waitUntil(
      `${name} ${what}`,
      async () => {
        const client = await this.client(name);
        if (isTrue(client)) return client;
        throw new Error(JSON.stringify(client));
      },
      UPGRADE_LIMIT_MS,
    ).catch((error: unknown) => this.fail(error));
  }

  /** It runs `version`, is connected, and the queue says Current. */
  untilCurrent(name: string, version: string): Promise<FleetClient> {
    return this.until(
      name,
      `is current with ${version}`,
      (client) => client.state === 'current' && client.version === version && client.online,
    );
  }

  /** Logs in again when the session of the administrator did not outlive what was done to the appliance. */
  async logIn(): Promise<void> {
    await waitUntil(
      'the administrator is logged in',
      async () => (await this.site.logIn('admin', SITE_PASSWORD)) === 'ok',
      COME_BACK_LIMIT_MS,
    );
  }

  /** Adds what all programs said to `cause`, and throws it. */
  fail(cause: unknown): never {
    const tails = [...this.programs.values()].map((program) => program.logTail()).join('\n');
    const reason = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
    return this.appliance.fail(
      new Error(`${cause instanceof Error ? cause.message : String(cause)}${reason}\n${tails}`, { cause }),
    );
  }
}
