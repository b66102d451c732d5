/** What the pair needs of the program around it, and whoever is served of the pair. */
import type { Log } from '@bascule/log/log.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import type { Store, StoreOptions } from '@bascule/store/store.ts';
import type { SiteConfig } from '../config/config.ts';
import type { PairTiming } from './peer-watch.ts';
import type { RehearsalSite } from './rehearsal/rehearsal-guide.ts';
import type { RehearsalTiming } from './rehearsal/rehearsal-guide-run.ts';

export type StoreHooks = Pick<StoreOptions, 'onCommitted' | 'holdEffects' | 'mayWrite' | 'checked'>;

export interface FailoverOptions {
  config: SiteConfig;
  tell(message: FromSite): void;
  /** Opens site.db with every domain's migrations, and what this domain hooks into it. */
  openStore(follower: boolean, hooks: StoreHooks): Store;
  /** Numbers of all migrations of site.db that this software knows. */
  knownMigrations: number[];
  log: Log;
  now?: (() => number) | undefined;
  /** Shorter for tests. */
  timing?: PairTiming | undefined;
  rehearsalTiming?: RehearsalTiming | undefined;
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
  /** Clients that came to this backup since `fromMs`. */
  clientsHere?(fromMs: number): { count: number; newestAtMs: number | null };
  /** An alarm, to whoever gets mail. */
  mail?(text: string): void;
  /** Of a site: its clients may find it at other addresses now. */
  addressesChanged?(): void;
  /** Of a site: who is connected. */
  figures?(): { clientsOnline: number; sessions: number };
  /** Of a site: whom a change of roles would touch. */
  liveSessions?(): { user: string; item: string }[];
  /** Of a site: what a test of its standby needs. */
  rehearsal?: RehearsalSite;
}
