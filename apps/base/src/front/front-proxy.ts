import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { requestHeaders, responseHeaders } from './front-headers.ts';
import type { Peer, SiteProgram, SiteRoute, SiteWait } from './front-site-wait.ts';

/** The connections that base keeps to site programs for one connection of a browser: one each, since the preamble names one peer (wire 2.1). */
export class BrowserConnection {
  readonly peer: Peer;
  /** The address of ours at which it arrived. */
  readonly localAddress: string;
  /** When its TLS handshake had ended, on `performance.now()`. */
  readonly sinceMs = performance.now();
  readonly #agents = new Map<SiteProgram, http.Agent>();

  constructor(peer: Peer, localAddress: string) {
    this.peer = peer;
    this.localAddress = localAddress;
  }

  agentFor(program: SiteProgram): http.Agent {
    let agent = this.#agents.get(program);
    if (agent === undefined) {
      agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      agent.createConnection = () => connectWithPreamble(program.socketPath, this.peer);
      this.#agents.set(program, agent);
    }
    return agent;
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}

export type AnswerUnavailable = (request: IncomingMessage, response: ServerResponse) => void;

/** Methods that may be sent twice when an answer was lost (RFC 9110, 9.2.2; those with a body are left out, it is gone by then). */
const REPEATABLE_METHODS = new Set(['GET', 'HEAD']);

/** Carries one request to a site program and its answer back; both bodies flow as they come, event streams too. */
export class SiteProxy {
  readonly #wait: SiteWait;
  readonly #answerUnavailable: AnswerUnavailable;

  constructor(wait: SiteWait, answerUnavailable: AnswerUnavailable) {
    this.#wait = wait;
    this.#answerUnavailable = answerUnavailable;
  }

  async carry(
    request: IncomingMessage,
    response: ServerResponse,
    connection: BrowserConnection,
    route: SiteRoute,
  ): Promise<void> {
    const sinceMs = performance.now();
    for (;;) {
      const program = await this.#wait.until(route, sinceMs);
      if (response.destroyed) return;
      if (program === undefined) return this.#answerUnavailable(request, response);
      const outcome = await forward(request, response, connection.agentFor(program), program);
      if (outcome === 'done') return;
      if (outcome === 'lost') return this.#answerUnavailable(request, response);
      // The program died and its parent has not heard of it yet: a moment later it is no longer ready, and the wait begins.
      if (this.#wait.leftMs(route, sinceMs) <= 0) return this.#answerUnavailable(request, response);
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  }
}
const RETRY_PAUSE_MS = 20;

/** `again`: nothing of the request has been acted on. `lost`: it may have been, and there is no answer. */
type Outcome = 'done' | 'again' | 'lost';

function forward(request: IncomingMessage, response: ServerResponse, agent: http.Agent, program: SiteProgram): Promise<Outcome> {
  return new Promise((resolve) => {
    const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    const headers = requestHeaders(request.rawHeaders);
    if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
    let outgoing: http.ClientRequest;
    try {
      outgoing = http.request({ agent, method: request.method, path: request.url, headers, socketPath: program.socketPath });
    } catch {
      // A path that the parser let in and the writer does not let out (control characters, RFC 9110, 4.2).
      response.writeHead(400, { connection: 'close' }).end();
      return resolve('done');
    }
    const answered = program.requestSent?.();
    outgoing.once('close', () => answered?.());
    let connected = false;
    const abandon = (): void => void outgoing.destroy();
    response.once('close', abandon);
    outgoing.once('socket', (socket) => {
      const begin = (): void => {
        connected = true;
        if (hasBody) request.pipe(outgoing);
        else outgoing.end();
      };
      if (socket.connecting) socket.once('connect', begin);
      else begin();
    });
    outgoing.on('error', () => {
      response.off('close', abandon);
      if (response.destroyed) resolve('done');
      else if (response.headersSent) {
        response.destroy();
        resolve('done');
      } else resolve(!connected || (!hasBody && REPEATABLE_METHODS.has(request.method ?? '')) ? 'again' : 'lost');
    });
    outgoing.once('response', (answer) => {
      answered?.();
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer.rawHeaders));
      // An event stream may be silent for long: its headers must not wait for its first byte.
      response.flushHeaders();
      pipeline(answer, response, (error) => {
        response.off('close', abandon);
        if (error) outgoing.destroy();
        resolve('done');
      });
    });
  });
}
