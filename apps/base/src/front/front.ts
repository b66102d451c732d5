import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { DATA_ALPN, LINK_ALPN } from '@bascule/protocol/control-link.ts';
import { PAIR_ALPN, PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { REHEARSAL_DATA_ALPN, REHEARSAL_LINK_ALPN } from '@bascule/protocol/rehearsal.ts';
import type { AccessType } from '@bascule/protocol/api/network.ts';
import type { Log } from '@bascule/log/log.ts';
import { ACME_ALPN } from './front-acme.ts';
import { AddressCounts } from './front-address-counts.ts';
import { AddressConsumers } from './front-address-consumers.ts';
import type { Wanted } from './front-alpn.ts';
import { collectClientHello } from './front-client-hello.ts';
import { Doors, type TlsOptions, type WebCertificate } from './front-doors.ts';
import { HandOver } from './front-hand-over.ts';
import { OpenConnections } from './front-drain.ts';
import { bearsRehearsalCookie, removeForged } from './front-headers.ts';
import * as limits from './front-limits.ts';
import { answerSiteAway, type InstallationSummary, type RestoreSummary } from './front-progress-page.ts';
import { BrowserConnection, SiteProxy } from './front-proxy.ts';
import { SiteRoute, SiteWait, type Peer, type SiteProgram } from './front-site-wait.ts';
import { carryUpgrade } from './front-stream.ts';

export type { TlsOptions, WebCertificate } from './front-doors.ts';
export { PlainDoor, type PlainDoorOptions } from './front-plain.ts';
export type { InstallationSummary } from './front-progress-page.ts';
export type { Peer, SiteProgram } from './front-site-wait.ts';
export { CLIENT_HELLO_MAX_BYTES, CLIENT_HELLO_WAIT_MS, PENDING_PER_ADDRESS_MAX, SITE_WAIT_MS } from './front-limits.ts';

/** What somebody who connects asks for: by SNI (empty: nothing), and at which address of ours. */
export interface Asked {
  serverName: string;
  localAddress: string;
}

export interface FrontOptions {
  main: SiteProgram;
  relay: SiteProgram;
  /** Answers `/appliance` and everything below it. */
  appliance(request: IncomingMessage, response: ServerResponse): void;
  /** Asked for each connection, so that a change holds from the next handshake on. */
  certificateFor(asked: Asked): WebCertificate;
  /** What proves to an authority that the name is ours (TLS-ALPN-01), while it is asked for. */
  challengeFor?(serverName: string): WebCertificate | undefined;
  /** What is served at which of our addresses (B11); both, when absent. */
  accessOf?(localAddress: string): AccessType;
  /** Whether /appliance answers whoever is at this address; everybody, when absent. */
  answersAppliance?(address: string): boolean;
  /** The installation that is under way, for the page that people see while the site is away. */
  installationSummary?(): InstallationSummary | RestoreSummary | undefined;
  log: Log;
  /** Times and counts that tests shorten; the limits of front-limits.ts otherwise. */
  clientHelloWaitMs?: number;
  siteWaitMs?: number;
  switchWaitMs?: number;
  pendingMax?: number;
  pendingPerAddressMax?: number;
  requestHeaderWaitMs?: number;
}

/** What is handed on unopened, and to which program of the site (wire 1.2). */
const HANDED_ON: ReadonlyMap<string, 'main' | 'relay'> = new Map([
  [LINK_ALPN, 'main'],
  [DATA_ALPN, 'relay'],
  [PAIR_ALPN, 'main'],
  [PAIR_DATA_ALPN, 'relay'],
  // Main has a program of its own for both, while there is a test of the standby.
  [REHEARSAL_LINK_ALPN, 'main'],
  [REHEARSAL_DATA_ALPN, 'main'],
]);

/** Name and state of the appliance. */
const PUBLIC_STATE = '/appliance/api/state';

/** The front door (wire 1 and 2): one port, from which every connection goes where it belongs. */
export class Front {
  readonly #options: FrontOptions;
  readonly #server: net.Server;
  readonly #web: http.Server;
  readonly #doors: Doors;
  readonly #pending: AddressCounts;
  readonly #browsers = new AddressCounts(limits.BROWSER_CONNECTIONS_MAX, limits.BROWSER_CONNECTIONS_PER_ADDRESS_MAX);
  readonly #connections = new WeakMap<object, BrowserConnection>();
  readonly #wait: SiteWait;
  readonly #proxy: SiteProxy;
  readonly #routes: Record<'main' | 'relay', SiteRoute>;
  readonly #links: Record<'main' | 'relay', HandOver>;
  readonly #open = new OpenConnections();
  readonly #byAddress = new AddressConsumers();
  #renewedAtMs = -Infinity;

  constructor(options: FrontOptions) {
    this.#options = options;
    this.#pending = new AddressCounts(
      options.pendingMax ?? limits.PENDING_MAX,
      options.pendingPerAddressMax ?? limits.PENDING_PER_ADDRESS_MAX,
    );
    this.#wait = new SiteWait(options.siteWaitMs, options.switchWaitMs);
    this.#proxy = new SiteProxy(this.#wait, (request, response) =>
      answerSiteAway(request, response, this.#options.installationSummary?.()),
    );
    this.#routes = { main: new SiteRoute(options.main), relay: new SiteRoute(options.relay) };
    this.#links = { main: new HandOver(this.#routes.main), relay: new HandOver(this.#routes.relay) };
    // highWaterMark: see collectClientHello.
    this.#server = net.createServer({ noDelay: true, highWaterMark: 1 }, (socket) => this.#accept(socket));
    this.#web = this.#createWeb();
    this.#doors = new Doors((socket) => {
      this.#greet(socket);
      this.#web.emit('connection', socket);
    });
  }

  /** Accepts from the listening socket `descriptor`, which boot has bound and keeps. */
  async listen(descriptor: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ fd: descriptor, backlog: limits.LISTEN_BACKLOG }, resolve);
    });
    // The web server gets its connections from #accept and never listens; Node starts the clock of its request limits with this event.
    this.#web.emit('listening');
  }

  /** How TLS is spoken with browsers, from the next handshake on; open connections stay. Throws what OpenSSL says of ciphers that it does not know. */
  setTlsOptions(options: TlsOptions): void {
    this.#doors.setOptions(options);
  }

  /** Who is at the other end of a request's socket. */
  peerOf(socket: object): Peer {
    return this.#connections.get(socket)?.peer ?? { address: '', port: 0 };
  }

  /** The address of ours at which a request's connection arrived; empty when it is gone. */
  localAddressOf(socket: object): string {
    return this.#connections.get(socket)?.localAddress ?? '';
  }

  /** How a request came: from whom, at which address of ours, and since when its connection is there (on `performance.now()`). */
  arrivalOf({ socket }: IncomingMessage): { address: string; localAddress: string; sinceMs: number } {
    const connection = this.#connections.get(socket);
    const { address } = this.peerOf(socket);
    return { address, localAddress: connection?.localAddress ?? '', sinceMs: connection?.sinceMs ?? -Infinity };
  }

  /** What browsers ask from now on comes by new connections: idle ones are closed, and the others end with their next answer from /appliance. */
  renewConnections(): void {
    this.#renewedAtMs = performance.now();
    this.#web.closeIdleConnections();
  }

  /** The program is gone or back, or its switch began or ended: what waits for it is looked at again. */
  programChanged(program: 'main' | 'relay'): void {
    this.#routes[program].wake();
    if (this.#routes[program].program.ready) this.#links[program].goOn();
    else this.#links[program].restart();
  }

  /** From now on everything that arrives, and what waits, goes to these programs. Requests that the earlier ones have taken end there. */
  setPrograms(main: SiteProgram, relay: SiteProgram): void {
    for (const [name, program] of [
      ['main', main],
      ['relay', relay],
    ] as const) {
      if (this.#routes[name].program === program) continue;
      this.#routes[name].replace(program);
      this.#links[name].restart();
    }
  }

  /** Who asks the site by an IP address instead of its name (B135). */
  consumersByAddress(): { name: string; address: string }[] {
    return this.#byAddress.list();
  }

  /** Figures for tests and the log. */
  counts(): { pending: number; browsers: number; waitingLinks: number } {
    return {
      pending: this.#pending.total,
      browsers: this.#browsers.total,
      waitingLinks: this.#links.main.waiting + this.#links.relay.waiting,
    };
  }

  /**
   * Stops accepting, which leaves new connections to the kernel's queue and so to the next base, and finishes what is under way: at most DRAIN_LIMIT_MS.
   * The site's programs are needed until then.
   */
  async drain(): Promise<void> {
    this.#server.close();
    await this.#open.drain();
  }

  /** Stops accepting and cuts what is open. */
  close(): void {
    this.#server.close();
    this.#web.closeAllConnections();
  }

  /** HTTP over connections whose handshake is done. */
  #createWeb(): http.Server {
    const web = http.createServer(
      {
        maxHeaderSize: limits.REQUEST_HEADER_MAX_BYTES,
        headersTimeout: this.#options.requestHeaderWaitMs ?? limits.REQUEST_HEADER_WAIT_MS,
        requestTimeout: limits.REQUEST_WAIT_MS,
        keepAliveTimeout: limits.BROWSER_KEEP_ALIVE_MS,
        connectionsCheckingInterval: Math.min(this.#options.requestHeaderWaitMs ?? limits.REQUEST_HEADER_WAIT_MS, 5_000),
        shouldUpgradeCallback: (request) =>
          isBelow(request.url, '/stream') && request.headers.upgrade?.toLowerCase() === 'websocket',
      },
      (request, response) => this.#answer(request, response),
    );
    web.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(request, socket, head));
    web.on('clientError', (_error, socket) => socket.destroy());
    return web;
  }

  #accept(socket: net.Socket): void {
    socket.on('error', () => socket.destroy());
    const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    const done = this.#pending.take(peer.address);
    if (done === undefined || peer.address === '') {
      socket.destroy();
      return done?.();
    }
    const late = setTimeout(() => socket.destroy(), this.#options.clientHelloWaitMs ?? limits.CLIENT_HELLO_WAIT_MS);
    socket.once('close', done);
    this.#open.arriving(socket);
    const decided = (): void => {
      clearTimeout(late);
      socket.off('close', decided);
    };
    socket.once('close', decided);
    collectClientHello(socket, (head, wanted) => {
      if (head === undefined || wanted === undefined) return void socket.destroy();
      decided();
      this.#route(socket, head, wanted, peer, done);
    });
  }

  #route(socket: net.Socket, head: Buffer, { protocols, serverName }: Wanted, peer: Peer, done: () => void): void {
    const only = protocols.length === 1 ? protocols[0] : undefined;
    const program = only === undefined ? undefined : HANDED_ON.get(only);
    if (only !== undefined && program !== undefined) {
      // Closed like one that nobody listens for: at an address that is for the machine's own pages alone.
      if (!this.#serves(socket.localAddress, 'site')) {
        socket.destroy();
        return done();
      }
      this.#open.notOurs(socket);
      return this.#links[program].handOver(socket, { head, alpn: only, ...peer }, done);
    }
    const closed = this.#browsers.take(peer.address);
    done();
    if (closed === undefined) return void socket.destroy();
    socket.once('close', closed);
    this.#openDoor(socket, only, serverName);
  }

  /** An authority that validates a name is shown the answer; everybody else gets the certificate that is served for what they ask. */
  #openDoor(socket: net.Socket, only: string | undefined, serverName: string): void {
    const { certificateFor, challengeFor, log } = this.#options;
    try {
      if (only === ACME_ALPN) {
        const challenge = challengeFor?.(serverName);
        this.#open.notOurs(socket);
        return challenge === undefined ? void socket.destroy() : this.#doors.answerChallenge(socket, challenge);
      }
      this.#doors.open(socket, certificateFor({ serverName, localAddress: plainAddress(socket.localAddress ?? '') }));
    } catch (error) {
      log.error({ err: error, serverName }, 'front.certificate-not-usable');
      socket.destroy();
    }
  }

  /** B11: some addresses are for the appliance's own pages alone, or for the site alone. */
  #serves(localAddress: string | undefined, what: 'appliance' | 'site'): boolean {
    const access = this.#options.accessOf?.(localAddress ?? '') ?? 'both';
    return access === 'both' || access === `${what}-only`;
  }

  #greet(socket: TLSSocket): void {
    this.#open.add(socket);
    const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    const connection = new BrowserConnection(peer, socket.localAddress ?? '');
    this.#connections.set(socket, connection);
    socket.once('close', () => connection.close());
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    this.#open.answering(request.socket, response);
    const connection = this.#connections.get(request.socket);
    if (connection === undefined || request.url?.startsWith('/') !== true) {
      response.writeHead(400, { connection: 'close' }).end();
      return;
    }
    const isAppliance = isBelow(request.url, '/appliance');
    if (!isAppliance) this.#byAddress.note(request.headers, connection.peer.address, Date.now());
    if (!this.#serves(connection.localAddress, isAppliance ? 'appliance' : 'site')) return answerNotHere(request, response);
    if (isAppliance && !this.#mayAsk(request.url, connection.peer.address)) return answerNotHere(request, response);
    if (isAppliance) {
      removeForged(request.headers);
      if (connection.sinceMs <= this.#renewedAtMs) response.setHeader('connection', 'close');
      this.#options.appliance(request, response);
      return;
    }
    const isForRelay = isBelow(request.url, '/stream') && !bearsRehearsalCookie(request.headers);
    const route = isForRelay ? this.#routes.relay : this.#routes.main;
    void this.#proxy.carry(request, response, connection, route);
  }

  /** Security > Networks. What the header of every page shows is for everybody. */
  #mayAsk(url: string, address: string): boolean {
    return url === PUBLIC_STATE || this.#options.answersAppliance?.(address) !== false;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined || !this.#serves(connection.localAddress, 'site')) return void socket.destroy();
    // It lives as long as a session: nothing to wait for when base stops, since it is resumed.
    this.#open.remove(socket);
    const route = bearsRehearsalCookie(request.headers) ? this.#routes.main : this.#routes.relay;
    void carryUpgrade(request, socket, head, connection.peer, route, this.#wait);
  }
}

/** IPv4 as such, also where the socket is one of both. */
function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}

/** The same for everything that this address does not serve. */
function answerNotHere(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const text = 'This address of the appliance does not serve this page.\n';
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(text);
}

/** Whether `url` is `path` itself or lies below it. */
function isBelow(url: string | undefined, path: string): boolean {
  if (url?.startsWith(path) !== true) return false;
  const next = url[path.length];
  return next === undefined || next === '/' || next === '?';
}
