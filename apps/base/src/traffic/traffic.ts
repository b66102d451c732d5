import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import type { MailEvent } from '@bascule/mail/mail-texts.ts';
import type { BoxHeader } from '@bascule/protocol/api/appliance.ts';
import type { ConnectedNow, IpConfiguration, TrafficChange, TrafficState } from '@bascule/protocol/api/network.ts';
import { helperHooks } from '@bascule/protocol/helper-verbs.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { plainAddress, type Addresses, type HelperClient } from '../network/network.ts';
import type { PairState, SiteHost } from '../site-host/site-host.ts';
import { Holder } from './traffic-holder.ts';
import { Mover } from './traffic-move.ts';
import type { BoxSettingsPart } from '../box-settings/box-settings.ts';
import { trafficSettingsPart } from './traffic-settings-part.ts';
import { trafficRoutes } from './traffic-routes.ts';
import { TrafficRecords } from './traffic-settings.ts';
import { ResolutionWatch, type NameResolver } from './traffic-watch.ts';

/** Sessions that the warning B12 names. */
const SESSIONS_NAMED_MAX = 100;

export interface TrafficOptions {
  store: Store;
  /** Of box.db: the key that wraps its secrets is there. */
  boxDirectory: string;
  helper: HelperClient;
  host: Pick<SiteHost, 'on' | 'off' | 'pairState' | 'isSwitching' | 'sitePreflight'>;
  /** IP configuration. */
  network: Addresses;
  applianceName: string;
  /** The name and port by which people and clients reach whoever is primary. */
  sharedName: string;
  port: number;
  /** The address that the port listens on; undefined: all. */
  listensOn: string | undefined;
  /** Connections of browsers, for B12. */
  browsers(): number;
  /** The address of ours at which a request's connection arrived. */
  localAddressOf(socket: object): string;
  mailer: { tell(event: MailEvent): void };
  /** Where the page about it is. */
  page: string;
  log: Log;
  now?: () => number;
  /** For tests. */
  resolver?: NameResolver;
  failedAfterMs?: number;
}

/** How traffic comes to whoever is primary (B139-B141): shared addresses, DNS, NAT, or a checklist; all of it follows what main says each second. */
export class Traffic {
  /** What this very base answers when it is asked who it is. */
  readonly instance = randomUUID();
  readonly #options: TrafficOptions;
  readonly #records: TrafficRecords;
  readonly #holder: Holder;
  readonly #mover: Mover;
  readonly #watch: ResolutionWatch;
  readonly #hear = (state: PairState): void => {
    this.#holder.hear(state);
    this.#mover.hear(state);
  };

  constructor(options: TrafficOptions) {
    this.#options = options;
    const { store, boxDirectory, network, helper, host, log, applianceName, sharedName, port, resolver, failedAfterMs } = options;
    this.#records = new TrafficRecords(store, join(boxDirectory, 'account.key'));
    this.#holder = new Holder({ addresses: network, isSwitching: () => host.isSwitching, log });
    this.#watch = new ResolutionWatch({ name: sharedName, port, instance: this.instance, ...(resolver && { resolver }) });
    this.#mover = new Mover({
      records: this.#records,
      addresses: network,
      holder: this.#holder,
      helper,
      watch: this.#watch,
      tellPeople: (what, advice) => options.mailer.tell({ kind: 'needs-attention', what, advice, page: options.page }),
      applianceName,
      sharedName,
      log,
      now: options.now ?? Date.now,
      ...(failedAfterMs !== undefined && { failedAfterMs }),
    });
  }

  /** Begins to follow what main says. */
  start(): void {
    this.#holder.start();
    this.#options.host.on('pairState', this.#hear);
    const said = this.#options.host.pairState;
    if (said !== undefined) this.#hear(said);
  }

  /** Ends. Shared addresses are dropped at once, unless `keeps`: another base takes over and they live until it does. */
  async close(keeps = false): Promise<void> {
    this.#options.host.off('pairState', this.#hear);
    await Promise.all([this.#mover.close(), this.#holder.close(keeps)]);
  }

  /** As it is exported and imported. */
  settingsPart(): BoxSettingsPart<TrafficChange> {
    return trafficSettingsPart(this.#records, () => this.#hooks());
  }

  routes(): AnyRoute[] {
    return trafficRoutes(this, this.#options.network, (socket) => this.#options.localAddressOf(socket));
  }

  /** Throws as the settings do (`TRAFFIC_…`). */
  change(context: Context, change: TrafficChange): void {
    this.#records.change(context, change);
  }

  /** Brings the traffic here once more. Throws `TRAFFIC_NOT_SERVING`. */
  moveAgain(context: Context): void {
    this.#mover.again(this.#options.host.pairState);
    this.#records.moveOrdered(context);
  }

  async state(): Promise<TrafficState> {
    const { way, ...rest } = this.#records.settings();
    return {
      settings: { way, ...rest },
      hooks: await this.#hooks(),
      holds: this.#holder.isHolding,
      lastMove: this.#mover.lastMove(),
      resolution: this.#watch.latest,
      sharedName: this.#options.sharedName,
    };
  }

  /** Networking > IP configuration, for whoever is here by `reachedBy`. */
  async configuration(reachedBy: string): Promise<IpConfiguration> {
    const [seen, traffic] = await Promise.all([this.#options.network.look(), this.state()]);
    return { ...seen, reachedBy: plainAddress(reachedBy), listensOn: this.#options.listensOn ?? null, traffic };
  }

  /** B12: who is connected now. A site that is away disturbs nobody. */
  async connected(): Promise<ConnectedNow> {
    const people = this.#options.browsers();
    try {
      const { clientsOnline, sessions } = await this.#options.host.sitePreflight();
      return {
        clients: clientsOnline,
        people,
        sessions: sessions.slice(0, SESSIONS_NAMED_MAX).map(({ user, item }) => ({ user, item })),
        isKnown: true,
      };
    } catch {
      return { clients: 0, people, sessions: [], isKnown: false };
    }
  }

  /** The header of every page of /appliance. */
  header(): BoxHeader {
    const state = this.#options.host.pairState;
    return {
      appliance: this.#options.applianceName,
      role: state?.role ?? 'single',
      peer: state?.peer ?? null,
      primaryUrl: state?.primaryUrl ?? null,
      alarms: state?.alarms ?? [],
      trafficFailed: this.#mover.lastMove()?.outcome === 'failed',
    };
  }

  async #hooks(): Promise<string[]> {
    if (!(await this.#options.helper.can('hook-list'))) return [];
    const hooks = await this.#options.helper.ask('hook-list', {}, helperHooks).catch(() => []);
    return hooks.filter(({ refused }) => refused === null).map(({ name }) => name);
  }
}
