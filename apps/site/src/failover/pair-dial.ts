import { open } from 'node:fs/promises';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import { PAIR_ENTRY_MAX_BYTES, PAIR_MESSAGE_MAX_BYTES } from '@bascule/protocol/pair-link.ts';
import { isPinnedKey, provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { dialWebSocket, type LinkSocket } from '@bascule/wire/web-socket.ts';
import { connectPair, PAIR_SERVER_NAME, sayWhy } from './pair-dial-connection.ts';
import { FOLLOW_PATH } from './pair-door.ts';
import type { PairKey } from './pair-key.ts';
import { watchSilence } from './pair-silence.ts';

/** Connections kept for requests: the state is asked every two seconds, also while something long is fetched. */
const CONNECTIONS_MAX = 8;
/** A download of which no byte comes for so long is given up; the next try goes on from there. */
const DOWNLOAD_STALL_LIMIT_MS = 15_000;
const REQUEST_DEFAULT_LIMIT_MS = 10_000;
/** From the end of the handshake to the answer: whoever waits for it is a person with a page. */
const TUNNEL_OPEN_LIMIT_MS = 10_000;

export interface PairDialOptions {
  key: PairKey;
  /** SHA-256 of the peer's key; nothing is said to anyone else. */
  pinned(): string | undefined;
  /** How the peer is reached. */
  endpoint(): Endpoint | undefined;
  log: Log;
  /** Shorter for tests. */
  silenceMs?: number;
}

export interface PairAnswer {
  status: number;
  /** What the JSON says; undefined when there was no body. */
  body: unknown;
}

export interface Downloaded {
  status: number;
  headers: IncomingHttpHeaders;
  /** The size of the file now. */
  bytes: number;
  /** Of the whole, as the other side says; null when it does not. */
  totalBytes: number | null;
}

/** This side's calls to the peer (docs/spec/pair.md, 1): TLS 1.3, and not one byte is sent before the other side's key is compared with the pinned one. */
export class PairDial {
  readonly #options: PairDialOptions;
  #agent: { name: string; agent: Agent } | undefined;
  #isClosed = false;

  constructor(options: PairDialOptions) {
    this.#options = options;
  }

  /**
   * One request with JSON both ways. Throws `PAIR_UNREACHABLE`, `PAIR_KEY_DIFFERS`, `PAIR_NOT_ESTABLISHED`, and `PAIR_ANSWER_INVALID` when what comes back is no JSON or
   * too large. Any status is given back.
   */
  async request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    body?: unknown,
    { timeoutMs = REQUEST_DEFAULT_LIMIT_MS }: { timeoutMs?: number } = {},
  ): Promise<PairAnswer> {
    const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await this.#send({ method, path, signal }, text);
    return { status: response.statusCode ?? 0, body: await readJson(response, PAIR_MESSAGE_MAX_BYTES) };
  }

  /**
   * Fetches `path` into `file`, which already holds the first `from` bytes; goes on behind them. `onBytes` is told of each piece, and the next is read when its
   * promise resolves (a limit of bandwidth). On disk when it resolves with status 200 or 206; with any other status the file is as it was. Throws as
   * `request`, `PAIR_ANSWER_INVALID` when the file would be larger than `maxBytes`, and `STORE_DISK_FULL`; what came until then is in the file.
   */
  async download(
    path: string,
    file: string,
    from: number,
    onBytes: (bytes: number) => void | Promise<void>,
    signal: AbortSignal,
    maxBytes = Infinity,
  ): Promise<Downloaded> {
    const headers = from > 0 ? { range: `bytes=${from}-` } : {};
    const response = await this.#send({ method: 'GET', path, headers, signal }, undefined);
    const status = response.statusCode ?? 0;
    if (status !== 206 && status !== 200) {
      response.destroy();
      return { status, headers: response.headers, bytes: from, totalBytes: null };
    }
    const startsAt = status === 206 ? rangeStart(response.headers['content-range']) : 0;
    if (startsAt !== from && status === 206) {
      response.destroy();
      throw invalidAnswer('it begins at another byte than was asked for');
    }
    const bytes = await store(response, file, { startsAt, maxBytes }, onBytes, signal);
    return { status, headers: response.headers, bytes, totalBytes: wholeSize(response, startsAt) };
  }

  /** Opens `/follow`; open when it resolves. The link is dropped when it falls silent. Throws as `request`. */
  async follow(): Promise<LinkSocket> {
    const socket = await this.#connect();
    const link = dialWebSocket({
      url: `wss://${PAIR_SERVER_NAME}${FOLLOW_PATH}`,
      maxMessageBytes: PAIR_ENTRY_MAX_BYTES,
      createConnection: () => socket,
      unmasked: true,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        link.once('open', resolve);
        link.once('error', reject);
        link.once('close', () => reject(new Error('the connection closed')));
      });
    } catch (error) {
      link.terminate();
      throw unreachable(error);
    }
    // Whoever has the link hears `close`; an error says no more.
    link.on('error', (error) => this.#options.log.debug({ err: error.message }, 'pair-follow-error'));
    watchSilence(link, socket, this.#options.silenceMs);
    return link;
  }

  /**
   * Opens `path` as a tunnel of `protocol`, on a connection of its own: the bytes of both ends when it resolves. Throws as `request`, and `PAIR_TUNNEL_REFUSED`
   * (`params.status`) when the peer answers anything but 101.
   */
  async tunnel(path: string, protocol: string): Promise<Duplex> {
    const socket = await this.#connect();
    return await new Promise<Duplex>((resolve, reject) => {
      const fail = (error: Error) => {
        clearTimeout(limit);
        socket.destroy();
        reject(unreachable(error));
      };
      const limit = setTimeout(() => fail(new Error('ETIMEDOUT')), TUNNEL_OPEN_LIMIT_MS);
      const headers = { host: PAIR_SERVER_NAME, connection: 'Upgrade', upgrade: protocol };
      const request = httpRequest({ createConnection: () => socket, path, headers });
      request.once('upgrade', (response, _socket, head) => {
        clearTimeout(limit);
        if (response.headers.upgrade !== protocol) return fail(refused(response.statusCode));
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      request.once('response', ({ statusCode }) => fail(refused(statusCode)));
      request.on('error', fail);
      request.end();
    });
  }

  /** Cuts what stands; the next call dials anew. Used when the peer or its address is another, and at the end. */
  close(): void {
    this.#isClosed = true;
    this.#agent?.agent.destroy();
  }

  #send(
    options: Omit<RequestOptions, 'headers'> & { headers?: OutgoingHttpHeaders },
    body: Buffer | undefined,
  ): Promise<IncomingMessage> {
    const agent = this.#currentAgent();
    const headers = {
      ...options.headers,
      ...(body !== undefined && { 'content-type': 'application/json', 'content-length': body.length }),
    };
    return new Promise((resolve, reject) => {
      const request = httpsRequest({ host: PAIR_SERVER_NAME, ...options, headers, agent });
      request.once('response', resolve);
      request.on('error', (error) => reject(error instanceof AppError ? error : unreachable(error)));
      request.end(body);
    });
  }

  /** Of the present peer at its present address: connections to another one are cut. */
  #currentAgent(): Agent {
    const endpoint = this.#options.endpoint();
    const name = `${endpoint?.host}|${endpoint?.port}|${this.#options.pinned()}`;
    if (this.#agent?.name === name) return this.#agent.agent;
    this.#agent?.agent.destroy();
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS_MAX, maxCachedSessions: 0 });
    agent.createConnection = (_options, done) => {
      void this.#give(done);
      return undefined;
    };
    this.#agent = { name, agent };
    return agent;
  }

  async #give(done?: (error: Error | null, socket: TLSSocket) => void): Promise<void> {
    let socket: TLSSocket;
    try {
      socket = await this.#connect();
    } catch (error) {
      return done?.(error as Error, undefined as never);
    }
    done?.(null, socket);
  }

  /** A connection to the peer, and to nobody else. */
  async #connect(): Promise<TLSSocket> {
    const endpoint = this.#options.endpoint();
    if (endpoint === undefined || this.#options.pinned() === undefined || this.#isClosed)
      throw new AppError('conflict', 'PAIR_NOT_ESTABLISHED', 'There is no failover relationship: establish one first.');
    const socket = await connectPair({ key: this.#options.key, endpoint });
    if (isPinnedKey(provenKeySha256(socket), this.#options.pinned())) return socket;
    socket.destroy();
    throw new AppError(
      'unavailable',
      'PAIR_KEY_DIFFERS',
      `Another appliance than the peer answers at ${endpoint.host}, port ${endpoint.port}: check the address; if the peer was set up anew, establish the relationship again.`,
      { params: { host: endpoint.host, port: endpoint.port } },
    );
  }
}

async function readJson(response: IncomingMessage, maxBytes: number): Promise<unknown> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes) throw invalidAnswer('it is too large');
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof AppError ? error : unreachable(error);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
  } catch {
    throw invalidAnswer('it is not JSON');
  }
}

async function store(
  response: IncomingMessage,
  file: string,
  { startsAt, maxBytes }: { startsAt: number; maxBytes: number },
  onBytes: (bytes: number) => void | Promise<void>,
  signal: AbortSignal,
): Promise<number> {
  const handle = await open(file, startsAt === 0 ? 'w' : 'r+', 0o600);
  let at = startsAt;
  // Once all of it has come the response has no socket any more.
  const { socket } = response;
  const stalled = () => response.destroy(new Error('nothing more came'));
  socket?.setTimeout(DOWNLOAD_STALL_LIMIT_MS, stalled);
  try {
    if (startsAt > 0) await handle.truncate(startsAt);
    for await (const piece of response as AsyncIterable<Buffer>) {
      if (at + piece.length > maxBytes) throw invalidAnswer('it is larger than was said');
      await handle.write(piece, 0, piece.length, at);
      at += piece.length;
      await onBytes(piece.length);
      signal.throwIfAborted();
    }
    await handle.sync();
    return at;
  } catch (error) {
    response.destroy();
    if (isDiskFull(error)) throw diskFull(file, error);
    throw error instanceof AppError ? error : unreachable(error);
  } finally {
    socket?.setTimeout(0);
    socket?.off('timeout', stalled);
    await handle.close();
  }
}

/** `bytes 5-99/100` */
function rangeStart(header: string | undefined): number {
  const [, from] = /^bytes (\d+)-/.exec(header ?? '') ?? [];
  if (from === undefined) throw invalidAnswer('it does not say which part it is');
  return Number(from);
}

function wholeSize(response: IncomingMessage, startsAt: number): number | null {
  const [, total] = /\/(\d+)$/.exec(response.headers['content-range'] ?? '') ?? [];
  if (total !== undefined) return Number(total);
  const length = response.headers['content-length'];
  return length === undefined ? null : startsAt + Number(length);
}

function unreachable(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('unavailable', 'PAIR_UNREACHABLE', `The peer cannot be reached: ${sayWhy(error)}.`, { cause: error });
}

function refused(status = 0): AppError {
  return new AppError('unavailable', 'PAIR_TUNNEL_REFUSED', `The peer opens no tunnel (status ${status}).`, {
    params: { status },
  });
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

function diskFull(file: string, cause: unknown): AppError {
  return new AppError(
    'unavailable',
    'STORE_DISK_FULL',
    `The disk that holds ${file} is full: free some space, and copying goes on by itself.`,
    { cause },
  );
}

function invalidAnswer(what: string): AppError {
  return new AppError('unavailable', 'PAIR_ANSWER_INVALID', `What the peer answered cannot be used: ${what}.`);
}
