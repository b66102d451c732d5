import { createServer, type Server } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { idPattern } from '@bascule/core/ids.ts';
import { DATA_ALPN } from '@bascule/protocol/control-link.ts';
import { FRAME_MAX_BYTES } from '@bascule/wire/frames.ts';
import { acceptWebSocket, refuseUpgrade, type LinkSocket } from '@bascule/wire/web-socket.ts';

/** A handed-over connection that has not finished its handshake by then is closed; and one that has not asked for its upgrade so long after it. */
const HANDSHAKE_LIMIT_MS = 10_000;
/** Connections at a time, HELLO said or not. */
export const AGENT_CONNECTIONS_MAX = 18_000;

/** TLS sessions may be resumed for this long; without the full handshake a ticket of main's is needed all the same. */
const TLS_SESSION_LIFE_S = 12 * 60 * 60;

export interface LinkTls {
  key: string;
  certificate: string;
  authority: string;
  /** What sessions are resumed with, base64; absent: for as long as this program runs. */
  ticketKeys?: string | undefined;
}

export interface AgentDoorOptions {
  /** What is answered instead of `bascule-data/1`: by the relay of a test of the standby. */
  alpn?: string;
  /** A test may give lower limits. */
  connectionsMax?: number;
  requestLimitMs?: number;
}

/** Opens the connections that base hands over unopened (wire 1.2, 4.1): TLS 1.3 with a client certificate of the site identity, then WebSocket at `/data`. */
export class AgentDoor {
  readonly #accept: (socket: LinkSocket, client: string) => void;
  readonly #options: Required<AgentDoorOptions>;
  #server: Server | undefined;
  #connections = 0;

  /** `accept` gets each link with the id that its certificate names. */
  constructor(accept: (socket: LinkSocket, client: string) => void, options: AgentDoorOptions = {}) {
    this.#accept = accept;
    this.#options = {
      alpn: DATA_ALPN,
      connectionsMax: AGENT_CONNECTIONS_MAX,
      requestLimitMs: HANDSHAKE_LIMIT_MS,
      ...options,
    };
  }

  /** The certificate of the links; again when it changes. */
  configure(tls: LinkTls): void {
    const context = {
      key: tls.key,
      cert: tls.certificate,
      ca: tls.authority,
      minVersion: 'TLSv1.3',
      ...(tls.ticketKeys !== undefined && { ticketKeys: Buffer.from(tls.ticketKeys, 'base64') }),
      sessionIdContext: 'bascule-data',
      sessionTimeout: TLS_SESSION_LIFE_S,
    } as const;
    if (this.#server) return this.#server.setSecureContext(context);
    const { alpn, requestLimitMs } = this.#options;
    const server = createServer({
      ...context,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: [alpn],
      handshakeTimeout: HANDSHAKE_LIMIT_MS,
      headersTimeout: requestLimitMs,
      requestTimeout: requestLimitMs,
      connectionsCheckingInterval: requestLimitMs / 2,
    });
    server.on('request', (_request, response) => response.writeHead(404, { connection: 'close' }).end());
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    server.on('clientError', (_error, socket) => socket.destroy());
    // It never listens; Node starts the clock of its request limits with this event.
    server.emit('listening');
    this.#server = server;
  }

  /** Takes an unopened connection; `head` is what was read of it. Without a certificate yet, or above the limit, it is closed, and the client comes back. */
  take(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => {});
    if (!this.#server || this.#connections >= this.#options.connectionsMax) return void socket.destroy();
    // Node's own `maxConnections` counts only what a server accepted itself.
    this.#connections++;
    socket.once('close', () => this.#connections--);
    socket.setNoDelay(true);
    socket.unshift(Buffer.from(head));
    this.#server.emit('connection', socket);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {});
    const client = commonNameOf(socket as TLSSocket);
    if (request.url !== '/data' || client === undefined || (socket as TLSSocket).alpnProtocol !== this.#options.alpn)
      return refuseUpgrade(socket, 404);
    acceptWebSocket(request, socket, head, { maxMessageBytes: FRAME_MAX_BYTES }).then(
      (webSocket) => this.#accept(webSocket, client),
      () => socket.destroy(),
    );
  }
}

/** The Jump Client's id in the certificate that the handshake proved. A resumed session is not checked against the clock by TLS. */
function commonNameOf(socket: TLSSocket): string | undefined {
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  const isInTime = certificate !== undefined && Date.parse(certificate.valid_to) > Date.now();
  const name: unknown = isInTime ? certificate.subject?.CN : undefined;
  return typeof name === 'string' && idPattern('jumpClient').test(name) ? name : undefined;
}
