import { mkdirSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Peer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { signHeadsHourly } from './audit/audit.ts';
import { type SiteConfig } from './config/config.ts';
import { PAIR_ADVICE, type ServedParts } from './failover/failover.ts';
import { rehearsalSiteOf } from './failover/rehearsal/rehearsal-guide-site.ts';
import { type TestSessionResult } from './life/test-session.ts';
import { openSiteStore } from './site-store.ts';
import { openParts, type Parts, type SiteOptions } from './site-parts.ts';

export type { SiteOptions };

/** Requests that are under way at an orderly stop are answered within this. */
const ANSWER_LIMIT_MS = 1000;

/** Whoever reached base's control socket: base's own user or root, on this machine. */
const COMMAND_LINE = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

/** Site main, put together. */
export class Site {
  readonly parts: Parts;
  /** Once, on the start that made the user `admin`. */
  readonly firstPassword: string | undefined;
  readonly #config: SiteConfig;
  readonly #stopSigning: () => void;
  readonly #log: Log;
  readonly #ownsStore: boolean;
  readonly #isRehearsal: boolean;
  #disconnect: () => void = () => undefined;

  private constructor(options: SiteOptions, parts: Parts, firstPassword: string | undefined) {
    this.#config = options.config;
    this.#log = options.log;
    this.#ownsStore = options.failover === undefined;
    this.#isRehearsal = options.rehearsal !== undefined;
    this.parts = parts;
    this.firstPassword = firstPassword;
    this.#stopSigning = signHeadsHourly(parts.store, (bytes) => parts.identity.sign(bytes), options.log);
  }

  /** Opens the state and builds every domain, without listening. Throws the `AppError`s of the store, the keys and the identity. */
  static async open(options: SiteOptions): Promise<Site> {
    const { failover } = options;
    makeFolders(options.config);
    const store = failover?.store ?? openOwnStore(options);
    try {
      const parts = await openParts(store, options);
      const site = new Site(options, parts, await parts.accounts.ensureFirstAdministrator());
      if (failover !== undefined) {
        const disconnect = failover.connect(partsForPair(parts, () => failover.pageUrl()));
        site.#disconnect = () => {
          disconnect();
          failover.guide.servingEnds();
        };
      }
      return site;
    } catch (error) {
      if (failover === undefined) store.close();
      throw error;
    }
  }

  /** Begins to keep access sessions, to send mail and to upgrade clients: before the first connection. */
  start(): void {
    const { sessions, mail, fleet, retention, licences, vault, fileStore, backups } = this.parts;
    sessions.start();
    if (this.#isRehearsal) return;
    mail.start();
    fleet.start();
    vault.start();
    fileStore.start();
    retention.start();
    licences.start(this.#config.licences ?? []);
    backups.start();
  }

  /** Takes a connection that base made for `peer`. */
  accept(socket: Socket, peer: Peer): void {
    this.parts.http.accept(socket, peer);
  }

  acceptLink(socket: Socket, head: Uint8Array): void {
    this.parts.jump.acceptLink(socket, head);
  }

  /** A one-time password for user `name`, on behalf of the command line. */
  resetPassword(name: string): Promise<string> {
    return this.parts.accounts.resetPassword(COMMAND_LINE, name);
  }

  /** Removes every second factor of user `name`, on behalf of the command line. */
  resetSecondFactor(name: string): void {
    this.parts.accounts.resetSecondFactor(COMMAND_LINE, name);
  }

  /** The web is served with another key now. */
  setWebKeyPin(webKeyPin: string): void {
    this.#config.webKeyPin = webKeyPin;
  }

  /** This version's watch period is over: client programs may be upgraded. */
  committed(): void {
    this.parts.fleetQuestions.fleet?.committed();
    this.parts.trust.committed();
    this.parts.vault.committed();
  }

  /** Base has these licences installed now. */
  licencesInstalled(told: ToldLicence[]): void {
    this.#config.licences = told;
    this.parts.licences.tell(told);
  }

  /** Base renewed what it keeps for client programs. */
  updateMetadataRenewed(): void {
    void this.parts.programs.renewed();
  }

  /** What base shows of this program's health. */
  health(): Record<string, number | boolean> {
    const { jump, sessions, events } = this.parts;
    return {
      clientsOnline: jump.counts().online,
      accessSessions: sessions.count,
      relay: sessions.relayReady,
      eventStreams: events.count,
    };
  }

  /** A real access session by the system, recorded like any other (B215). */
  testSession(): Promise<TestSessionResult> {
    return this.parts.test.run();
  }

  /** Ends in order: links are told (`comeBackAtOnce`: to be there again in a moment), requests under way answered, and the store is closed last. */
  async close({ comeBackAtOnce = false } = {}): Promise<void> {
    const { http, sessions, jump, events, accounts, mail, fleet, store, retention, trust, licences, vault, fileStore, backups } =
      this.parts;
    this.#stopSigning();
    this.#disconnect();
    events.close();
    const ended = await Promise.allSettled([
      http.close(comeBackAtOnce ? ANSWER_LIMIT_MS : 0),
      jump.close(comeBackAtOnce ? (client) => sessions.isOnClient(client) : undefined),
      mail.close(),
      vault.close(),
      backups.close(),
    ]);
    for (const outcome of ended) if (outcome.status === 'rejected') this.#notClosed(outcome.reason);
    // What a part could not write any more (the other side has the site) must not keep the others open.
    for (const part of [fileStore, retention, licences, trust, sessions, fleet, accounts])
      try {
        part.close();
      } catch (error) {
        this.#notClosed(error);
      }
    if (this.#ownsStore) store.close();
  }

  #notClosed(error: unknown): void {
    this.#log.warn({ err: error }, 'site.part-not-closed');
  }
}

/** What the pair hears of the site, and tells it. */
function partsForPair(parts: Parts, page: () => string): ServedParts {
  const { events, sessions, jump, mail } = parts;
  return {
    rehearsal: rehearsalSiteOf(parts),
    changed: () => events.publish('failover'),
    relayOrder: () => sessions.pairChanged(),
    addressesChanged: () => jump.addressesChanged(),
    mail: (what) => mail.tell({ kind: 'needs-attention', what, advice: PAIR_ADVICE, page: page() }),
    figures: () => ({ clientsOnline: jump.counts().online, sessions: sessions.count }),
    liveSessions: () => sessions.active().map(({ userName, jumpItemName }) => ({ user: userName, item: jumpItemName })),
  };
}

function makeFolders({ paths }: SiteConfig): void {
  for (const directory of [paths.site, paths.keys, paths.recordings, paths.files, paths.run])
    mkdirSync(directory, { recursive: true, mode: 0o700 });
}

function openOwnStore({ config, log, now, checked, onMigration, isTrial = false }: SiteOptions): Store {
  const { paths } = config;
  return openSiteStore({
    path: paths.database,
    appliance: config.applianceName,
    ...(!isTrial && { generation: { file: paths.generation, number: config.generation } }),
    log,
    now,
    checked,
    onMigration,
  });
}
