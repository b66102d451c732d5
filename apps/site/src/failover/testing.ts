/** For tests: appliances of a pair in this process, each a whole site main with its folder, over real TLS on the loopback. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { dirname } from 'node:path';
import { createLog } from '@bascule/log/log.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import { LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { PAIR_ALPN } from '@bascule/protocol/pair-link.ts';
import { REHEARSAL_DATA_ALPN, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import { raiseGeneration } from '@bascule/store/generation-file.ts';
import type { Context } from '@bascule/store/store.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';
import type { SiteConfig } from '../config/config.ts';
import { SiteProgram } from '../life/site-program.ts';
import { testSiteConfig } from '../testing.ts';
import { establishingOptions } from './establish-here.ts';
import type { Pair } from './pair.ts';
import { collectSiteKeys } from './sealed-keys.ts';

export const ADA: Context = { actor: { kind: 'user', id: null, name: 'ada' }, address: '192.0.2.1' };
const LIMIT_MS = 20_000;
/** What base hands on to main: the first of these that is in the ClientHello. */
const ALPNS = [PAIR_ALPN, REHEARSAL_LINK_ALPN, REHEARSAL_DATA_ALPN, LINK_ALPN];

/** One appliance: its site main, and the port on which its peer reaches it. */
export class TestAppliance {
  readonly config: SiteConfig;
  readonly told: FromSite[] = [];
  readonly #door: Server;
  #program: SiteProgram | undefined;
  /** Connections of the peer are cut, and refused. */
  isCut = false;
  readonly #sockets = new Set<import('node:net').Socket>();

  private constructor(config: SiteConfig, door: Server) {
    this.config = config;
    this.#door = door;
    door.on('connection', (socket) => {
      if (this.isCut || this.#program === undefined) return void socket.destroy();
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      socket.once('readable', () => {
        const head = (socket.read() as Buffer | null) ?? Buffer.alloc(0);
        const alpn = ALPNS.find((one) => head.includes(one));
        if (this.#program === undefined || alpn === undefined) socket.destroy();
        else this.#program.acceptLink(socket, head, alpn);
      });
    });
  }

  static async start(name: string): Promise<TestAppliance> {
    const door = createServer().listen(0, '127.0.0.1');
    await once(door, 'listening');
    const config = { ...testSiteConfig(), applianceName: name };
    const appliance = new TestAppliance(config, door);
    await appliance.begin();
    return appliance;
  }

  get program(): SiteProgram {
    if (this.#program === undefined) throw new Error(`${this.config.applianceName} does not run`);
    return this.#program;
  }

  get pair(): Pair {
    const pair = this.program.failover.openedPair;
    if (pair === undefined) throw new Error(`${this.config.applianceName} has no pair`);
    return pair;
  }

  get role(): string {
    return this.program.failover.role;
  }

  get endpoint(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#door.address() as AddressInfo).port };
  }

  /** As base starts main. */
  async begin(): Promise<void> {
    this.config.generation = raiseGeneration(this.config.paths.generation);
    this.#program = await SiteProgram.open({
      config: this.config,
      log: createLog('test', process.env['TEST_LOG'] === undefined ? 'silent' : 'debug'),
      tell: (message) => void this.told.push(message),
      pairTiming: { askIntervalMs: 200, silenceMs: 1500, conflictAfterMs: 1000, lastEntriesMs: 1000 },
      rehearsalTiming: { lookEveryMs: 100, watchLimitMs: 3000 },
    });
    await this.#program.listen();
  }

  /** Cuts what stands, and whatever comes, or lets it through again. */
  cut(isCut: boolean): void {
    this.isCut = isCut;
    if (isCut) for (const socket of this.#sockets) socket.destroy();
  }

  async end(): Promise<void> {
    const program = this.#program;
    this.#program = undefined;
    await program?.close();
  }

  /** The tables of its site.db by content. */
  hashes(): Record<string, string> {
    const store = this.program.failover.store!;
    return Object.fromEntries(store.replicatedTables().map((table) => [table, store.contentHash(table)]));
  }

  async close(): Promise<void> {
    this.#door.close();
    await this.end();
    rmSync(dirname(this.config.siteDir), { recursive: true, force: true });
  }
}

/** Two appliances that are a pair: the first is primary, and the second has everything. */
export async function startPair(mode: 'async' | 'sync' = 'async') {
  const [one, other] = await Promise.all([TestAppliance.start('alpha'), TestAppliance.start('beta')]);
  await Promise.all([one.program.failover.pair(), other.program.failover.pair()]);
  await establishHooks(one, other, mode);
  await inSync(one, other);
  return {
    one,
    other,
    async [Symbol.asyncDispose]() {
      await Promise.all([one.close(), other.close()]);
    },
  };
}

/** What establishing does to both sides, without its proof of the pre-shared key, which takes its time and has tests of its own. */
async function establishHooks(one: TestAppliance, other: TestAppliance, mode: 'async' | 'sync'): Promise<void> {
  const id = randomUUID();
  const sideOf = (appliance: TestAppliance) => ({
    name: appliance.config.applianceName,
    keySha256: appliance.pair.parts.key.sha256,
    endpoint: appliance.endpoint,
    version: appliance.config.version,
  });
  const common = { id, mode, by: 'ada' };
  await establishingOptions(one.pair).commit({ ...common, peer: sideOf(other), own: one.endpoint }, ADA, () => undefined);
  const { statement } = one.pair.parts.records.self;
  const keys = collectSiteKeys(one.config.paths.keys, null);
  await establishingOptions(other.pair).adopt(
    keys,
    { ...common, peer: sideOf(one), own: other.endpoint, statement },
    () => undefined,
  );
  one.pair.start();
}

/** Resolves when `backup` has everything that `primary` has. */
export async function inSync(primary: TestAppliance, backup: TestAppliance): Promise<void> {
  await waitUntil(
    `${backup.config.applianceName} has everything of ${primary.config.applianceName}`,
    () =>
      backup.role === 'backup' &&
      backup.program.failover.store?.head().seq === primary.program.failover.store?.head().seq &&
      primary.pair.parts.gate.isInSync,
    LIMIT_MS,
  );
}

export const ANY_LOSS = { changes: 1000, seconds: 1000 };

/** A change that anybody can see. */
export function addGroup(appliance: TestAppliance, name: string): void {
  appliance.program.site!.parts.jump.groups.create(ADA, name);
}

/** Neither sees the other, each makes a change, `other` by the higher epoch; then they meet, and the older side has stopped. */
export async function bothWrite({ one, other }: { one: TestAppliance; other: TestAppliance }): Promise<void> {
  one.cut(true);
  other.cut(true);
  await waitUntil('it is seen to be unreachable', () => !other.pair.parts.watch.isReachable);
  await other.pair.roles.becomePrimary(ADA, { pullFirst: false, acceptedLoss: ANY_LOSS });
  addGroup(other, 'of beta');
  // More than clocks may differ by.
  await new Promise((resolve) => setTimeout(resolve, 2100));
  addGroup(one, 'of alpha');
  one.cut(false);
  other.cut(false);
  await waitUntil('the older side stops', () => one.role === 'read-only');
}
