import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import { COPY_LIVE_PATH, COPY_MESSAGE_MAX_BYTES, COPY_ROLE_HEADER, type CopyRole } from '@bascule/protocol/pair-data.ts';
import { acceptWebSocket, refuseUpgrade, type LinkSocket } from '@bascule/wire/web-socket.ts';
import { isPeer, pairTlsOptions, type PairTls } from './pair-tls.ts';

/** Handshake, and each request's head. */
const REQUEST_LIMIT_MS = 10_000;
/** Connections at a time, shaken hands or not: one follower has a handful. */
export const PAIR_CONNECTIONS_MAX = 16;

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
  readonly #admitted = new WeakSet<object>();

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
    if (this.#sockets.size >= PAIR_CONNECTIONS_MAX) return void socket.destroy();
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.setNoDelay(true);
    socket.unshift(Buffer.from(head));
    this.#server.emit('connection', socket);
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #check(socket: TLSSocket): void {
    if (isPeer(socket, this.#peerKeySha256)) return void this.#admitted.add(socket);
    this.#log.warn({ address: socket.remoteAddress }, 'pair-data-stranger-refused');
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
