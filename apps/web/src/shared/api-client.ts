import { z, type ZodType } from 'zod';
import { apiError, BACKGROUND_HEADER, CSRF_HEADER } from '@bascule/protocol/api/common.ts';
import { apiPaths } from './paths.ts';
import type { Presence } from './presence.ts';

/** A request that has no answer after this is given up; the server's own limits are shorter. */
export const REQUEST_TIMEOUT_MS = 20_000;

const LOGIN_LOST = new Set(['NOT_LOGGED_IN', 'SECOND_FACTOR_MISSING', 'PASSWORD_CHANGE_MISSING']);

/** For what takes long: a part of a file on a slow line, the verification of a large file, a look at a whole database. */
export const LONG_TIMEOUT_MS = 300_000;

/** For changes after which the lists are read again: whatever the answer holds, its status says that it was done. */
export const anyAnswer = z.unknown();

/** A request that failed. `code` is the server's permanent code, or one of `NETWORK` and `BAD_ANSWER`, made here. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly field: string | undefined;
  readonly params: Record<string, string | number>;
  readonly requestId: string | undefined;
  constructor(
    code: string,
    message: string,
    details: { status: number; field?: string; params?: Record<string, string | number>; requestId?: string },
  ) {
    super(message);
    this.code = code;
    this.status = details.status;
    this.field = details.field;
    this.params = details.params ?? {};
    this.requestId = details.requestId;
  }
}

/** Whether the appliance itself answered: not silence, and not what the front door says in the place of a program that is away. */
export function isAnswered({ status }: ApiError): boolean {
  return status > 0 && status < 502;
}

export type ApiPrefix = '/api' | '/appliance/api';
export type Query = Record<string, string | number | undefined>;
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** Talks to one interface's API: same origin, login cookie by the browser, CSRF header from `me`, answers checked by schema. */
export class ApiClient {
  readonly prefix: ApiPrefix;
  /** Called when an answer says that there is no (complete) login session any more. */
  onUnauthenticated: () => void = () => {};
  #csrf = '';
  readonly #presence: Presence;

  constructor(prefix: ApiPrefix, presence: Presence) {
    this.prefix = prefix;
    this.#presence = presence;
    presence.onUnknown = () => void this.get(apiPaths.me, anyAnswer).catch(() => {});
  }

  /** Takes the token that `me` or a login answered; every changing request repeats it. */
  setCsrf(token: string): void {
    this.#csrf = token;
  }

  /** The full address of `path`, for links and event streams. */
  url(path: string, query: Query = {}): string {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined && value !== '') search.set(key, String(value));
    const text = search.toString();
    return `${this.prefix}${path}${text === '' ? '' : `?${text}`}`;
  }

  /** Reads `path`; throws ApiError. `signal` aborts it. */
  get<T>(path: string, schema: ZodType<T>, query: Query = {}, signal?: AbortSignal): Promise<T> {
    return this.#request('GET', this.url(path, query), schema, undefined, signal);
  }

  /** Sends `body` and gives the checked answer; throws ApiError. Never repeated by itself. */
  post<T>(path: string, schema: ZodType<T>, body: unknown = {}, timeoutMs: number = REQUEST_TIMEOUT_MS): Promise<T> {
    return this.#request('POST', this.url(path), schema, body, undefined, timeoutMs);
  }

  put<T>(path: string, schema: ZodType<T>, body: unknown): Promise<T> {
    return this.#request('PUT', this.url(path), schema, body);
  }

  patch<T>(path: string, schema: ZodType<T>, body: unknown): Promise<T> {
    return this.#request('PATCH', this.url(path), schema, body);
  }

  delete<T>(path: string, schema: ZodType<T>): Promise<T> {
    return this.#request('DELETE', this.url(path), schema);
  }

  /** Reads `path` as plain text; throws ApiError. */
  async getText(path: string): Promise<string> {
    const response = await this.#send('GET', this.url(path), {}, { accept: 'text/plain, application/json' });
    if (!response.ok) throw this.#failure(response.status, await response.json().catch(() => undefined));
    return response.text();
  }

  /** Sends `body` and gives the file that is answered, with its name; throws ApiError. For what must not be asked by a link, such as with a password. */
  async postForFile(path: string, body: unknown): Promise<{ name: string; content: Blob }> {
    const headers = { accept: 'application/octet-stream, application/json', 'content-type': 'application/json' };
    const response = await this.#send('POST', this.url(path), { body: JSON.stringify(body) }, headers);
    if (!response.ok) throw this.#failure(response.status, await response.json().catch(() => undefined));
    const name = /filename="([\w.-]+)"/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'download';
    return { name, content: await response.blob() };
  }

  /** Sends raw bytes, such as a part of a file; throws ApiError. `signal` aborts it. */
  async putBytes<T>(path: string, schema: ZodType<T>, bytes: Blob, signal: AbortSignal): Promise<T> {
    const headers = { accept: 'application/json', 'content-type': 'application/octet-stream' };
    const response = await this.#send('PUT', this.url(path), { body: bytes, signal }, headers, LONG_TIMEOUT_MS);
    return this.#read(response, schema);
  }

  async #request<T>(
    method: Method,
    url: string,
    schema: ZodType<T>,
    body?: unknown,
    signal?: AbortSignal,
    timeoutMs: number = REQUEST_TIMEOUT_MS,
  ): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    return this.#read(await this.#send(method, url, { ...content, ...(signal && { signal }) }, headers, timeoutMs), schema);
  }

  async #send(
    method: Method,
    url: string,
    { body, signal }: { body?: BodyInit; signal?: AbortSignal },
    headers: Record<string, string>,
    timeoutMs: number = REQUEST_TIMEOUT_MS,
  ): Promise<Response> {
    if (method !== 'GET') headers[CSRF_HEADER] = this.#csrf;
    if (!this.#presence.isThere()) headers[BACKGROUND_HEADER] = '1';
    const timeout = AbortSignal.timeout(timeoutMs);
    return fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      ...(body === undefined ? {} : { body }),
    }).catch((cause: unknown) => {
      if (signal?.aborted === true) throw cause;
      throw new ApiError('NETWORK', 'The appliance does not answer.', { status: 0 });
    });
  }

  async #read<T>(response: Response, schema: ZodType<T>): Promise<T> {
    const content: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw this.#failure(response.status, content);
    const answer = schema.safeParse(content);
    if (!answer.success)
      throw new ApiError('BAD_ANSWER', `Unexpected answer: ${answer.error.message}`, { status: response.status });
    return answer.data;
  }

  #failure(status: number, content: unknown): ApiError {
    const known = apiError.safeParse(content);
    if (known.success) {
      const { code, message, ...details } = known.data.error;
      // A wrong password or code is a 401, too; only these say that the login session is gone or not finished.
      if (LOGIN_LOST.has(code)) this.onUnauthenticated();
      return new ApiError(code, message, { status, ...details });
    }
    // Base answers in the site's place while the site restarts.
    if (status === 502 || status === 503 || status === 504)
      return new ApiError('SITE_UNAVAILABLE', 'The site is restarting.', { status });
    return new ApiError('BAD_ANSWER', `Unexpected answer with status ${status}.`, { status });
  }
}
