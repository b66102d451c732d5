/** What serves the scratch copy in a test of the standby, put together: a site and a relay in one program, for the chosen clients alone. */
import { mkdirSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import type { Log } from '@bascule/log/log.ts';
import { REHEARSAL_DATA_ALPN, type RehearsalStart } from '@bascule/protocol/rehearsal.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { acceptWithPreamble } from '@bascule/wire/preamble.ts';
import { endCopiedSessions, lastRowNumber } from '../../access-session/access-session-store.ts';
import { Site } from '../../compose.ts';
import { completeConfig, type SiteConfig } from '../../config/config.ts';
import { openRelayDoors, type RelayDoors } from '../../relay/relay-doors.ts';
import { scratchOpened } from './rehearsal-events.ts';

/** At the end each session's last output is taken and its record closed within this; a session that is slower is cut. */
const SESSIONS_END_LIMIT_MS = 2500;
const SESSIONS_LOOK_MS = 20;

export interface RehearsalSiteOptions {
  start: RehearsalStart;
  log: Log;
  /** The chosen clients that are linked now: ids, at every change. */
  clientsChanged(connected: string[]): void;
  /** The relay cannot write any more. */
  failed(error: Error): void;
}

export class ScratchSite {
  readonly site: Site;
  /** Migrations that the copy needed. */
  readonly migrations: number;
  readonly #start: RehearsalStart;
  readonly #doors: RelayDoors;
  #server: Server | undefined;

  private constructor(start: RehearsalStart, site: Site, doors: RelayDoors, migrations: number) {
    this.#start = start;
    this.site = site;
    this.#doors = doors;
    this.migrations = migrations;
  }

  /** Opens the copy, applies its migrations, and listens on the sockets of its run folder. Throws as `Site.open`. */
  static async open({ start, log, clientsChanged, failed }: RehearsalSiteOptions): Promise<ScratchSite> {
    const config = completeConfig(start.site);
    const clients = new Set(start.clients.map(({ id }) => id));
    let migrations = 0;
    const site = await Site.open({
      config,
      log,
      rehearsal: { clients },
      onMigration: (_name, _done, _total, durationMs) => (migrations += durationMs === undefined ? 0 : 1),
    });
    beginHistory(site, start);
    const doors = await openRelayDoors({ config, fenced: failed, alpn: REHEARSAL_DATA_ALPN, log });
    const connected = new Set<string>();
    site.parts.jump.onClientLink((client, isConnected) => {
      if (isConnected) connected.add(client);
      else connected.delete(client);
      clientsChanged([...connected]);
    });
    const rehearsal = new ScratchSite(start, site, doors, migrations);
    site.start();
    await rehearsal.#listen(config);
    return rehearsal;
  }

  /** Takes over the unopened connection of a client; `head` is what was read of it. */
  acceptLink(socket: Socket, head: Uint8Array, alpn: string): void {
    if (alpn === REHEARSAL_DATA_ALPN) this.#doors.agents.take(socket, head);
    else this.site.acceptLink(socket, head);
  }

  async testSession(): ReturnType<Site['testSession']> {
    return await this.site.testSession();
  }

  /** Nobody comes in any more; sessions and links end in order, and everything is on the disk. */
  async close(): Promise<void> {
    const { sessions, jump } = this.site.parts;
    this.#server?.close();
    for (const { id } of sessions.active()) sessions.endBySystem(id);
    const endMs = performance.now() + SESSIONS_END_LIMIT_MS;
    while (sessions.count > 0 && performance.now() < endMs) await delay(SESSIONS_LOOK_MS);
    for (const { id } of this.#start.clients) jump.sendToClient(id, { kind: 'rehearsal-over', rehearsal: this.#start.rehearsal });
    await this.site.close();
    this.#doors.control.close();
    this.#doors.viewers.close();
    await this.#doors.relay.stop();
  }

  async #listen(config: SiteConfig): Promise<void> {
    mkdirSync(config.paths.run, { recursive: true, mode: 0o700 });
    this.#server = await acceptWithPreamble(config.paths.mainSocket, (socket, peer) => this.site.accept(socket, peer));
  }
}

/** What was copied is told apart from what is made in the test; sessions that go on at the primary are none of this copy. */
function beginHistory(site: Site, { by, rehearsal }: RehearsalStart): void {
  const { store } = site.parts;
  const event = scratchOpened({ by, rehearsal, sessionRows: lastRowNumber(store), change: store.head().seq });
  store.transact(SYSTEM, event, (tx) => endCopiedSessions(tx, EndReason.clientAway, Date.now()));
}
