import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import { CONTROL_MESSAGE_MAX_BYTES, LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { acceptWebSocket, refuseUpgrade } from '@bascule/wire/web-socket.ts';
import { clientIdOf, readCertificate } from './link-certificate.ts';
import type { LinkCertificate, LinkDirectory, LinkSocket } from './link.ts';
import { createLinkServer, setLinkTls } from './link-server.ts';
import type { LinkTls } from './site-identity.ts';

export interface LinkGateOptions extends Pick<LinkDirectory, 'request' | 'refused'> {
  tls: LinkTls;
  ticketKeys: Buffer;
  /** What is answered instead of `bascule-link/1`. */
  alpn?: string | undefined;
  log: Log;
  now(): number;
  /** Whether one more link is taken. */
  hasRoom(hasCertificate: boolean): boolean;
  opened(webSocket: LinkSocket, socket: TLSSocket, certificate: LinkCertificate | undefined): void;
}

/** TLS and HTTP of the links: who has a certificate of ours, and whether it wants a link or asks for a file. */
export class LinkGate {
  readonly #options: LinkGateOptions;
  readonly #server: Server;
  readonly #alpn: string;
  #closed = false;

  constructor(options: LinkGateOptions) {
    this.#options = options;
    this.#alpn = options.alpn ?? LINK_ALPN;
    this.#server = createLinkServer(options.tls, options.ticketKeys, options.log, { alpn: this.#alpn });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#upgrade(request, socket as TLSSocket, head),
    );
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#request(request, response));
  }

  /** Takes over a connection whose first bytes (`head`) were read already; nothing of it was answered. */
  accept(socket: Socket, head: Uint8Array): void {
    socket.on('error', () => socket.destroy());
    socket.setNoDelay(true);
    if (head.length > 0) socket.unshift(head);
    this.#server.emit('connection', socket);
  }

  /** New connections get this certificate; links that stand keep theirs. */
  setTls(tls: LinkTls): void {
    setLinkTls(this.#server, tls, this.#options.ticketKeys);
  }

  /** Answers no request any more. */
  close(): void {
    this.#closed = true;
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    const certificate = readCertificate(socket);
    if (request.url !== '/link' || socket.alpnProtocol !== this.#alpn) return refuseUpgrade(socket, 404);
    if (certificate !== undefined && !socket.authorized) {
      this.#options.refused({
        reason: String(socket.authorizationError),
        address: socket.remoteAddress ?? '',
        certificate: certificate.subject,
      });
      return refuseUpgrade(socket, 403);
    }
    if (!this.#options.hasRoom(certificate !== undefined)) return refuseUpgrade(socket, 503);
    // The answer and `welcome` leave in one TLS record.
    socket.cork();
    acceptWebSocket(request, socket, head, { maxMessageBytes: CONTROL_MESSAGE_MAX_BYTES }).then(
      (webSocket) => {
        this.#options.opened(webSocket, socket, certificate);
        socket.uncork();
      },
      (error: Error) => this.#options.log.debug({ reason: error.message }, 'link-upgrade-failed'),
    );
  }

  /** Plain HTTP over the client's own mutual TLS, beside its link. Whoever is not let in as a client finds nothing. */
  #request(request: IncomingMessage, response: ServerResponse): void {
    const socket = request.socket as TLSSocket;
    const certificate = readCertificate(socket);
    const clientId = clientIdOf(certificate);
    const isValid = socket.authorized && certificate !== undefined && certificate.endMs > this.#options.now();
    if (clientId === undefined || !isValid || socket.alpnProtocol !== this.#alpn || this.#closed) {
      response.writeHead(404, { connection: 'close' }).end();
      return;
    }
    this.#options.request(clientId, request, response);
  }
}
