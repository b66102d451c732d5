import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { addressKey } from '@bascule/core/address-key.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import type { Log } from '@bascule/log/log.ts';
import { COPY_LIVE_PATH, COPY_MESSAGE_MAX_BYTES, COPY_ROLE_HEADER, type CopyRole } from '@bascule/protocol/pair-data.ts';
import { acceptWebSocket, refuseUpgrade, type LinkSocket } from '@bascule/wire/web-socket.ts';
import { isPeer, pairTlsOptions, type PairTls } from './pair-tls.ts';

/** Handshake, and each request's head. */
const REQUEST_LIMIT_MS = 10_000;
/** Connections of the peer at a time: one follower has a handful. */
const PEER_CONNECTIONS_MAX = 16;
/** Handshakes under way at one time; those of one address, so that nobody takes all places of the peer. */
const HANDSHAKES_MAX = 64;
const HANDSHAKES_PER_ADDRESS_MAX = 8;
/** Of strangers that are logged, for each address; addresses remembered. */
const LOGGED = { burst: 5, perSecond: 1 / 60, keysLimit: 1000 };

export interface CopyDoorOptions {
  tls: PairTls;
  /** What this side is: nobody who is the same is answered. */
  role: CopyRole;
  log: Log;
}

export interface CopyDoorEvents {
  request(request: IncomingMessage, response: ServerResponse): void;
  live(socket: LinkSocket): void;
}

/** Opens the connections that base hands over for the pair's data link: exactly one peer is let in. */
export class CopyDoor {
  readonly #server: Server;
  readonly #peerKeySha256: string;
  readonly #events: CopyDoorEvents;
  readonly #log: Log;
  readonly #sockets = new Set<Socket>();
  /** The address of each connection that has not shown who it is. */
  readonly #handshakes = new Map<string, string>();
  readonly #admitted = new Set<object>();
  readonly #logged = new RateLimit({ ...LOGGED, now: Date.now });

  constructor({ tls, role, log }: CopyDoorOptions, events: CopyDoorEvents) {
    this.#peerKeySha256 = tls.peerKeySha256;
    this.#events = events;
    this.#log = log;
    this.#server = createServer({
      ...pairTlsOptions(tls),
      requestCert: true,
      handshakeTimeout: REQUEST_LIMIT_MS,
      headersTimeout: REQUEST_LIMIT_MS,
      requestTimeout: REQUEST_LIMIT_MS,
      connectionsCheckingInterval: REQUEST_LIMIT_MS / 2,
    });
    this.#server.on('secureConnection', (socket: TLSSocket) => this.#check(socket));
    const isOther = ({ headers }: IncomingMessage) => headers[COPY_ROLE_HEADER] === (role === 'source' ? 'follower' : 'source');
    this.#server.on('request', (request, response) => {
      if (!this.#admitted.has(request.socket)) return;
      if (isOther(request)) events.request(request, response);
      else response.writeHead(503, { 'content-length': 0 }).end();
    });
    this.#server.on('upgrade', (request, socket, head) => {
      if (isOther(request)) this.#upgrade(request, socket, head);
      else refuseUpgrade(socket, 503);
    });
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    // It never listens; Node starts the clock of its request limits with this event.
    this.#server.emit('listening');
  }

  /** Takes an unopened connection; `head` is what was read of it. */
  take(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => {});
    const address = addressKey(socket.remoteAddress ?? '');
    const mine = [...this.#handshakes.values()].filter((one) => one === address).length;
    if (this.#handshakes.size >= HANDSHAKES_MAX || mine >= HANDSHAKES_PER_ADDRESS_MAX) return void socket.destroy();
    const name = nameOf(socket);
    this.#handshakes.set(name, address);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#handshakes.delete(name);
    });
    socket.setNoDelay(true);
    socket.unshift(Buffer.from(head));
    this.#server.emit('connection', socket);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #check(socket: TLSSocket): void {
    this.#handshakes.delete(nameOf(socket));
    if (isPeer(socket, this.#peerKeySha256) && this.#admitted.size < PEER_CONNECTIONS_MAX) {
      this.#admitted.add(socket);
      socket.once('close', () => this.#admitted.delete(socket));
      return;
    }
    const { remoteAddress: address = '' } = socket;
    if (this.#logged.take(addressKey(address)) === 0) this.#log.warn({ address }, 'pair-data-stranger-refused');
    socket.destroy();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    if (request.url !== COPY_LIVE_PATH || !this.#admitted.has(socket)) return refuseUpgrade(socket, 404);
    acceptWebSocket(request, socket, head, { maxMessageBytes: COPY_MESSAGE_MAX_BYTES }).then(
      (link) => this.#events.live(link),
      () => socket.destroy(),
    );
  }
}

/** A connection is the same one before and after its handshake. */
function nameOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localPort}`;
}
