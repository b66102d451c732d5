import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError, notFound } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { BACKGROUND_HEADER, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import type { Context } from '@bascule/store/store.ts';
import { timingSafeTextEqual } from './timing-safe-text-equal.ts';
import { sendAnswer } from './answer.ts';
import { awaitBeforeReplies } from './before-reply.ts';
import { sendError, toAppError } from './error-answer.ts';
import { isOwnOrigin, siteOfHost } from './host-check.ts';
import { loginCookie } from './login-cookie.ts';
import { registerPages } from './pages.ts';
import type { Grant, LoginAuthority, Principal } from './principal.ts';
import { RateLimit } from './rate-limit.ts';
import { PUBLIC_ACTION, type AnyRoute, type Call, type RateClass, type Site } from './route.ts';
import { ANSWER_POLICY, SECURITY_HEADERS, type ContentSecurityPolicy } from './security-headers.ts';
import { checkInput, strict } from './validation.ts';

export type { AnyRoute } from './route.ts';
export { route } from './route.ts';

/** Bodies of routes that do not say otherwise. */
export const BODY_LIMIT_BYTES = 64 * 1024;
/** Requests of one address: so many at once, so many a second. A page load is about thirty; many people may share an address. */
export const REQUEST_LIMIT = { burst: 1000, perSecond: 200 };
/** Requests of one address to routes that check a secret. */
export const LOGIN_LIMIT = { burst: 20, perSecond: 1 / 3 };
/** Requests of one API token: a load balancer asks every second or two, from several machines. */
export const TOKEN_LIMIT = { burst: 60, perSecond: 10 };
const ADDRESSES_LIMIT = 10_000;
/** Longer than base keeps an idle connection to us, so that it never writes into one that we are closing. */
const KEEP_ALIVE_MS = 120_000;
const PARAMETER_MAX_CHARACTERS = 200;
/** At an orderly end: what was on its way to us when we were told arrives within this. */
const ARRIVAL_MS = 5;
/** An answer whose body is being sent (a download) is cut after this: it goes on for longer than anybody waits. */
export const BODY_FINISH_LIMIT_MS = 150;

export interface Peer {
  address: string;
  port: number;
}

/** Stands before every route: what it takes is answered elsewhere. */
export interface RequestDoor {
  /** True: `request` is taken, and `response` with it. A header that it sets on `response` otherwise goes out with the answer of here. Never throws. */
  take(request: IncomingMessage, response: ServerResponse, peer: Peer): boolean;
  /** An upgrade request, which no route takes: it answers, whatever it is. Never throws. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, peer: Peer): void;
}

export interface HttpServerOptions {
  prefix: '/api' | '/appliance/api';
  /** Begins with `__Host-`. */
  cookieName: string;
  accounts: LoginAuthority;
  authorize(principal: Principal, action: string): Grant | undefined;
  routes: AnyRoute[];
  log: Log;
  /** The names under which browsers may reach us, without ports. */
  hosts(): string[];
  /** Who is at the other end; by default what `accept` was told, else the socket's own peer. */
  peerOf?(request: IncomingMessage): Peer;
  /** A build of apps/web; its `assets` folder has hashed names. */
  staticRoot: string;
  /** URL (with `*`) → HTML file in `staticRoot`. */
  pages: Record<string, string>;
  /** URL → where it leads. */
  redirects?: Record<string, string>;
  /** Page URL → directives that differ there. */
  contentSecurityPolicy?: Record<string, ContentSecurityPolicy>;
  limits?: { request?: typeof REQUEST_LIMIT; login?: typeof LOGIN_LIMIT };
  /** Asked for each request and upgrade that is for one of `hosts`, within its rate, before anything else. */
  door?: RequestDoor | undefined;
  /**
   * Awaited before a request that may have changed something is answered (never a GET, never a stream): what it committed may be told then. Whoever gives it limits the time. When it
   * rejects, the answer is that error.
   */
  beforeReply?(): Promise<void>;
  now?: () => number;
}

/** One line of the route table, for test/authz. */
export interface RouteEntry {
  method: string;
  url: string;
  action: string;
}

interface Admitted {
  site: Site;
  principal: Principal | undefined;
  grant: Grant | undefined;
  context: Context;
}

const tables = new WeakMap<HttpServer, RouteEntry[]>();

/** Every API route that `server` answers, the prefix included. */
export function routesOf(server: HttpServer): RouteEntry[] {
  return tables.get(server) ?? [];
}

/** Builds the HTTP side of a program and makes it ready. Each request passes: host, rate, cookie, CSRF, policy, schemas, handler, answer schema. */
export async function createHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = new HttpServer(options);
  await server.app.ready();
  return server;
}

/** Answers HTTP on connections and requests that somebody else accepted; it never listens by itself. */
export class HttpServer {
  readonly app: FastifyInstance;
  readonly #options: HttpServerOptions;
  readonly #limits: Record<RateClass, RateLimit>;
  readonly #tokenLimit: RateLimit;
  readonly #peers = new WeakMap<Socket, Peer>();
  readonly #sockets = new Set<Socket>();
  readonly #underWay = new Set<ServerResponse>();
  #isClosing = false;
  #isClosed = false;
  readonly #admitted = new WeakMap<FastifyRequest, Admitted>();
  /** Admitted, and to be answered only after `beforeReply`. */
  readonly #waiting = new WeakSet<FastifyRequest>();

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const bucket = (limit: typeof REQUEST_LIMIT) =>
      new RateLimit({ ...limit, keysLimit: ADDRESSES_LIMIT, now: options.now ?? Date.now });
    this.#limits = {
      ordinary: bucket(options.limits?.request ?? REQUEST_LIMIT),
      login: bucket(options.limits?.login ?? LOGIN_LIMIT),
    };
    this.#tokenLimit = bucket(TOKEN_LIMIT);
    this.app = fastify({
      bodyLimit: BODY_LIMIT_BYTES,
      genReqId: () => randomBytes(8).toString('hex'),
      keepAliveTimeout: KEEP_ALIVE_MS,
      forceCloseConnections: true,
      // Who still asks while we end is cut unheard and asks the next program, instead of being refused.
      return503OnClosing: false,
      routerOptions: { maxParamLength: PARAMETER_MAX_CHARACTERS },
    });
    this.app.server.on('request', (_request, response: ServerResponse) => {
      this.#underWay.add(response);
      if (this.#isClosing) response.shouldKeepAlive = false;
      response.once('close', () => this.#underWay.delete(response));
    });
    const { door } = options;
    if (door !== undefined)
      this.app.server.on('upgrade', (request, socket, head) => {
        if (this.#mayUpgrade(request)) door.upgrade(request, socket, head, this.#peerOf(request));
        else socket.destroy();
      });
    this.app.setErrorHandler((error, request, reply) => this.#fail(error, request, reply));
    this.app.setNotFoundHandler((request, reply) => sendError(reply, notFound(), request.id));
    this.app.addHook('onRequest', async (request, reply) => this.#admitBasics(request, reply));
    if (options.beforeReply !== undefined)
      awaitBeforeReplies(this.app, options.beforeReply, (request) => this.#waiting.has(request));
    for (const definition of options.routes) this.#register(definition);
    registerPages(this.app, options);
    tables.set(
      this,
      options.routes.map((definition) => ({
        method: definition.method,
        url: this.#urlOf(definition),
        action: definition.action,
      })),
    );
  }

  /** Answers one request that the caller's own server took (base). */
  handle(request: IncomingMessage, response: ServerResponse): void {
    this.app.routing(request, response);
  }

  /** Serves a connection that the caller accepted, on behalf of `peer` (site, behind the preamble). After `close` it is cut before anything of it is read. */
  accept(socket: Socket, peer: Peer): void {
    if (this.#isClosed) return void socket.destroy();
    this.#peers.set(socket, peer);
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    this.app.server.emit('connection', socket);
    socket.resume();
  }

  /** Ends every connection and stops answering. Requests under way get `answerWithinMs` to be answered, nothing by default; streams end before, by their owner. */
  async close(answerWithinMs = 0): Promise<void> {
    if (answerWithinMs > 0) await this.#answerUnderWay(answerWithinMs);
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy();
    await this.app.close();
  }

  async #answerUnderWay(limitMs: number): Promise<void> {
    this.#isClosing = true;
    for (const response of this.#underWay) response.shouldKeepAlive = false;
    await delay(ARRIVAL_MS);
    const startedMs = performance.now();
    const begun = new Set([...this.#underWay].filter((response) => response.headersSent));
    const leftMs = (response: ServerResponse) =>
      (begun.has(response) ? Math.min(BODY_FINISH_LIMIT_MS, limitMs) : limitMs) - (performance.now() - startedMs);
    for (;;) {
      const waiting = [...this.#underWay].filter((response) => leftMs(response) > 0);
      if (waiting.length === 0) return;
      const closed = new AbortController();
      const { signal } = closed;
      await Promise.race([
        ...waiting.map((response) => once(response, 'close', { signal })),
        delay(Math.max(...waiting.map(leftMs)), undefined, { signal }),
      ]);
      closed.abort();
    }
  }

  #peerOf(request: IncomingMessage): Peer {
    if (this.#options.peerOf !== undefined) return this.#options.peerOf(request);
    const { remoteAddress = '', remotePort = 0 } = request.socket;
    return this.#peers.get(request.socket) ?? { address: remoteAddress, port: remotePort };
  }

  /** For pages, files and unknown addresses alike. */
  #admitBasics(request: FastifyRequest, reply: FastifyReply): void {
    reply.headers({ ...SECURITY_HEADERS, 'content-security-policy': ANSWER_POLICY, 'cache-control': 'no-store' });
    if (siteOfHost(request.headers.host, this.#options.hosts()) === undefined)
      throw new AppError(
        'invalid',
        'HOST_UNKNOWN',
        'The appliance is not reached under this name; add it to the names of the appliance.',
        {
          field: 'headers.host',
        },
      );
    this.#take('ordinary', request);
    if (this.#options.door?.take(request.raw, reply.raw, this.#peerOf(request.raw)) === true) reply.hijack();
  }

  /** As `#admitBasics`, for what passes no route. */
  #mayUpgrade(request: IncomingMessage): boolean {
    const isOurs = siteOfHost(request.headers.host, this.#options.hosts()) !== undefined;
    return isOurs && this.#waitSeconds('ordinary', request) === 0;
  }

  #waitSeconds(rate: RateClass, request: IncomingMessage): number {
    return this.#limits[rate].take(addressKey(this.#peerOf(request).address));
  }

  #take(rate: RateClass, request: FastifyRequest): void {
    const retryAfterSeconds = this.#waitSeconds(rate, request.raw);
    if (retryAfterSeconds > 0) throw tooManyRequests('address', retryAfterSeconds);
  }

  #urlOf({ url, absolute = false }: AnyRoute): string {
    return absolute ? url : `${this.#options.prefix}${url}`;
  }

  #register(definition: AnyRoute): void {
    if (definition.bodyStream !== true) this.#registerIn(this.app, definition);
    else
      this.app.register((app, _options, done) => {
        app.removeAllContentTypeParsers();
        app.addContentTypeParser('application/octet-stream', (_request, _payload, parsed) => parsed(null));
        this.#registerIn(app, definition);
        done();
      });
  }

  #registerIn(app: FastifyInstance, definition: AnyRoute): void {
    const { method, bodyLimitBytes } = definition;
    app.route({
      method,
      url: this.#urlOf(definition),
      ...(bodyLimitBytes !== undefined && { bodyLimit: bodyLimitBytes }),
      // Before the body is read: who may not call the route cannot make us read anything either.
      onRequest: async (request, reply) => {
        this.#admitted.set(request, this.#admit(definition, request, reply));
        if (definition.changesHereAlone !== true) this.#waiting.add(request);
      },
      handler: (request, reply) => this.#answer(definition, request, reply),
    });
  }

  #admit(definition: AnyRoute, request: FastifyRequest, reply: FastifyReply): Admitted {
    const { accounts, authorize, cookieName, hosts } = this.#options;
    const site = siteOfHost(request.headers.host, hosts());
    if (site === undefined) throw notFound();
    if (definition.rate === 'login') this.#take('login', request);
    const { address } = this.#peerOf(request.raw);
    const changes = definition.method !== 'GET';
    if (changes && !isOwnOrigin(request.headers, site)) throw csrfMismatch();
    if (definition.action === PUBLIC_ACTION)
      return {
        site,
        principal: undefined,
        grant: undefined,
        context: { actor: { kind: 'system', id: null, name: 'not logged in' }, address },
      };

    const bearer = bearerToken(request.headers.authorization);
    const cookie = loginCookie(cookieName, request.headers.cookie, reply).value;
    const principal =
      bearer === undefined ? accounts.authenticate(cookie, isBackground(request)) : this.#tokenPrincipal(bearer, cookie, request);
    if (principal === undefined) throw unauthenticated();
    const csrf = request.headers[CSRF_HEADER];
    // A token is sent by a program that holds it, never by a browser on its own: there is nothing that a foreign page could ride on.
    if (changes && bearer === undefined && !(typeof csrf === 'string' && timingSafeTextEqual(csrf, principal.csrf)))
      throw csrfMismatch();
    if (!(definition.states ?? ['ok']).includes(principal.state)) throw stepMissing(principal);
    const name = principal.token === undefined ? principal.name : `${principal.name} (API token ${principal.token.name})`;
    const context: Context = { actor: { kind: accounts.actorKind, id: principal.id, name }, address };
    const isTaken = principal.token === undefined || definition.publicApi?.takes === 'token';
    const grant = isTaken ? authorize(principal, definition.action) : undefined;
    if (grant === undefined) {
      accounts.noteAccessRefused(context, { action: definition.action, what: `${definition.method} ${definition.url}` });
      throw notFound();
    }
    return { site, principal, grant, context };
  }

  /** The principal of a request with an API token. Throws TOKEN_BESIDE_COOKIE, TOKEN_REFUSED, TOO_MANY_REQUESTS. */
  #tokenPrincipal(bearer: string, cookie: string | undefined, request: FastifyRequest): Principal {
    // Two answers to 'who is it' in one request: whoever built it is mistaken about one of them.
    if (cookie !== undefined) throw tokenBesideCookie();
    const principal = this.#options.accounts.authenticateToken?.(bearer, this.#peerOf(request.raw).address);
    if (principal === undefined) {
      this.#take('login', request);
      throw tokenRefused();
    }
    const retryAfterSeconds = this.#tokenLimit.take(principal.loginSession);
    if (retryAfterSeconds > 0) throw tooManyRequests('API token', retryAfterSeconds);
    return principal;
  }

  async #answer(definition: AnyRoute, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const admitted = this.#admitted.get(request);
    if (admitted === undefined) throw new Error('bug: a request was not admitted');
    const check = (schema: AnyRoute['body'], part: 'body' | 'query' | 'params', input: unknown): unknown =>
      schema === undefined ? undefined : checkInput(strict(schema), part, input);
    const call = {
      ...admitted,
      params: check(definition.params, 'params', request.params),
      query: check(definition.query, 'query', request.query),
      body: check(definition.body, 'body', request.body),
      loginCookie: loginCookie(this.#options.cookieName, request.headers.cookie, reply),
      request,
      reply,
    };
    const result = await definition.handle(call as unknown as Call<never, never, never, never>);
    if (definition.answer === undefined) return reply.sent ? reply : result;
    return sendAnswer(request, reply, definition.answer.parse(result));
  }

  #fail(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const fault = toAppError(error);
    if (fault.kind === 'internal') {
      const { url } = request.routeOptions;
      this.#options.log.error({ err: error, requestId: request.id, method: request.method, route: url }, 'http.request-failed');
    }
    return sendError(reply, fault, request.id);
  }
}

/** Whether nobody is behind the request: a page's own refreshing, or its event stream coming back. */
export function isBackground({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers[BACKGROUND_HEADER] === '1' || headers.accept === 'text/event-stream';
}

/** What an Authorization header of the scheme Bearer holds; another scheme (a proxy's own) is none of our business. */
function bearerToken(header: string | undefined): string | undefined {
  return /^bearer(?: (.*))?$/is.exec(header ?? '')?.map((text) => text ?? '')[1];
}

function tooManyRequests(whose: 'address' | 'API token', retryAfterSeconds: number): AppError {
  const message = `There were too many requests from your ${whose}; wait ${retryAfterSeconds} s.`;
  return new AppError('limited', 'TOO_MANY_REQUESTS', message, { retryAfterSeconds, params: { seconds: retryAfterSeconds } });
}

function tokenBesideCookie(): AppError {
  const message = 'The request has an API token and a login cookie; send one of them.';
  return new AppError('invalid', 'TOKEN_BESIDE_COOKIE', message, { field: 'headers.authorization' });
}

/** One answer for a token that is unknown, expired, revoked, or of a disabled account. */
function tokenRefused(): AppError {
  return new AppError('unauthenticated', 'TOKEN_REFUSED', 'This API token is not valid, or not any more. Make another one.');
}

function unauthenticated(): AppError {
  return new AppError(
    'unauthenticated',
    'NOT_LOGGED_IN',
    'You are not logged in, or your login session has ended. Log in again.',
  );
}

function csrfMismatch(): AppError {
  return new AppError(
    'invalid',
    'CSRF_MISMATCH',
    'The request does not come from a page of this login session. Reload the page.',
    {
      field: `headers.${CSRF_HEADER}`,
    },
  );
}

function stepMissing(principal: Principal): AppError {
  if (principal.state === 'set-up-factor')
    return new AppError(
      'unauthenticated',
      'SECOND_FACTOR_SET_UP_MISSING',
      'A second factor is to be set up before anything else works.',
    );
  return principal.state === 'second-factor'
    ? new AppError('unauthenticated', 'SECOND_FACTOR_MISSING', 'The second factor is still to be given.')
    : new AppError(
        'unauthenticated',
        'PASSWORD_CHANGE_MISSING',
        'The one-time password is to be changed before anything else works.',
      );
}
