/** What site main serves: the site or, on a backup, the standby, as the role of this appliance has it; swapped within the process (docs/decisions/0199). */
import { mkdirSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { EventLoopDelay } from '@bascule/core/event-loop-delay.ts';
import type { Peer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { FromSite } from '@bascule/protocol/base-site.ts';
import { PAIR_ALPN } from '@bascule/protocol/pair-link.ts';
import { REHEARSAL_DATA_ALPN, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import type { OnMigration } from '@bascule/store/store.ts';
import { acceptWithPreamble } from '@bascule/wire/preamble.ts';
import { BoxSettingsQuestion, type StandbyBackups, UpgradeBackups } from '../backup/backup.ts';
import { Site } from '../compose.ts';
import type { SiteConfig } from '../config/config.ts';
import { Failover, type PairTiming, type RehearsalTiming, type Serving } from '../failover/failover.ts';
import { knownMigrations, openSiteStore } from '../site-store.ts';
import { Standby } from '../standby/standby.ts';
import { openStandbyBackups } from './backup-parts.ts';

/** Connections that wait while roles change; more are cut, and come again. */
const HELD_CONNECTIONS_MAX = 2000;

export interface SiteProgramOptions {
  config: SiteConfig;
  log: Log;
  tell(message: FromSite): void;
  now?: () => number;
  /** `checkSite` has just passed. */
  checked?: boolean;
  onMigration?: OnMigration;
  /** Shorter for tests. */
  pairTiming?: PairTiming;
  rehearsalTiming?: RehearsalTiming;
}

export class SiteProgram implements Serving {
  readonly failover: Failover;
  /** Asks base for the settings of the box, for backups. */
  readonly boxSettings: BoxSettingsQuestion;
  readonly #options: SiteProgramOptions;
  readonly #held: { socket: Socket; peer: Peer }[] = [];
  readonly #delay = new EventLoopDelay();
  #served: Site | Standby | undefined;
  #server: Server | undefined;
  #firstPassword: string | undefined;
  #isClosed = false;

  private constructor(options: SiteProgramOptions, failover: Failover) {
    this.#options = options;
    this.failover = failover;
    this.boxSettings = new BoxSettingsQuestion(options.tell);
    failover.serveWith(this);
  }

  /** Opens the state, and serves what fits its role, without listening. Throws the `AppError`s of the store, the keys and the identity. */
  static async open(options: SiteProgramOptions): Promise<SiteProgram> {
    const { config, log, tell, now, onMigration } = options;
    const { paths } = config;
    mkdirSync(paths.site, { recursive: true, mode: 0o700 });
    const failover: Failover = await Failover.open({
      config,
      tell,
      log,
      now,
      knownMigrations,
      timing: options.pairTiming,
      rehearsalTiming: options.rehearsalTiming,
      openStore: (follower, hooks) =>
        openSiteStore({
          path: paths.database,
          appliance: config.applianceName,
          generation: { file: paths.generation, number: config.generation },
          follower,
          log,
          now,
          checked: options.checked,
          onMigration,
          ...hooks,
        }),
    });
    const program = new SiteProgram(options, failover);
    try {
      await program.#serve();
      return program;
    } catch (error) {
      await failover.close();
      throw error;
    }
  }

  /** The site; undefined on a backup, and while roles change. */
  get site(): Site | undefined {
    return this.#served instanceof Site ? this.#served : undefined;
  }

  get standby(): Standby | undefined {
    return this.#served instanceof Standby ? this.#served : undefined;
  }

  /** Once, on the start that made the user `admin`. */
  get firstPassword(): string | undefined {
    return this.#firstPassword;
  }

  /** Makes a backup before an installation, as what this appliance is now (B40). */
  get upgradeBackups(): UpgradeBackups | undefined {
    if (this.#served === undefined) return undefined;
    if (this.#upgradeBackups?.of !== this.#served) {
      const { config, log, now = Date.now } = this.#options;
      const { failover, boxSettings } = this;
      const maker =
        this.site?.parts.backups ?? (this.#standbyBackups ??= openStandbyBackups({ config, failover, boxSettings, log, now }));
      this.#upgradeBackups = { of: this.#served, backups: new UpgradeBackups(maker) };
    }
    return this.#upgradeBackups.backups;
  }
  #upgradeBackups: { of: Site | Standby; backups: UpgradeBackups } | undefined;
  #standbyBackups: StandbyBackups | undefined;

  /** Takes requests behind the preamble, and does what a site does by itself. */
  async listen(): Promise<void> {
    this.#served?.start();
    this.#server = await acceptWithPreamble(this.#options.config.paths.mainSocket, (socket, peer) => this.#accept(socket, peer));
    this.failover.start();
  }

  /** Takes over an unopened connection; `alpn` is what it offered. */
  acceptLink(socket: Socket, head: Uint8Array, alpn: string | undefined): void {
    if (alpn === PAIR_ALPN) this.failover.acceptLink(socket, head);
    else if (alpn === REHEARSAL_LINK_ALPN || alpn === REHEARSAL_DATA_ALPN) this.failover.rehearsal.takeLink(socket, head, alpn);
    // While roles change there is nobody to link to: the client comes back.
    else if (this.#served === undefined) socket.destroy();
    else this.#served.acceptLink(socket, head);
  }

  async stop(): Promise<void> {
    const served = this.#served;
    this.#served = undefined;
    await this.#endStandbyBackups();
    await served?.close({ comeBackAtOnce: true });
  }

  async start(): Promise<void> {
    if (this.#isClosed) return;
    await this.#serve();
    // Closed in the middle of a change of roles: nobody else closes what was opened since.
    if (this.#isClosed) return await this.stop();
    this.#served?.start();
    for (const { socket, peer } of this.#held.splice(0)) this.#accept(socket, peer);
  }

  /** What base shows of this program's health. */
  health(): Record<string, number | boolean | string> {
    return { role: this.failover.role, makesBackups: true, eventLoopDelayMs: this.#delay.takeMs(), ...this.#served?.health() };
  }

  /** Ends in order; the store is closed last. */
  async close({ comeBackAtOnce = false } = {}): Promise<void> {
    if (comeBackAtOnce) await this.failover.prepareRestart();
    this.#isClosed = true;
    // Whoever was on the way here when we were told to end is still answered: the socket closes last.
    await this.#served?.close({ comeBackAtOnce });
    await this.#endStandbyBackups();
    this.#server?.close();
    this.#served = undefined;
    for (const { socket } of this.#held.splice(0)) socket.destroy();
    this.#delay.close();
    await this.failover.close();
  }

  async #serve(): Promise<void> {
    const { config, log, now } = this.#options;
    const { failover } = this;
    if (!failover.serves) {
      this.#served = await Standby.open({ config, log, now, failover });
      return;
    }
    const site = await Site.open({ config, log, now, failover, boxSettings: this.boxSettings });
    this.#firstPassword ??= site.firstPassword;
    this.#served = site;
  }

  async #endStandbyBackups(): Promise<void> {
    const backups = this.#standbyBackups;
    this.#standbyBackups = undefined;
    await backups?.close();
  }

  #accept(socket: Socket, peer: Peer): void {
    if (this.#served !== undefined) return this.#served.accept(socket, peer);
    if (this.#held.length >= HELD_CONNECTIONS_MAX || this.#isClosed) return void socket.destroy();
    this.#held.push({ socket, peer });
  }
}
