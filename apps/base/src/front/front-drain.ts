import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { DRAIN_IDLE_MS, DRAIN_LIMIT_MS } from './front-limits.ts';

interface OpenConnection {
  /** Answers that are not written whole yet. */
  readonly answering: Set<ServerResponse>;
  hasAsked: boolean;
}

/**
 * What browsers have open, so that base can stop without failing anybody: every answer from then on is the last of its connection and says so, what is idle
 * is closed in order, and nothing is cut that would be done in a moment (docs/decisions/0103).
 */
export class OpenConnections {
  readonly #connections = new Map<Duplex, OpenConnection>();
  #draining = false;
  #idleIsOver = false;
  #emptied = Promise.withResolvers<void>();

  get size(): number {
    return this.#connections.size;
  }

  add(socket: Duplex): void {
    this.#connections.set(socket, { answering: new Set(), hasAsked: false });
    socket.once('close', () => this.remove(socket));
  }

  /** `socket` is closed, or carries something else now. */
  remove(socket: Duplex): void {
    this.#connections.delete(socket);
    if (this.#connections.size === 0) this.#emptied.resolve();
  }

  /** A request came over `socket`; `response` will answer it. */
  answering(socket: Duplex, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.hasAsked = true;
    connection.answering.add(response);
    if (this.#draining) response.shouldKeepAlive = false;
    response.once('close', () => {
      connection.answering.delete(response);
      if (this.#idleIsOver) closeIdle(socket, connection);
    });
  }

  /** Resolves when nothing is open any more, at the latest after DRAIN_LIMIT_MS. Event streams, which never end by themselves, are cut: they come back. */
  async drain(): Promise<void> {
    this.#draining = true;
    for (const [socket, { answering }] of this.#connections)
      for (const response of answering) {
        if (isEventStream(response)) socket.destroy();
        else response.shouldKeepAlive = false;
      }
    if (this.#connections.size === 0) return;
    const idle = setTimeout(() => this.#closeIdle(), DRAIN_IDLE_MS);
    const late = Promise.withResolvers<void>();
    const limit = setTimeout(late.resolve, DRAIN_LIMIT_MS);
    await Promise.race([this.#emptied.promise, late.promise]);
    clearTimeout(idle);
    clearTimeout(limit);
  }

  #closeIdle(): void {
    this.#idleIsOver = true;
    for (const [socket, connection] of this.#connections) closeIdle(socket, connection);
  }
}

/** A connection that has not asked yet is about to: it is waited for. */
function closeIdle(socket: Duplex, { answering, hasAsked }: OpenConnection): void {
  if (hasAsked && answering.size === 0) socket.end();
}

/** By what the browser asked for: an EventSource takes nothing else. */
function isEventStream(response: ServerResponse): boolean {
  return response.headersSent && response.req.headers.accept === 'text/event-stream';
}
