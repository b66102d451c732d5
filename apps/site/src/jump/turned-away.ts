import { hkdfSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import { CONTROL_MESSAGE_MAX_BYTES, LINK_ALPN, type ToClient } from '@bascule/protocol/control-link.ts';
import type { Reader } from '@bascule/store/store.ts';
import { provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { acceptWebSocket, refuseUpgrade } from '@bascule/wire/web-socket.ts';
import { countClients } from './jump-store.ts';
import { LatelyCame } from './lately-came.ts';
import { LinkLeaf } from './link-leaf.ts';
import { createLinkServer, setLinkTls } from './link-server.ts';
import type { LinkTls, SiteIdentity } from './site-identity.ts';
import { reconnectWindows } from './reconnect-pacing.ts';
import { readTicketKeys } from './ticket-keys.ts';

/** A client that has no other address, or found nobody there, asks here again after this at the earliest; where many are, as long as they take to come back. */
const TURNED_AWAY_RETRY_MIN_MS = 2000;
/** How many clients there are is counted this often. */
const COUNTED_EVERY_MS = 30_000;
/** Clients that are remembered. */
const CAME_HERE_MAX = 20_000;

export interface TurnedAwayOptions {
  identity: SiteIdentity;
  keysDir: string;
  /** The copy of the site; undefined while there is none. */
  reader(): Reader | undefined;
  /** Where the site was moved to for good, with the name of the appliance; undefined: this is the backup of a pair. */
  moved?(): { appliance: string; endpoint: { host: string; port: number } } | undefined;
  log: Log;
  now(): number;
}

/** Control links at a backup: the handshake shows the site identity, so that a client believes it, and is told that the site is elsewhere (docs/spec/pair.md). */
export class TurnedAwayLinks {
  readonly #leaf: LinkLeaf;
  readonly #server: Server;
  readonly #dataTicketKeys: Buffer;
  readonly #lately = new LatelyCame(CAME_HERE_MAX);
  readonly #now: () => number;
  readonly #reader: () => Reader | undefined;
  readonly #moved: NonNullable<TurnedAwayOptions['moved']>;
  #retry = { ms: TURNED_AWAY_RETRY_MIN_MS, countedMs: -Infinity };

  private constructor(leaf: LinkLeaf, { keysDir, reader, moved, log, now }: TurnedAwayOptions) {
    this.#leaf = leaf;
    this.#now = now;
    this.#reader = reader;
    this.#moved = moved ?? (() => undefined);
    const ticketKeys = readTicketKeys(keysDir, now());
    this.#dataTicketKeys = Buffer.from(hkdfSync('sha256', ticketKeys, '', 'bascule data links', ticketKeys.length));
    this.#server = createLinkServer(leaf.tls, ticketKeys, log);
    leaf.onRenewed((tls) => setLinkTls(this.#server, tls, ticketKeys));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket as TLSSocket, head, log),
    );
    this.#server.on('request', (_request, response) => void response.writeHead(404, { connection: 'close' }).end());
  }

  static async open(options: TurnedAwayOptions): Promise<TurnedAwayLinks> {
    return new TurnedAwayLinks(await LinkLeaf.open(options), options);
  }

  /** As `Jump.linkTls`. */
  get linkTls(): LinkTls & { ticketKeys: Buffer } {
    return { ...this.#leaf.tls, ticketKeys: this.#dataTicketKeys };
  }

  /** How many clients came here since `fromMs`, and when the newest did; who came before is forgotten. */
  cameHere(fromMs: number): { count: number; newestAtMs: number | null } {
    return this.#lately.since(fromMs);
  }

  acceptLink(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    if (head.length > 0) socket.unshift(head);
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#leaf.close();
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer, log: Log): void {
    if (request.url !== '/link' || socket.alpnProtocol !== LINK_ALPN) return refuseUpgrade(socket, 404);
    this.#lately.came(provenKeySha256(socket) ?? socket.remoteAddress ?? '', this.#now());
    acceptWebSocket(request, socket, head, { maxMessageBytes: CONTROL_MESSAGE_MAX_BYTES })
      .then((link) => {
        link.on('error', () => link.terminate());
        const moved = this.#moved();
        const refusal: ToClient = {
          kind: 'refused',
          code: 'busy',
          message:
            moved === undefined
              ? 'This appliance is the backup: the site is at its other address.'
              : `The site was moved to ${moved.appliance}.`,
          retryAfterMs: this.#retryMs(),
          elsewhere: true,
          ...(moved !== undefined && { addresses: [moved.endpoint] }),
        };
        link.send(JSON.stringify(refusal));
        link.close(1000);
      })
      .catch((error: Error) => {
        log.debug({ reason: error.message }, 'link-upgrade-failed');
        socket.destroy();
      });
  }

  #retryMs(): number {
    const nowMs = performance.now();
    if (nowMs - this.#retry.countedMs < COUNTED_EVERY_MS) return this.#retry.ms;
    const reader = this.#reader();
    const { windowMs } = reconnectWindows(reader === undefined ? 0 : countClients(reader).total);
    this.#retry = { ms: Math.max(TURNED_AWAY_RETRY_MIN_MS, windowMs), countedMs: nowMs };
    return this.#retry.ms;
  }
}
