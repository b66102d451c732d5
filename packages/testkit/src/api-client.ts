/** A client of the HTTP interface, as a browser would be one: cookie, CSRF token, the certificate pinned at first sight. */
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { z } from 'zod';
import {
  activeAccessSessions,
  accessSessionDetail,
  attachTicket,
  openedAccessSession,
} from '@bascule/protocol/api/access-sessions.ts';
import { loginAnswer } from '@bascule/protocol/api/auth.ts';
import { apiError, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import type { MachineDoor } from './machine-door.ts';
import { waitUntil } from './wait-until.ts';

const ANSWER_LIMIT_MS = 30_000;

/** An answer other than 2xx. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(`${status} ${code}: ${message}`);
    this.status = status;
    this.code = code;
  }
}

/** The very certificate is pinned, whatever the name. */
const anyName = (): undefined => undefined;

export interface ApiAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

export class ApiClient {
  readonly url: URL;
  readonly prefix: '/api' | '/appliance/api';
  readonly agent: Agent;
  cookie = '';
  csrf = '';

  readonly #door: MachineDoor | undefined;

  private constructor(url: string, prefix: '/api' | '/appliance/api', certificate: string, door: MachineDoor | undefined) {
    this.url = new URL(url);
    this.prefix = prefix;
    this.#door = door;
    this.agent =
      door === undefined
        ? new Agent({ ca: certificate, checkServerIdentity: anyName, keepAlive: false })
        : door.agent(certificate);
  }

  /** Connects once, from the machine of `door` where one is given, and pins the certificate that is shown. */
  static async pin(url: string, prefix: '/api' | '/appliance/api' = '/api', door?: MachineDoor): Promise<ApiClient> {
    const { hostname, port } = new URL(url);
    const place = { host: isIP(hostname) === 0 ? '127.0.0.1' : hostname, port: Number(port) };
    const socket = connect({
      ...(door === undefined ? place : { socket: door.dial(place) }),
      ...(isIP(hostname) === 0 && { servername: hostname }),
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    await once(socket, 'secureConnect');
    const certificate = socket.getPeerX509Certificate();
    socket.destroy();
    if (certificate === undefined) throw new Error('the appliance showed no certificate');
    return new ApiClient(url, prefix, certificate.toString(), door);
  }

  /** Another client with the same pin and no login. */
  fresh(): ApiClient {
    return new ApiClient(this.url.href, this.prefix, String(this.agent.options.ca), this.#door);
  }

  /** Sends a request, with bytes or what becomes JSON, and answers whatever comes. */
  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<ApiAnswer> {
    const isBytes = body instanceof Uint8Array;
    const content = body === undefined || isBytes ? body : JSON.stringify(body);
    const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
    const call = request(
      new URL(`${this.prefix}/${path}`, this.url),
      {
        method,
        agent: this.agent,
        timeout: ANSWER_LIMIT_MS,
        lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
        headers: {
          origin: this.url.origin,
          ...(this.cookie !== '' && { cookie: this.cookie }),
          ...(method !== 'GET' && this.csrf !== '' && { [CSRF_HEADER]: this.csrf }),
          ...(content !== undefined && { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          this.#keepCookies(response.headers['set-cookie'] ?? []);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      },
    );
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error(`no answer to ${method} ${path} within ${ANSWER_LIMIT_MS} ms`)));
    call.end(content);
    return promise;
  }

  /** Sends a request and checks the answer against its schema; throws ApiFailure for anything but 2xx. */
  async call<S extends z.ZodType>(method: string, path: string, schema: S, body?: unknown): Promise<z.infer<S>> {
    const answer = await this.send(method, path, body);
    const json: unknown = answer.body.length === 0 ? undefined : JSON.parse(answer.body.toString('utf8'));
    if (answer.status >= 200 && answer.status < 300) return schema.parse(json);
    const { code, message } = apiError.parse(json).error;
    throw new ApiFailure(answer.status, code, message);
  }

  /** Logs in and takes cookie and CSRF token; answers what is still to be done. */
  async logIn(name: string, password: string): Promise<string> {
    this.cookie = '';
    const answer = await this.call('POST', 'auth/login', loginAnswer, { name, password });
    this.csrf = answer.csrf;
    return answer.state;
  }

  /** What a new administrator does first: logs in with the one-time password and sets one of their own. */
  async takeOver(oneTimePassword: string, password: string, name = 'admin'): Promise<void> {
    const state = await this.logIn(name, oneTimePassword);
    if (state !== 'change-password') throw new Error(`expected to have to change the password, but: ${state}`);
    await this.call('POST', 'auth/password', z.unknown(), { next: password });
    const again = await this.logIn(name, password);
    if (again !== 'ok') throw new Error(`expected to be logged in, but: ${again}`);
  }

  /** Waits until a Jump Item of this name is online, and answers its id. */
  async onlineItem(name: string): Promise<string> {
    return waitUntil(`Jump Item ${name} is online`, async () => {
      const { items } = await this.call('GET', 'jump/items', jumpItems);
      return items.find((item) => item.name === name && item.online)?.id;
    });
  }

  async openSession(jumpItemId: string, size = { cols: 80, rows: 24 }): Promise<string> {
    return (await this.call('POST', 'access-sessions', openedAccessSession, { jumpItemId, size })).session;
  }

  async attachTicket(session: string): Promise<string> {
    return (await this.call('POST', `access-sessions/${session}/attach`, attachTicket, {})).ticket;
  }

  async activeSessions() {
    return (await this.call('GET', 'access-sessions/active', activeAccessSessions)).sessions;
  }

  async sessionDetail(session: string) {
    return this.call('GET', `reports/access-sessions/${session}`, accessSessionDetail);
  }

  /** Waits until the session has ended, and answers its row and the facts of its recording. */
  async endedSession(session: string) {
    return waitUntil(`access session ${session} has ended`, async () => {
      const detail = await this.sessionDetail(session);
      return detail.session.state === 'ended' && detail;
    });
  }

  #keepCookies(lines: string[]): void {
    for (const line of lines) {
      const pair = line.split(';')[0] ?? '';
      this.cookie = pair.endsWith('=') ? '' : pair;
    }
  }
}
