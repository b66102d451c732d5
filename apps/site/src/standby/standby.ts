/**
 * What a backup (and the read-only side of a broken relationship) serves: logins by copies of the primary's accounts, the pages Failover and Security, and with 'backup operations'
 * the reports. It writes nothing into site.db (B151, B35; docs/decisions/0200).
 */
import { mkdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { HttpServer, Peer } from '@bascule/http/http-server.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import { relayConfiguration, RelayLink } from '../access-session/access-session.ts';
import type { SiteConfig } from '../config/config.ts';
import { PAIR_ADVICE, type Failover } from '../failover/failover.ts';
import { ErasedFiles } from '../file-store/file-store.ts';
import { Events, openSiteInterface, RecordingsSpace } from '../http/http.ts';
import { openUsers } from '../identity/identity.ts';
import { SiteIdentity, TurnedAwayLinks } from '../jump/jump.ts';
import { openSiteMail, type Mailer } from '../mail/mail.ts';
import { Policy } from '../policy/policy.ts';
import { RecordingSweep } from '../reports/retention.ts';
import { DEFAULT_SECURITY_SETTINGS, Settings } from '../settings/settings.ts';
import { backupReports } from './backup-reports.ts';
import { standbyAccountRoutes, standbyStatusRoutes } from './standby-routes.ts';

/** Requests that are under way when roles change are answered within this. */
const ANSWER_LIMIT_MS = 1000;
/** What the primary's retention has just removed goes here too; the rest within the minute. */
const JUST_REMOVED_MS = 10 * 60_000;

export interface StandbyOptions {
  config: SiteConfig;
  failover: Failover;
  log: Log;
  now?: (() => number) | undefined;
}

interface Parts {
  accounts: Accounts;
  links: TurnedAwayLinks;
  relay: RelayLink;
  http: HttpServer;
  events: Events;
  mail: Mailer;
  sweep: RecordingSweep;
  erased: ErasedFiles;
}

export class Standby {
  readonly parts: Parts;
  readonly #disconnect: () => void;

  private constructor(parts: Parts, disconnect: () => void) {
    this.parts = parts;
    this.#disconnect = disconnect;
  }

  /** Builds everything, without taking requests. Throws the `AppError`s of keys and identity. */
  static async open({ config, failover, log, now = Date.now }: StandbyOptions): Promise<Standby> {
    const { paths } = config;
    for (const folder of [paths.keys, paths.recordings, paths.files, paths.run])
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    const identity = await SiteIdentity.open({ keysDir: paths.keys, now });
    const links = await TurnedAwayLinks.open({
      identity,
      keysDir: paths.keys,
      reader: () => failover.store,
      moved: () => failover.moved,
      log,
      now,
    });
    const settings = () => (failover.store === undefined ? DEFAULT_SECURITY_SETTINGS : new Settings(failover.store).current());
    let current = settings();
    const limits = () => ({ idleMinutes: current.loginIdleMinutes, maxHours: current.loginMaxHours });
    const { applianceName, keyFile } = config;
    const accounts = openUsers({ store: failover.pairStore, applianceName, keyFile, limits, log, now });
    const events = new Events((loginSession) => accounts.sessions.isAlive(loginSession));
    accounts.onLoginSessionsEnded(({ loginSessions }) => events.endLoginSessions(loginSessions));
    const policy = new Policy({ groupIdsOfUser: () => [] });
    const mail = openSiteMail({ store: failover.pairStore, applianceName, keyFile, log, now });
    const relay = new RelayLink({
      path: paths.relayControlSocket,
      configure: () => relayConfiguration(links.linkTls, current.recordingMaxMebibytes),
      onReady: () => void relay.send(failover.relay.order()),
      onLost: () => undefined,
      onMessage: (message) => {
        if (message.kind === 'pair-copy') failover.relay.heard(message);
      },
      log,
    });
    const routes: AnyRoute[] = [
      ...standbyAccountRoutes(accounts, failover),
      ...failover.routes(),
      ...standbyStatusRoutes({ ...config, space: new RecordingsSpace(paths.recordings, now), now }),
      ...backupReports({ config, failover, policy, log, now }),
      eventsRoute(events),
    ];
    const http = await openSiteInterface({ config, accounts, policy, routes, log, now });
    const sweep = new RecordingSweep({ reader: () => failover.store, recordingsDir: paths.recordings, log, now });
    const erased = new ErasedFiles({
      reader: () => failover.store,
      filesDir: paths.files,
      fetch: () => void relay.send(failover.relay.order()),
      log,
    });
    const disconnect = failover.connect({
      changed: () => events.publish('failover'),
      relayOrder: () => void relay.send(failover.relay.order()),
      applied: (tables) => {
        erased.applied(tables);
        if (tables.includes('settings')) current = settings();
        if (tables.includes('removed_recordings')) void sweep.sweep(now() - JUST_REMOVED_MS);
      },
      mail: (what) => mail.tell({ kind: 'needs-attention', what, advice: PAIR_ADVICE, page: failover.pageUrl() }),
      clientsHere: (fromMs) => links.cameHere(fromMs),
    });
    return new Standby({ accounts, links, relay, http, events, mail, sweep, erased }, disconnect);
  }

  /** Begins to talk with the relay, and to send mail. */
  start(): void {
    this.parts.relay.start();
    this.parts.mail.start();
    this.parts.sweep.start();
    this.parts.erased.remove();
  }

  accept(socket: Socket, peer: Peer): void {
    this.parts.http.accept(socket, peer);
  }

  /** A client's control link: told to go to the primary. */
  acceptLink(socket: Socket, head: Uint8Array): void {
    this.parts.links.acceptLink(socket, head);
  }

  health(): Record<string, number | boolean> {
    return { clientsOnline: 0, accessSessions: 0, relay: this.parts.relay.ready, eventStreams: this.parts.events.count };
  }

  async close({ comeBackAtOnce = false } = {}): Promise<void> {
    const { http, events, accounts, links, relay, mail, sweep } = this.parts;
    sweep.close();
    this.#disconnect();
    events.close();
    await Promise.all([http.close(comeBackAtOnce ? ANSWER_LIMIT_MS : 0), mail.close()]);
    links.close();
    relay.close();
    accounts.close();
  }
}

function eventsRoute(events: Events): AnyRoute {
  return route({
    method: 'GET',
    url: '/events',
    action: 'events.read',
    handle({ principal, reply }) {
      events.subscribe(principal, reply);
      return reply;
    },
  });
}
