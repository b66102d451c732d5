/**
 * The failover pair (architecture 8): which role this appliance has, who follows whom, and who may write. Opened before anything of the site, it owns site.db through all roles;
 * what is served follows from the role (docs/decisions/0199).
 */
import type { Socket } from 'node:net';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { AppError } from '@bascule/errors/app-error.ts';
import type { ApplianceHeader, PairRole, PairSettings } from '@bascule/protocol/api/failover.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Store, StoreOptions } from '@bascule/store/store.ts';
import type { RelayPair } from '../access-session/access-session.ts';
import type { SiteConfig } from '../config/config.ts';
import { changeAtPrimary } from './failover-errors.ts';
import { DEFAULT_PAIR_SETTINGS, openPairStore } from './pair-store.ts';
import { SiteDatabase } from './site-database.ts';

export type StoreHooks = Pick<StoreOptions, 'onCommitted' | 'holdEffects' | 'mayWrite'>;

export interface FailoverOptions {
  config: SiteConfig;
  tell(message: FromSite): void;
  /** Opens site.db with every domain's migrations, and what this domain hooks into it. */
  openStore(follower: boolean, hooks: StoreHooks): Store;
  log: Log;
  now?: () => number;
}

/** Who serves people and clients: main stops and starts it as the role changes. */
export interface Serving {
  /** Ends what is served, in order; requests that come meanwhile are held. */
  stop(): Promise<void>;
  /** Serves what fits the role of now. */
  start(): Promise<void>;
}

/** What whoever is served lets the pair know, and hears of it. */
export interface ServedParts {
  /** The page of the pair would show something else now. */
  changed(): void;
  /** The relay is to be told anew what to do. */
  relayOrder(): void;
  /** Rows of these tables of site.db were changed by the primary. */
  applied?(tables: readonly string[]): void;
  /** Clients that came to this backup lately, because they had lost the primary. */
  clientsHere?(): { count: number; newestAtMs: number | null };
}

/** What an order of a plan came to (base-site `pair-done`). */
export interface PairDone {
  outcome: 'done' | 'running' | 'failed';
  error?: string;
  result?: unknown;
}

export class Failover {
  readonly #options: FailoverOptions;
  readonly #database: SiteDatabase;
  #pairStore: Store | undefined;
  readonly relay: RelayPair;

  private constructor(options: FailoverOptions) {
    this.#options = options;
    this.#database = new SiteDatabase({
      path: options.config.paths.database,
      open: (follower) => options.openStore(follower, this.storeOptions()),
    });
    this.relay = { order: () => ({ kind: 'pair', role: 'none' }), heard: () => undefined };
  }

  /** Opens what this appliance knows of its pair, and site.db as its role has it. Throws as `Store.open`. */
  static async open(options: FailoverOptions): Promise<Failover> {
    const failover = new Failover(options);
    failover.#database.openAs(false);
    return failover;
  }

  get role(): PairRole {
    return 'single';
  }

  /** Whether people and clients are served here. */
  get serves(): boolean {
    return true;
  }

  /** site.db; undefined on a backup without a copy. */
  get store(): Store | undefined {
    return this.#database.store;
  }

  /** What `Store.open` of site.db takes besides. */
  storeOptions(): StoreHooks {
    return {};
  }

  /** pair.db, opened or made at the first need. */
  get pairStore(): Store {
    const { config, log, now = Date.now } = this.#options;
    this.#pairStore ??= openPairStore({ path: config.paths.pairDatabase, appliance: config.applianceName, log, now });
    return this.#pairStore;
  }

  settings(): PairSettings {
    return DEFAULT_PAIR_SETTINGS;
  }

  /** What a change at a backup is answered with: where it can be made. */
  changeRefused(): AppError {
    return changeAtPrimary(this.header().primaryUrl);
  }

  /** Who is served hears of the pair until the returned function is called. */
  connect(_served: ServedParts): () => void {
    return () => undefined;
  }

  /** For the HTTP server: resolves when a reply may be given. */
  async beforeReply(): Promise<void> {}

  /** Who serves from now on. */
  serveWith(_serving: Serving): void {}

  /** A connection of the peer (ALPN `bascule-pair/1`), unopened. */
  acceptLink(socket: Socket, _head: Uint8Array): void {
    socket.destroy();
  }

  /** Where clients reach the site: the shared name, then each appliance. */
  clientAddresses(): { host: string; port: number }[] {
    const { publicHost: host, publicPort: port } = this.#options.config;
    return [{ host, port }];
  }

  routes(): AnyRoute[] {
    return [];
  }

  header(): ApplianceHeader {
    return { appliance: this.#options.config.applianceName, role: this.role, peer: null, primaryUrl: null, alarms: [] };
  }

  /** Begins to listen to the peer, and to tell base. */
  start(): void {}

  async close(): Promise<void> {
    this.#database.close();
    this.#pairStore?.close();
  }
}
