import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type net from 'node:net';
import { AddressCounts } from './front-address-counts.ts';
import { ACME_HTTP_PATH, ACME_TOKEN } from './front-acme.ts';
import * as limits from './front-limits.ts';

export interface PlainDoorOptions {
  /** `https://host` or `https://host:port`, where people are sent. */
  publicAddress: string;
  /** What answers the ACME challenge with this token; undefined: there is none. */
  keyAuthorization(token: string): string | undefined;
}

/** The port for plain HTTP: sends everybody to https under the public name, and answers ACME challenges (HTTP-01). Nothing else is there, and no body is read. */
export class PlainDoor {
  readonly #options: PlainDoorOptions;
  readonly #server: http.Server;
  readonly #open = new AddressCounts(limits.PLAIN_CONNECTIONS_MAX, limits.PLAIN_CONNECTIONS_PER_ADDRESS_MAX);

  constructor(options: PlainDoorOptions) {
    this.#options = options;
    this.#server = http.createServer(
      {
        maxHeaderSize: limits.REQUEST_HEADER_MAX_BYTES,
        headersTimeout: limits.PLAIN_REQUEST_WAIT_MS,
        requestTimeout: limits.PLAIN_REQUEST_WAIT_MS,
        connectionsCheckingInterval: limits.PLAIN_REQUEST_WAIT_MS / 2,
      },
      (request, response) => this.#answer(request, response),
    );
    this.#server.on('connection', (socket: net.Socket) => {
      socket.on('error', () => socket.destroy());
      const done = this.#open.take(socket.remoteAddress ?? '');
      if (done === undefined) return void socket.destroy();
      socket.once('close', done);
    });
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Accepts from the listening socket `descriptor`, which boot has bound and keeps. */
  async listen(descriptor: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ fd: descriptor, backlog: limits.LISTEN_BACKLOG }, resolve);
    });
  }

  /** Stops accepting and cuts what is open. */
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    const { url = '', method = '' } = request;
    const common = { connection: 'close', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { ...common, allow: 'GET, HEAD' }).end();
      return;
    }
    if (url.startsWith(ACME_HTTP_PATH)) {
      const token = url.slice(ACME_HTTP_PATH.length);
      const answer = ACME_TOKEN.test(token) ? this.#options.keyAuthorization(token) : undefined;
      const head = { ...common, 'content-type': 'application/octet-stream' };
      response.writeHead(answer === undefined ? 404 : 200, head).end(answer);
      return;
    }
    // Never where the request says: only to the public name. A path that is none (a proxy's request) leads to the first page.
    const path = url.startsWith('/') && !url.startsWith('//') && url.length <= limits.REDIRECT_PATH_MAX_CHARACTERS ? url : '/';
    response.writeHead(308, { ...common, location: `${this.#options.publicAddress}${path}` }).end();
  }
}
