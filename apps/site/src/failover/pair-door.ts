import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { addressKey } from '@bascule/core/address-key.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import type { Log } from '@bascule/log/log.ts';
import { PAIR_ALPN, PAIR_ENTRY_MAX_BYTES } from '@bascule/protocol/pair-link.ts';
import { REHEARSAL_TUNNEL_PATH, REHEARSAL_TUNNELS_MAX } from '@bascule/protocol/rehearsal.ts';
import { isPinnedKey, provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { acceptWebSocket, type LinkSocket } from '@bascule/wire/web-socket.ts';
import type { PairKey } from './pair-key.ts';
import { watchSilence } from './pair-silence.ts';

/** From the hand-over to the end of the handshake, and from there to the end of a request's head. */
const HANDSHAKE_LIMIT_MS = 5_000;
/** A whole request with its body: at most PAIR_MESSAGE_MAX_BYTES. */
const REQUEST_LIMIT_MS = 15_000;
/** A connection on which nothing is asked; the peer asks every two seconds. */
const IDLE_LIMIT_MS = 10_000;
/** An answer of which not one byte is taken for so long is given up. */
const STALLED_LIMIT_MS = 30_000;
const REQUEST_HEAD_LIMIT_BYTES = 8 * 1024;
/** Handshakes under way at one time; those of one address, so that nobody takes all places of the peer. */
const HANDSHAKES_MAX = 256;
const HANDSHAKES_PER_ADDRESS_MAX = 16;
/** What the appliances ask each other, and people in a test of the standby. */
const PEER_CONNECTIONS_MAX = 32 + REHEARSAL_TUNNELS_MAX;
const STRANGERS_MAX = 16;
/** Connections of strangers from one address: so many at once, then one in so many seconds. Addresses remembered. */
const STRANGER_BURST = 20;
const STRANGER_PER_SECOND = 0.5;
const ADDRESSES_MAX = 10_000;
/** How long an orderly end waits for what is being answered. */
const CLOSE_LIMIT_MS = 1_000;
const GOING_AWAY = 1001;

/** Strangers may ask for nothing else. */
export const ESTABLISH_PREFIX = '/establish/';
export const FOLLOW_PATH = '/follow';

/** Why a connection or request was not let in. */
export type PairRefusal = 'no-certificate' | 'other-key' | 'rate' | 'full';

export interface PairDoorOptions {
  key: PairKey;
  /** SHA-256 of the one key that is let in as the peer; undefined: nobody is. Asked anew for every connection and request. */
  pinned(): string | undefined;
  /** `stranger` only for `/establish/*`. */
  onRequest(request: IncomingMessage, response: ServerResponse, who: 'peer' | 'stranger'): void;
  /** The peer follows this appliance's change log. The link is dropped when it falls silent. */
  onFollow(socket: LinkSocket): void;
  /** The peer brings the connection of a person in a test of the standby: it is answered, whatever it is. Absent: there are no tests. */
  onTunnel?(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** For the audit; called often during an attack, so whoever writes it down bounds it. */
  onRefused?(why: PairRefusal, address: string): void;
  log: Log;
  now?: () => number;
  /** Lower limits for tests. */
  limits?: Partial<{ handshakeMs: number; requestMs: number; idleMs: number; silenceMs: number; strangerBurst: number }>;
}

/**
 * Opens the pair's connections that base hands on (docs/spec/pair.md, 1 and 2): TLS 1.3 with a certificate of either side. Exactly one peer is let in, by its
 * key; strangers may use `/establish/*` alone, few at a time.
 */
export class PairDoor {
  readonly #options: PairDoorOptions;
  readonly #server: Server;
  readonly #handshakes = new Map<string, { address: string; limit: NodeJS.Timeout }>();
  readonly #sockets = new Set<Socket>();
  /** With the key that each has proved. */
  readonly #peerSockets = new Map<TLSSocket, string>();
  readonly #follows = new Set<LinkSocket>();
  readonly #strangerRate: RateLimit;
  #strangers = 0;
  #isClosed = false;

  constructor(options: PairDoorOptions) {
    this.#options = options;
    const { key, limits = {}, now = Date.now } = options;
    const handshakeMs = limits.handshakeMs ?? HANDSHAKE_LIMIT_MS;
    const requestMs = limits.requestMs ?? REQUEST_LIMIT_MS;
    const burst = limits.strangerBurst ?? STRANGER_BURST;
    this.#strangerRate = new RateLimit({ burst, perSecond: STRANGER_PER_SECOND, keysLimit: ADDRESSES_MAX, now });
    this.#server = createServer({
      key: key.keyPem,
      cert: key.certificatePem,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [PAIR_ALPN],
      requestCert: true,
      // Self-signed on purpose: the key is compared in #admit.
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMs,
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: requestMs / 4,
      keepAliveTimeout: limits.idleMs ?? IDLE_LIMIT_MS,
      maxHeaderSize: REQUEST_HEAD_LIMIT_BYTES,
      noDelay: true,
    });
    this.#server.setTimeout(STALLED_LIMIT_MS);
    this.#server.prependListener('secureConnection', (socket: TLSSocket) => this.#admit(socket));
    this.#server.on('request', (request, response) => this.#request(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    // It never listens; Node starts the clock of its request limits with this event.
    this.#server.emit('listening');
  }

  /** Takes an unopened connection; `head` is what was read of it. Above the limits it is closed, and whoever dialled comes back. */
  take(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => {});
    const address = socket.remoteAddress ?? '';
    if (this.#isClosed || this.#isFull(address)) return void socket.destroy();
    const limit = setTimeout(() => socket.destroy(), this.#options.limits?.handshakeMs ?? HANDSHAKE_LIMIT_MS);
    const name = nameOf(socket);
    this.#handshakes.set(name, { address, limit });
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#handshakeOver(name);
    });
    socket.unshift(Buffer.from(head));
    this.#server.emit('connection', socket);
  }

  /** Ends in order: nothing new, followers are told, what is being answered is answered, and then everything is cut. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const follow of this.#follows) follow.close(GOING_AWAY);
    this.#server.closeIdleConnections();
    const open = [...this.#sockets].filter((socket) => !socket.destroyed);
    await Promise.race([
      Promise.all(open.map((socket) => new Promise((resolve) => socket.once('close', resolve)))),
      new Promise((resolve) => setTimeout(resolve, CLOSE_LIMIT_MS).unref()),
    ]);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** Cuts everything that stands with a key other than the pinned one: after a relationship ended. */
  dropOthers(): void {
    for (const [socket, key] of this.#peerSockets) if (!this.#isPeer(key)) socket.destroy();
  }

  #isFull(address: string): boolean {
    const mine = [...this.#handshakes.values()].filter((one) => addressKey(one.address) === addressKey(address)).length;
    if (this.#handshakes.size < HANDSHAKES_MAX && mine < HANDSHAKES_PER_ADDRESS_MAX) return false;
    this.#refused('full', address);
    return true;
  }

  #handshakeOver(name: string): void {
    clearTimeout(this.#handshakes.get(name)?.limit);
    this.#handshakes.delete(name);
  }

  /** The handshake is done: decides who it is, before anything is read. */
  #admit(socket: TLSSocket): void {
    this.#handshakeOver(nameOf(socket));
    const address = socket.remoteAddress ?? '';
    const key = provenKeySha256(socket);
    if (key === undefined) return this.#cut(socket, 'no-certificate', address);
    if (this.#isPeer(key)) {
      if (this.#peerSockets.size >= PEER_CONNECTIONS_MAX) return this.#cut(socket, 'full', address);
      this.#peerSockets.set(socket, key);
      socket.once('close', () => this.#peerSockets.delete(socket));
      return;
    }
    if (this.#strangers >= STRANGERS_MAX) return this.#cut(socket, 'full', address);
    if (this.#strangerRate.take(addressKey(address)) > 0) return this.#cut(socket, 'rate', address);
    this.#strangers += 1;
    socket.once('close', () => (this.#strangers -= 1));
  }

  #isPeer(key: string | undefined): boolean {
    return isPinnedKey(key, this.#options.pinned());
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const key = provenKeySha256(request.socket as TLSSocket);
    if (key === undefined || this.#isClosed) return void request.socket.destroy();
    if (this.#isPeer(key)) return this.#options.onRequest(request, response, 'peer');
    if (request.url?.startsWith(ESTABLISH_PREFIX) === true) return this.#options.onRequest(request, response, 'stranger');
    this.#cut(request.socket, 'other-key', request.socket.remoteAddress ?? '');
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const link = request.socket as TLSSocket;
    const address = link.remoteAddress ?? '';
    if (!this.#isPeer(provenKeySha256(link))) return this.#cut(link, 'other-key', address);
    const { onTunnel } = this.#options;
    const isTunnel = onTunnel !== undefined && request.url?.startsWith(`${REHEARSAL_TUNNEL_PATH}?`) === true;
    if ((request.url !== FOLLOW_PATH && !isTunnel) || this.#isClosed) return void socket.destroy();
    // What Node limits requests by does not fit a link that stays.
    link.setTimeout(0);
    if (isTunnel) return onTunnel(request, socket, head);
    acceptWebSocket(request, socket, head, { maxMessageBytes: PAIR_ENTRY_MAX_BYTES }).then(
      (follow) => {
        this.#follows.add(follow);
        follow.once('close', () => this.#follows.delete(follow));
        watchSilence(follow, link, this.#options.limits?.silenceMs);
        this.#options.onFollow(follow);
      },
      () => socket.destroy(),
    );
  }

  #cut(socket: Socket, why: PairRefusal, address: string): void {
    socket.destroy();
    this.#refused(why, address);
  }

  #refused(why: PairRefusal, address: string): void {
    this.#options.log.debug({ why, address }, 'pair-connection-refused');
    this.#options.onRefused?.(why, address);
  }
}

/** A connection as the kernel tells it apart from all others; the TLS socket on top has the same. */
function nameOf(socket: Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}|${socket.localPort}`;
}
