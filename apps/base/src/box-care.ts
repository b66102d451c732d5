/** What looks after the box itself, put together: health, storage, syslog, support, power and reset. */
import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { AnyRoute } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { BoxSettings } from './box-settings/box-settings.ts';
import { publicAddress, type BaseConfig } from './config/config.ts';
import { Health } from './health/health.ts';
import type { Addresses, Clock, HelperClient } from './network/network.ts';
import { Reset } from './reset/reset.ts';
import type { SiteHost } from './site-host/site-host.ts';
import type { Software } from './software/software.ts';
import { Storage } from './storage/storage.ts';
import { only, supportRoutes, type BundleSources, type Mailer } from './support/support.ts';
import { Syslog } from './syslog/syslog.ts';
import type { Traffic } from './traffic/traffic.ts';

/** Of the history of installations in a support bundle. */
const INSTALLATIONS_TOLD = 20;

export interface BoxCareOptions {
  config: BaseConfig;
  store: Store;
  accounts: Accounts;
  host: SiteHost;
  helper: HelperClient;
  clock: Clock;
  mailer: Mailer;
  addresses: Addresses;
  traffic: Traffic;
  software: Software;
  boxSettings: BoxSettings;
  processes(): ProcessState[];
  /** Ends base and everything below it, in order; with `again` boot starts it once more. */
  end(again: boolean): void;
  log: Log;
}

export class BoxCare {
  readonly #options: BoxCareOptions;
  readonly #syslog: Syslog;
  readonly #health: Health;
  readonly #storage: Storage;
  readonly #reset: Reset;
  /** What main said of itself last. */
  #site: { sessions: number; clientsOnline: number } = { sessions: 0, clientsOnline: 0 };
  readonly #noteSite: (detail: Readonly<Record<string, string | number | boolean>>) => void;

  constructor(options: BoxCareOptions) {
    const { config, store, host, clock, mailer, log } = options;
    this.#options = options;
    this.#syslog = new Syslog({
      store,
      boxDirectory: config.paths.box,
      applianceName: config.applianceName,
      siteAudit: (after, headAfterMs, limit) => host.auditAfter({ after, headAfterMs, limit }),
      log,
    });
    options.boxSettings.register(this.#syslog.settingsPart());
    this.#health = new Health({
      store,
      home: config.paths.home,
      boxDirectory: config.paths.box,
      processes: () => options.processes(),
      clock,
      syslogDropped: () => this.#syslog.droppedLately(),
      tell: (alarm, advice) => {
        this.#syslog.addAlarm(alarm);
        mailer.tell({
          kind: 'needs-attention',
          what: alarm.text,
          advice,
          page: `${publicAddress(config)}/appliance/status/health`,
        });
      },
      log,
    });
    this.#storage = new Storage({
      paths: config.paths,
      retention: (change) => host.retention(change && { settings: change.settings, by: byOf(change.context) }),
      log,
    });
    this.#reset = new Reset({
      paths: config.paths,
      store,
      accounts: options.accounts,
      applianceName: config.applianceName,
      baseVersion: config.version,
      helper: options.helper,
      figures: () => Promise.resolve({ ...this.#site, peer: host.pairState?.peer?.name ?? null }),
      backupPlaces: () => host.backupPlaces(),
      refused: () => this.#whyNoReset(),
      stopBascule: () => options.end(false),
      restartBase: () => options.end(true),
      log,
    });
    this.#noteSite = (detail) => {
      this.#site = { sessions: Number(detail['accessSessions'] ?? 0), clientsOnline: Number(detail['clientsOnline'] ?? 0) };
      this.#health.noteSite(detail);
    };
  }

  start(): void {
    this.#options.host.on('siteHealth', this.#noteSite);
    this.#syslog.start();
    this.#health.start();
    this.#storage.start();
    this.#reset.start();
  }

  /** Before the store is closed. */
  async close(): Promise<void> {
    this.#options.host.off('siteHealth', this.#noteSite);
    this.#reset.close();
    this.#storage.close();
    this.#health.close();
    await this.#syslog.close();
  }

  routes(): AnyRoute[] {
    const { config } = this.#options;
    return [
      ...this.#health.routes(),
      ...this.#storage.routes(),
      ...this.#syslog.routes(),
      ...supportRoutes({ bundle: this.#bundle(), applianceName: config.applianceName }),
      ...this.#reset.routes(),
    ];
  }

  #whyNoReset(): string | undefined {
    const { host, software } = this.#options;
    const role = host.pairState?.role;
    if (role !== undefined && role !== 'single')
      return 'This appliance is one of a failover pair: end the relationship first (Management > Failover of the site).';
    return software.engine.running() === undefined ? undefined : 'An installation is under way: wait for its end.';
  }

  /** Allow-listed: what is not named here does not leave the appliance. */
  #bundle(): BundleSources {
    const { config, store, host, clock, mailer, addresses, traffic, software, processes } = this.#options;
    return {
      store,
      logDirectory: config.paths.logs,
      versions: () => ({
        appliance: config.applianceName,
        base: config.packageVersions.base,
        site: host.software.folder || host.software.version,
        licences: software.licences().map(({ version }) => version),
      }),
      facts: {
        processes: () => processes(),
        health: () => this.#health.state('day'),
        storage: () => this.#storage.state(),
        clock: () => clock.state(),
        pair: () => host.pairState ?? null,
        syslog: () =>
          this.#syslog
            .state()
            .destinations.map((each) => only(each, 'host', 'port', 'state', 'error', 'sent', 'waiting', 'dropped', 'sources')),
        installations: () => software.engine.history(INSTALLATIONS_TOLD),
      },
      configuration: {
        mail: () =>
          only(
            mailer.settings().settings,
            'isOn',
            'host',
            'port',
            'security',
            'account',
            'from',
            'recipients',
            'language',
            'hasPassword',
          ),
        time: () => only(clock.settings(), 'isOn', 'servers'),
        addresses: () => addresses.rows(),
        traffic: async () => {
          const { settings, resolution } = await traffic.state();
          const { way, natHook, dns, dnsSecretSet } = settings;
          const named = dns && only(dns, 'server', 'port', 'zone', 'name', 'address', 'ttlSeconds');
          return { way, natHook, dnsSecretSet, dns: named, resolution };
        },
        health: () => this.#health.state('hour').thresholds,
      },
      installations: () => software.engine.history(INSTALLATIONS_TOLD).map(({ id }) => ({ id })),
      installationLog: (id) => software.engine.logOf(id),
    };
  }
}

function byOf({ actor, address }: Context): { id: string; name: string; address: string } {
  return { id: actor.id ?? '', name: actor.name, address };
}
