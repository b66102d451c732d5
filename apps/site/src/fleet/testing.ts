import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientHome, StoredIdentity } from '@bascule/client/client-home.ts';
import { dial } from '@bascule/client/dial.ts';
import { enrolledClient, FACTS, ScriptedLink } from '@bascule/client/testing.ts';
import { createLog } from '@bascule/log/log.ts';
import type { ClientSoftware, UpgradeOrder } from '@bascule/protocol/client-program.ts';
import { LINK_ALPN, LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import { settingsMigrations } from '../settings/settings.ts';
import { TestSite } from '../jump/testing.ts';
import { DEFAULT_FLEET_SETTINGS } from './fleet-settings.ts';
import {
  Fleet,
  fleetMigrations,
  type FleetMail,
  type FleetOptions,
  type OrderContents,
  type OrderProblem,
  type UpgradePrograms,
} from './fleet.ts';

export const OLD = '0.1.0';
export const NEW = '0.2.0';
export const ALL_AT_ONCE = {
  ...DEFAULT_FLEET_SETTINGS,
  maxStartsPerSecond: 1000,
  rings: [{ name: 'All', groupIds: [], percent: 100, waitMinutes: 0 }],
};

/** Client programs of versions that the test names, each a parcel of random bytes. */
export class TestPrograms implements UpgradePrograms {
  readonly current: { version: string; revision: string };
  readonly #directory = mkdtempSync(join(tmpdir(), 'bascule-parcels-'));
  readonly #versions: string[];
  readonly #parcels = new Map<string, { file: string; bytes: number; sha256: string }>();
  readonly #listeners: (() => void)[] = [];
  problem: OrderProblem | undefined;

  constructor(versions: readonly string[] = [NEW], bytes = 20_000) {
    this.#versions = [...versions];
    this.current = { version: versions.at(-1)!, revision: 'abc1234' };
    for (const version of versions) {
      const content = randomBytes(bytes);
      const sha256 = createHash('sha256').update(content).digest('hex');
      const file = join(this.#directory, sha256);
      writeFileSync(file, content);
      this.#parcels.set(version, { file, bytes, sha256 });
    }
  }

  versions(): string[] {
    return this.#versions;
  }

  async order(software: ClientSoftware): Promise<OrderContents | { problem: OrderProblem }> {
    if (this.problem !== undefined) return { problem: this.problem };
    const version = this.#versions.find((known) => known > software.version);
    if (version === undefined) return { problem: 'current' };
    const { sha256, bytes } = this.#parcels.get(version)!;
    const target = `client/jump-client-${version}.tar.zst`;
    return {
      version,
      revision: 'abc1234',
      target,
      sha256: bundleOf(version),
      parcel: { sha256, bytes },
      runtime: null,
      root: null,
    };
  }

  parcelFile(sha256: string): { file: string; bytes: number } | undefined {
    return [...this.#parcels.values()].find((parcel) => parcel.sha256 === sha256);
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The hash that a bundle of this version has in tests. */
export function bundleOf(version: string): string {
  return createHash('sha256').update(`bundle ${version}`).digest('hex');
}

export function softwareOf(version: string, more: Partial<ClientSoftware> = {}): ClientSoftware {
  return {
    program: 'jump-client',
    version,
    revision: 'abc1234',
    platform: 'linux-x64',
    mode: 'active',
    bundle: bundleOf(version),
    runtime: null,
    upgradable: true,
    trial: false,
    dials: { host: 'bascule.example', port: 443, proxy: false },
    freeBytes: null,
    authority: '0'.repeat(64),
    ...more,
  };
}

/** A site with an upgrade queue, real control links, and sessions that the test says there are. */
export class FleetBench {
  readonly site: TestSite;
  readonly fleet: Fleet;
  readonly programs: TestPrograms;
  readonly mails: FleetMail[] = [];
  readonly inSession = new Set<string>();
  readonly #sessionListeners: ((clientId: string, count: number) => void)[] = [];

  private constructor(site: TestSite, programs: TestPrograms, options: Partial<FleetOptions>) {
    this.site = site;
    this.programs = programs;
    this.fleet = new Fleet({
      store: site.store,
      jump: site.jump,
      programs,
      sessions: {
        isOnClient: (id) => this.inSession.has(id),
        onClientSessions: (listener) => this.#sessionListeners.push(listener),
      },
      publish: () => undefined,
      mail: { tell: (mail) => this.mails.push(mail) },
      page: () => 'https://bascule.example/login/jump/upgrades',
      isCommitted: true,
      log: createLog('test', 'silent'),
      ...options,
    });
    this.fleet.start();
  }

  static async open(
    options: { programs?: TestPrograms; directory?: string; fleet?: Partial<FleetOptions>; now?: () => number } = {},
  ): Promise<FleetBench> {
    const { directory, programs = new TestPrograms(), now } = options;
    const site = await TestSite.open({
      migrations: [...settingsMigrations, ...fleetMigrations],
      ...(directory !== undefined && { directory }),
      ...(now !== undefined && { now }),
    });
    return new FleetBench(site, programs, { ...options.fleet, ...(now !== undefined && { now }) });
  }

  session(client: TestClient, isOn: boolean): void {
    if (isOn) this.inSession.add(client.id);
    else this.inSession.delete(client.id);
    for (const listener of this.#sessionListeners) listener(client.id, isOn ? 1 : 0);
  }

  async close(options: { keep?: boolean } = {}): Promise<void> {
    this.fleet.close();
    await this.site.close({ keep: true });
    if (options.keep === true) return;
    this.programs.close();
    rmSync(this.site.directory, { recursive: true, force: true });
  }
}

/** A client that was enrolled for real and does with its orders what the test says. */
export class TestClient {
  readonly #enrolled: { home: ClientHome; identity: StoredIdentity };
  version = OLD;
  bench: FleetBench;
  link!: ScriptedLink;

  private constructor(bench: FleetBench, enrolled: { home: ClientHome; identity: StoredIdentity }) {
    this.bench = bench;
    this.#enrolled = enrolled;
  }

  /** Enrolled, and connected unless `away`. */
  static async make(
    bench: FleetBench,
    options: { name?: string; groupId?: string; version?: string; away?: boolean; approveEach?: boolean } = {},
  ): Promise<TestClient> {
    const { name = 'web-1', version = OLD, groupId, approveEach } = options;
    const token = bench.site.token({ ...(groupId !== undefined && { groupId }), ...(approveEach === true && { approveEach }) });
    const client = new TestClient(bench, await enrolledClient(bench.site.target, token, { hostName: name, version }));
    client.version = version;
    if (options.away !== true) await client.connect();
    return client;
  }

  get id(): string {
    return this.#enrolled.identity.client;
  }

  /** Says `hello` as the version that it is; waits until it is accepted. */
  async connect(more: { software?: ClientSoftware; upgrade?: object; instance?: string } = {}): Promise<void> {
    const { instance = randomBytes(16).toString('hex'), ...rest } = more;
    this.link = await ScriptedLink.hello(this.bench.site.target, this.#enrolled, instance, {
      facts: { ...FACTS, version: this.version },
      software: softwareOf(this.version),
      ...rest,
    });
    await this.link.next('accepted');
  }

  async disconnect(): Promise<void> {
    this.link.webSocket.terminate();
    await this.link.closed;
  }

  /** The next order, without its kind. */
  async order(): Promise<UpgradeOrder> {
    return await this.link.next('upgrade');
  }

  report(order: UpgradeOrder, state: string, more: object = {}): void {
    this.link.send({ kind: 'upgrade-status', order: order.order, state, version: order.version, atMs: Date.now(), ...more });
  }

  /** Does what it was told: restarts as the ordered version, and is done. */
  async obey(order: UpgradeOrder): Promise<void> {
    this.report(order, 'restarting');
    await this.disconnect();
    this.version = order.version;
    const report = { order: order.order, state: 'restarting', version: order.version, atMs: Date.now() };
    await this.connect({ software: softwareOf(order.version, { trial: true }), upgrade: report });
    this.report(order, 'done');
    await this.link.next('upgrade-noted');
  }

  /** A request over its own mutual TLS. */
  async fetch(
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
    const { authority, certificate } = this.#enrolled.identity;
    const socket = await dial(this.bench.site.target, {
      alpn: LINK_ALPN,
      authority,
      certificate,
      key: this.#enrolled.home.keyPem,
    });
    return await new Promise((resolve, reject) => {
      const asked = request({ createConnection: () => socket, path, method, headers: { host: LINK_SERVER_NAME, ...headers } });
      asked.on('error', reject);
      asked.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
        );
      });
      asked.end();
    });
  }
}

/** Waits for what comes by itself within a few seconds. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`did not come about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
