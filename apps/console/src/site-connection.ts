import { randomBytes } from 'node:crypto';
import { request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { apiError, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { consoleAbout, vouched } from '@bascule/protocol/api/console.ts';
import { FRAME_MAX_BYTES } from '@bascule/wire/frames.ts';
import type { WebSocketLike } from '@bascule/wire/viewer-client.ts';
import type { ConsoleHome } from './console-home.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { giveUpWhenSilent } from './live-stream.ts';
import { NotConnected, SiteAgent } from './site-agent.ts';
import { SitePlaces, type SitePlace } from './site-places.ts';
import { firstAuthority, judge, vouchedBy, type ShownCertificate } from './site-trust.ts';

/** An answer has begun within this. */
const ANSWER_LIMIT_MS = 30_000;
/** No answer of the interface is longer: a list of ten thousand Jump Items is about 3 MB. */
const ANSWER_LIMIT_BYTES = 64 * 1024 * 1024;
const VOUCH_ANSWER_LIMIT_BYTES = 256 * 1024;
const NONCE_BYTES = 32;
/** What a backup may answer to what only the site itself does: no such route, no such login, no changes here, or nobody is ready. */
const BACKUP_STATUS: ReadonlySet<number> = new Set([401, 403, 404, 409, 503]);

/** An answer of the site that is no success. */
export class SiteRefusal extends Error {
  readonly status: number;
  readonly code: string;
  readonly params: Record<string, string | number>;

  constructor(status: number, error: z.infer<typeof apiError>['error']) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.params = error.params ?? {};
  }
}

export interface SiteConnectionOptions {
  site: URL;
  home: ConsoleHome;
  /** Asked once for a certificate that is not trusted by itself: whether the person confirms it. Absent: it is refused. */
  confirm?(shown: ShownCertificate, isChanged: boolean): Promise<boolean>;
}

/** The site's interface as this user's console sees it: trust, cookie and CSRF token are seen to here. */
export class SiteConnection {
  readonly origin: string;
  readonly #site: URL;
  readonly #home: ConsoleHome;
  readonly #confirm: SiteConnectionOptions['confirm'];
  readonly #agent: SiteAgent;
  readonly #places: SitePlaces;
  #admitting: Promise<void> | undefined;
  #cookie: string | undefined;
  #csrf: string | undefined;

  constructor({ site, home, confirm }: SiteConnectionOptions) {
    this.origin = site.origin;
    this.#site = site;
    this.#home = home;
    this.#confirm = confirm;
    this.#places = new SitePlaces(site, () => home.known(site.origin).addresses ?? []);
    this.#agent = new SiteAgent(site, this.#places, (shown) => this.#admitInTurn(shown));
    this.useLogin(home.login(site.origin));
  }

  /** From now on requests are made with this login, or none. */
  useLogin(login: { cookie: string; csrf: string } | undefined): void {
    this.#cookie = login?.cookie;
    this.#csrf = login?.csrf;
  }

  /** HOST:PORT, when it is not the site's own name that this console is connected to. */
  get place(): string | undefined {
    return this.#places.text;
  }

  get isLoggedIn(): boolean {
    return this.#cookie !== undefined;
  }

  /** The login cookie that the last answers set. */
  get cookie(): string | undefined {
    return this.#cookie;
  }

  /** Sends a request below `/api/` and checks its answer. Throws SiteRefusal, or ConsoleError when the site cannot be reached or trusted. */
  async call<S extends z.ZodType>(method: string, path: string, schema: S, body?: unknown): Promise<z.infer<S>> {
    if (!this.#places.areSeveral) return await this.#callHere(method, path, schema, body);
    let first: unknown;
    for (const place of this.#places.round()) {
      this.#goTo(place);
      try {
        return await this.#callHere(method, path, schema, body);
      } catch (error) {
        if (!(await this.#isElsewhere(error, method))) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  #goTo(place: SitePlace): void {
    // What is open leads where the site is not.
    if (this.#places.goTo(place)) this.#agent.destroy();
  }

  /** Whether the request may be made at another place: nobody took it here, or a backup that does nothing did. */
  async #isElsewhere(error: unknown, method: string): Promise<boolean> {
    if (error instanceof SiteRefusal) return BACKUP_STATUS.has(error.status) && !(await this.#isSiteHere());
    if (!(error instanceof ConsoleError)) return false;
    if (error.exitCode === ExitCode.certificate) return !this.#places.isOwnName;
    return error.exitCode === ExitCode.unavailable && (method === 'GET' || error.cause instanceof NotConnected);
  }

  /** A backup answers at the same port; only where the site itself is there is something about consoles. */
  async #isSiteHere(): Promise<boolean> {
    try {
      await this.#callHere('GET', 'console/about', consoleAbout);
      return true;
    } catch {
      return false;
    }
  }

  async #callHere<S extends z.ZodType>(method: string, path: string, schema: S, body?: unknown): Promise<z.infer<S>> {
    const response = await this.#send(this.#agent, method, path, body);
    const text = await this.#readText(response, ANSWER_LIMIT_BYTES);
    const cookie = response.headers['set-cookie']?.[0]?.split(';')[0];
    if (cookie !== undefined) this.#cookie = cookie.endsWith('=') ? undefined : cookie;
    return checkedAnswer(response.statusCode ?? 0, text, schema);
  }

  /** The bytes of `path` below `/api/`; the caller limits them. Throws as `call`. */
  async bytes(path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const response = await this.#send(this.#agent, 'GET', path, undefined, signal);
    if (response.statusCode === 200) return response;
    const text = await this.#readText(response, VOUCH_ANSWER_LIMIT_BYTES);
    return checkedAnswer(response.statusCode ?? 0, text, z.never());
  }

  /** Opens a viewer link (wire 4); errors come as its closing. */
  openStream(): WebSocketLike {
    const url = new URL('/stream', this.#site);
    url.protocol = 'wss:';
    const socket = new WebSocket(url, {
      agent: this.#agent,
      origin: this.origin,
      perMessageDeflate: false,
      maxPayload: FRAME_MAX_BYTES,
      handshakeTimeout: ANSWER_LIMIT_MS,
      followRedirects: false,
    });
    if (this.#places.areSeveral) giveUpWhenSilent(socket);
    return socket as unknown as WebSocketLike;
  }

  /** What the site says of consoles, for one that says `query` of itself; what it says of certificates is remembered. Throws as `call`. */
  async about(query: Record<string, string>): Promise<z.infer<typeof consoleAbout>> {
    const about = await this.call('GET', `console/about?${new URLSearchParams(query)}`, consoleAbout);
    const { tls, addresses } = about;
    const known = this.#home.known(this.origin);
    if (known.tls !== tls || !isDeepStrictEqual(known.addresses, addresses)) this.#home.remember(this.origin, { tls, addresses });
    return about;
  }

  /** Learns the site identity over a connection that is trusted, so that it may vouch for another certificate later. */
  async learnAuthority(): Promise<void> {
    const nonce = randomBytes(NONCE_BYTES).toString('hex');
    const answer = await this.call('POST', 'console/vouch', vouched, { nonce });
    const authority = firstAuthority(answer, nonce);
    if (authority !== undefined) this.#home.remember(this.origin, { authority });
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(
    agent: SiteAgent,
    method: string,
    path: string,
    body: unknown,
    signal = AbortSignal.timeout(ANSWER_LIMIT_MS),
  ): Promise<IncomingMessage> {
    const isOurs = agent === this.#agent;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const call = request(
      new URL(`/api/${path}`, this.#site),
      {
        method,
        agent,
        signal,
        headers: {
          ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...(isOurs && this.#cookie !== undefined && { cookie: this.#cookie }),
          ...(isOurs && this.#csrf !== undefined && method !== 'GET' && { [CSRF_HEADER]: this.#csrf }),
        },
      },
      resolve,
    );
    call.on('error', reject);
    call.end(text);
    return promise.catch((error: unknown) => {
      throw this.#unreachable(error);
    });
  }

  async #readText(response: IncomingMessage, limitBytes: number): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > limitBytes) throw new Error(`the answer is longer than ${limitBytes} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      response.destroy();
      throw this.#unreachable(error);
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #unreachable(error: unknown): ConsoleError {
    if (error instanceof ConsoleError) return error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOTFOUND' ? 'there is no such name' : code === 'ABORT_ERR' ? 'no answer in time' : message || code;
    return new ConsoleError(
      ExitCode.unavailable,
      `${this.origin} cannot be reached (${why}). Check the address and the network, then try again.`,
      { cause: error },
    );
  }

  /** One certificate after the other: several connections that open at once ask a person once. */
  async #admitInTurn(shown: ShownCertificate): Promise<void> {
    await this.#admitting?.catch(() => undefined);
    this.#admitting = this.#admitCertificate(shown);
    await this.#admitting;
  }

  async #admitCertificate(shown: ShownCertificate): Promise<void> {
    const known = this.#home.known(this.origin);
    const verdict = judge(shown, known);
    if (verdict === 'verified') {
      if (known.keySha256 !== null) this.#home.remember(this.origin, { keySha256: null });
      return;
    }
    if (verdict === 'pinned') return;
    if (verdict === 'changed' && known.tls === 'site-identity' && (await this.#isVouchedFor(shown, known.authority))) return;
    if (!(await this.#confirm?.(shown, verdict === 'changed'))) throw this.#notTrusted(shown, verdict === 'changed');
    this.#home.remember(this.origin, { keySha256: shown.keySha256 });
  }

  /** Asks the site, over a connection that proves nothing and carries nothing secret, whether the key is its own. */
  async #isVouchedFor(shown: ShownCertificate, authority: string | null): Promise<boolean> {
    if (authority === null) return false;
    const nonce = randomBytes(NONCE_BYTES).toString('hex');
    const agent = new SiteAgent(this.#site, this.#places, (again) =>
      again.keySha256 === shown.keySha256 ? Promise.resolve() : Promise.reject(this.#notTrusted(again, true)),
    );
    try {
      const response = await this.#send(agent, 'POST', 'console/vouch', { nonce });
      const text = await this.#readText(response, VOUCH_ANSWER_LIMIT_BYTES);
      const answer = checkedAnswer(response.statusCode ?? 0, text, vouched);
      const signer = vouchedBy(authority, answer, { nonce, keySha256: shown.keySha256 });
      if (signer === undefined) return false;
      this.#home.remember(this.origin, { keySha256: shown.keySha256, authority: signer });
      return true;
    } catch (error) {
      if (error instanceof SiteRefusal) return false;
      throw error;
    } finally {
      agent.destroy();
    }
  }

  #notTrusted(shown: ShownCertificate, isChanged: boolean): ConsoleError {
    const what = isChanged
      ? `The certificate of ${this.origin} is another one than the one you confirmed: either an administrator changed it, or somebody stands between you and the site.`
      : `The certificate of ${this.origin} is not known here (${shown.problem ?? 'unknown'}).`;
    return new ConsoleError(
      ExitCode.certificate,
      `${what}
Its SHA-256 fingerprint is ${shown.sha256}
Compare it with what an administrator reads under /appliance > Status > Basics, on another way than this network. If it is the same, confirm it with
  bascule login ${this.origin} --fingerprint ${shown.sha256}`,
    );
  }
}

function checkedAnswer<S extends z.ZodType>(status: number, text: string, schema: S): z.infer<S> {
  const json = parsed(text);
  if (status >= 200 && status < 300) {
    const answer = schema.safeParse(json);
    if (answer.success) return answer.data;
    throw new ConsoleError(
      ExitCode.unavailable,
      'The site answered something that this console does not understand: upgrade it.',
    );
  }
  const failure = apiError.safeParse(json);
  if (failure.success) throw new SiteRefusal(status, failure.data.error);
  throw new ConsoleError(
    ExitCode.unavailable,
    `What answers there (status ${status}) is not a Bascule site, or it is just restarting: check the address, and try again.`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
