import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DRAIN_ARRIVAL_MS, DRAIN_IDLE_MS, DRAIN_LIMIT_MS, DRAIN_LOOK_INTERVAL_MS } from './front-limits.ts';

interface OpenConnection {
  /** Answers that are not written whole yet. */
  readonly answering: Set<ServerResponse>;
  readonly sinceMs: number;
  hasAsked: boolean;
}

/**
 * What browsers have open, so that base can stop without failing anybody: every answer from then on is the last of its connection and says so, what is idle
 * is closed in order, and nothing is cut that would be done in a moment (docs/decisions/0103, 0122).
 */
export class OpenConnections {
  readonly #connections = new Map<Duplex, OpenConnection>();
  /** Accepted, and not open yet: since when, by who is at the other end. */
  readonly #arriving = new Map<string, { socket: Socket; sinceMs: number }>();
  #draining = false;
  #emptied = Promise.withResolvers<void>();

  get size(): number {
    return this.#connections.size + this.#arriving.size;
  }

  /** `socket` was accepted: its ClientHello and its handshake come next. */
  arriving(socket: Socket): void {
    const key = keyOf(socket);
    this.#arriving.set(key, { socket, sinceMs: performance.now() });
    socket.once('close', () => {
      if (this.#arriving.get(key)?.socket === socket) this.#arrived(key);
    });
  }

  /** `socket` is not a browser's: nothing to wait for. */
  notOurs(socket: Socket): void {
    this.#arrived(keyOf(socket));
  }

  /** The handshake over `socket` is done. */
  add(socket: Duplex & Pick<Socket, 'remoteAddress' | 'remotePort'>): void {
    this.#connections.set(socket, { answering: new Set(), sinceMs: performance.now(), hasAsked: false });
    this.#arrived(keyOf(socket));
    socket.once('close', () => this.remove(socket));
  }

  /** `socket` is closed, or carries something else now. */
  remove(socket: Duplex): void {
    this.#connections.delete(socket);
    this.#look();
  }

  /** A request came over `socket`; `response` will answer it. */
  answering(socket: Duplex, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.hasAsked = true;
    connection.answering.add(response);
    if (this.#draining) response.shouldKeepAlive = false;
    response.once('close', () => connection.answering.delete(response));
  }

  /** Resolves when nothing is open any more, at the latest after DRAIN_LIMIT_MS. Event streams, which never end by themselves, are cut: they come back. */
  async drain(): Promise<void> {
    this.#draining = true;
    const startedMs = performance.now();
    for (const [socket, { answering }] of this.#connections)
      for (const response of answering) {
        if (isEventStream(response)) socket.destroy();
        else response.shouldKeepAlive = false;
      }
    if (this.size === 0) return;
    const looks = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - startedMs >= DRAIN_IDLE_MS) this.#closeIdle(nowMs);
    }, DRAIN_LOOK_INTERVAL_MS);
    const late = Promise.withResolvers<void>();
    const limit = setTimeout(late.resolve, DRAIN_LIMIT_MS);
    await Promise.race([this.#emptied.promise, late.promise]);
    clearInterval(looks);
    clearTimeout(limit);
  }

  #closeIdle(nowMs: number): void {
    for (const [socket, { answering, hasAsked, sinceMs }] of this.#connections)
      if (answering.size === 0 && (hasAsked || nowMs - sinceMs >= DRAIN_ARRIVAL_MS)) socket.end();
    for (const { socket, sinceMs } of this.#arriving.values()) if (nowMs - sinceMs >= DRAIN_ARRIVAL_MS) socket.destroy();
  }

  #arrived(key: string): void {
    this.#arriving.delete(key);
    this.#look();
  }

  #look(): void {
    // Nothing open at some moment before says nothing about the end.
    if (this.#draining && this.size === 0) this.#emptied.resolve();
  }
}

/** The same for a connection and for the TLS that is spoken over it. */
function keyOf({ remoteAddress = '', remotePort = 0 }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}

/** By what the browser asked for: an EventSource takes nothing else. */
function isEventStream(response: ServerResponse): boolean {
  return response.headersSent && response.req.headers.accept === 'text/event-stream';
}
