/**
 * Carries what a person in a test of the standby asks to the scratch copy on the backup (pair.md, 9): plain HTTP/1.1 in tunnels of the pair link, each begun with the
 * person's address. Whatever goes through is parsed and written anew at this end, so that nothing rides along in it.
 */
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Peer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { RehearsalTunnelQuery } from '@bascule/protocol/rehearsal.ts';
import { preambleOf } from '@bascule/wire/preamble.ts';
import { carriedAnswerHeaders, carriedRequestHeaders } from './rehearsal-door-headers.ts';
import { answerTestAway } from './rehearsal-door-page.ts';
import { Turns } from './rehearsal-door-turns.ts';
import { CARRIED_PER_VISIT_MAX, type Visit } from './rehearsal-guide-people.ts';

/** A request's body; what people send in a test is forms. */
export const CARRIED_BODY_MAX_BYTES = 1024 * 1024;
/** Neither end says anything for so long: a heartbeat of an event stream is due three times within it. */
export const CARRIED_SILENCE_LIMIT_MS = 80_000;
/** Requests of one visit from one address under way; a browser makes six. */
const REQUESTS_MAX = 24;
/** Addresses of one visit, of both ends, whose tunnels are used again; of more, the oldest is forgotten. */
const ADDRESSES_MAX = 16;
/** Tunnels that are opened at one time: the peer lets so many handshakes of one address begin, and its own questions come from here, too. Whoever waits does so for less than a second. */
const OPENINGS_MAX = 8;
const OPENINGS_WAITING_MAX = 400;
/** A tunnel that nobody uses is kept so long for the next request. */
const TUNNEL_KEPT_MS = 20_000;
/** What may be asked twice when an answer was lost (RFC 9110, 9.2.2). */
const REPEATABLE_METHODS = new Set(['GET', 'HEAD']);
const OF_RELAY = /^\/stream(?:[/?]|$)/;

export type TunnelEnd = RehearsalTunnelQuery['to'];

export interface CarrierOptions {
  /** A new tunnel to a program of the scratch copy. */
  tunnel(to: TunnelEnd): Promise<Duplex>;
  log: Log;
  /** Shorter for tests. */
  silenceMs?: number;
}

export class RehearsalCarrier {
  readonly #options: CarrierOptions;
  readonly #opening = new Turns({ max: OPENINGS_MAX, waitingMax: OPENINGS_WAITING_MAX });
  /** Of each visit, by address and end: the preamble names one address. */
  readonly #agents = new WeakMap<Visit, Map<string, Agent>>();

  constructor(options: CarrierOptions) {
    this.#options = options;
  }

  /** Answers `request` with what the scratch copy answers; a page that says so when it does not. */
  carry(request: IncomingMessage, response: ServerResponse, peer: Peer, visit: Visit): void {
    response.on('error', () => response.destroy());
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > CARRIED_BODY_MAX_BYTES) return answerTestAway(request, response, 'too-large');
    this.#send(request, response, peer, visit, true);
  }

  #send(request: IncomingMessage, response: ServerResponse, peer: Peer, visit: Visit, mayRepeat: boolean): void {
    const to = OF_RELAY.test(request.url ?? '') ? 'relay' : 'main';
    let outgoing: ClientRequest;
    try {
      outgoing = httpRequest({
        agent: this.#agentOf(visit, peer, to),
        method: request.method,
        path: request.url,
        headers: carriedRequestHeaders(request.rawHeaders, request.headers.cookie, visit).concat(framing(request)),
        timeout: this.#silenceMs,
      });
    } catch {
      // A path or a header that the parser let in and the writer does not let out.
      return answerTestAway(request, response, 'malformed');
    }
    const abandon = () => outgoing.destroy();
    // Also while it waits for a tunnel.
    const limit = setTimeout(() => outgoing.destroy(new Error('no answer came')), this.#silenceMs);
    response.once('close', abandon);
    outgoing.on('timeout', () => outgoing.destroy(new Error('nothing came')));
    outgoing.once('close', () => {
      clearTimeout(limit);
      response.off('close', abandon);
    });
    outgoing.on('error', (error) => {
      clearTimeout(limit);
      // A tunnel that was kept, and closed at its other end just now: nothing has been acted on there.
      const isStale = outgoing.reusedSocket && !hasBody(request) && REPEATABLE_METHODS.has(request.method ?? '');
      response.off('close', abandon);
      if (isStale && mayRepeat && !response.headersSent && !response.destroyed && !visit.isOver)
        this.#send(request, response, peer, visit, false);
      else this.#fail(error, request, response);
    });
    outgoing.once('response', (answer) => {
      clearTimeout(limit);
      giveAnswer(answer, response, outgoing, visit, () => response.off('close', abandon));
    });
    sendBody(request, outgoing);
  }

  /** Carries an upgrade to the relay of the scratch copy, and bytes both ways from then on. */
  carryUpgrade(request: IncomingMessage, browser: Duplex, head: Buffer, peer: Peer, visit: Visit): void {
    browser.on('error', () => browser.destroy());
    const headers = carriedRequestHeaders(request.rawHeaders, request.headers.cookie, visit);
    headers.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
    let outgoing: ClientRequest;
    try {
      const agent = this.#newAgent(visit, peer, 'relay');
      outgoing = httpRequest({ agent, path: request.url, headers, timeout: this.#silenceMs });
    } catch {
      return refuseUpgrade(browser, 400);
    }
    const abandon = () => outgoing.destroy();
    browser.once('close', abandon);
    outgoing.on('timeout', () => outgoing.destroy(new Error('nothing came')));
    outgoing.on('error', (error) => {
      this.#options.log.debug({ err: error.message }, 'failover.rehearsal-upgrade-lost');
      refuseUpgrade(browser, 503);
    });
    outgoing.once('response', (answer) => {
      answer.destroy();
      refuseUpgrade(browser, answer.statusCode ?? 502);
    });
    outgoing.once('upgrade', (answer, upstream, rest) => {
      browser.off('close', abandon);
      upstream.setTimeout(0);
      if (browser.destroyed) return void upstream.destroy();
      browser.write(upgradeHead(answer, visit), 'latin1');
      if (rest.length > 0) browser.write(rest);
      if (head.length > 0) upstream.write(head);
      pipeline(browser, upstream, browser, () => {
        browser.destroy();
        upstream.destroy();
      });
    });
    outgoing.end();
  }

  get #silenceMs(): number {
    return this.#options.silenceMs ?? CARRIED_SILENCE_LIMIT_MS;
  }

  #fail(error: Error, request: IncomingMessage, response: ServerResponse): void {
    this.#options.log.debug({ err: error.message }, 'failover.rehearsal-request-lost');
    if (response.destroyed) return;
    if (response.headersSent) return void response.destroy();
    answerTestAway(request, response, error instanceof AppError && error.kind === 'too-large' ? 'too-large' : 'away');
  }

  #agentOf(visit: Visit, peer: Peer, to: TunnelEnd): Agent {
    const agents = this.#agents.get(visit) ?? new Map<string, Agent>();
    this.#agents.set(visit, agents);
    const name = `${to} ${peer.address}`;
    const agent = agents.get(name) ?? this.#newAgent(visit, peer, to, true);
    agents.delete(name);
    agents.set(name, agent);
    const [oldest] = agents.keys();
    if (agents.size > ADDRESSES_MAX && oldest !== undefined) agents.delete(oldest);
    return agent;
  }

  #newAgent(visit: Visit, peer: Peer, to: TunnelEnd, keepAlive = false): Agent {
    const agent = new Agent({ keepAlive, maxSockets: REQUESTS_MAX, timeout: keepAlive ? TUNNEL_KEPT_MS : this.#silenceMs });
    agent.createConnection = (_options, done) => {
      void this.#give(visit, peer, to, done);
      return undefined;
    };
    return agent;
  }

  async #give(visit: Visit, peer: Peer, to: TunnelEnd, done?: (error: Error | null, socket: Duplex) => void): Promise<void> {
    let socket: Duplex;
    try {
      socket = await this.#open(visit, peer, to);
    } catch (error) {
      return done?.(error as Error, undefined as never);
    }
    done?.(null, socket);
  }

  async #open(visit: Visit, { address, port }: Peer, to: TunnelEnd): Promise<Duplex> {
    if (visit.carried.size + visit.opening >= CARRIED_PER_VISIT_MAX)
      throw new AppError('limited', 'REHEARSAL_TUNNELS_LIMIT', 'Too much is under way for one person.');
    visit.opening += 1;
    const socket = await this.#opening.take(async () => await this.#options.tunnel(to)).finally(() => (visit.opening -= 1));
    if (visit.isOver) {
      socket.destroy();
      throw new Error('the visit is over');
    }
    visit.carried.add(socket);
    socket.once('close', () => visit.carried.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.write(preambleOf({ address, port }));
    return socket;
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

/** How long a body is was decided by our own parser: it is said anew. */
function framing({ headers }: IncomingMessage): string[] {
  if (headers['transfer-encoding'] !== undefined) return ['Transfer-Encoding', 'chunked'];
  return headers['content-length'] === undefined ? [] : ['Content-Length', String(Number(headers['content-length']))];
}

/** A body that is sent in chunks says beforehand nothing of its size: it is cut at the limit. */
function sendBody(request: IncomingMessage, outgoing: ClientRequest): void {
  if (!hasBody(request)) return void outgoing.end();
  let bytes = 0;
  request.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > CARRIED_BODY_MAX_BYTES && !outgoing.destroyed) {
      request.unpipe(outgoing);
      outgoing.destroy(new AppError('too-large', 'BODY_TOO_LARGE', 'The request is too large.'));
    }
  });
  request.pipe(outgoing);
}

function giveAnswer(
  answer: IncomingMessage,
  response: ServerResponse,
  outgoing: ClientRequest,
  visit: Visit,
  onEnd: () => void,
): void {
  try {
    response.writeHead(answer.statusCode ?? 502, carriedAnswerHeaders(answer.rawHeaders, visit));
  } catch (error) {
    return void outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
  }
  // An event stream may be silent for long: its headers must not wait for its first byte.
  response.flushHeaders();
  pipeline(answer, response, (error) => {
    onEnd();
    if (error) outgoing.destroy();
  });
}

function upgradeHead(answer: IncomingMessage, visit: Visit): string {
  const fields = [...carriedAnswerHeaders(answer.rawHeaders, visit), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
  let text = 'HTTP/1.1 101 Switching Protocols\r\n';
  for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  return `${text}\r\n`;
}

/** Answers an upgrade that cannot be, with `status` alone; `setCookie` besides. */
export function refuseUpgrade(socket: Duplex, status: number, setCookie?: string): void {
  if (socket.destroyed || !socket.writable) return void socket.destroy();
  const cookie = setCookie === undefined ? '' : `Set-Cookie: ${setCookie}\r\n`;
  socket.end(`HTTP/1.1 ${status} Refused\r\n${cookie}Connection: close\r\nContent-Length: 0\r\n\r\n`);
}
