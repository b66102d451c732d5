/** The backup's end of the tunnels in which people's connections come to the scratch copy (pair.md, 9): bytes both ways, nothing is looked at. */
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '@bascule/log/log.ts';
import {
  REHEARSAL_TUNNELS_MAX,
  REHEARSAL_TUNNEL_PATH,
  REHEARSAL_TUNNEL_PROTOCOL,
  rehearsalTunnelQuery,
  type RehearsalTunnelQuery,
} from '@bascule/protocol/rehearsal.ts';

/** Neither end says anything for so long: whatever waits in a test says something every few seconds. */
const TUNNEL_SILENCE_LIMIT_MS = 150_000;

export interface RehearsalTunnelsOptions {
  /** The socket of the test `rehearsal` that is open; undefined: there is none. */
  socketOf(query: RehearsalTunnelQuery): string | undefined;
  log: Log;
}

export class RehearsalTunnels {
  readonly #options: RehearsalTunnelsOptions;
  readonly #open = new Set<Duplex>();

  constructor(options: RehearsalTunnelsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Answers the peer's request for a tunnel, and carries bytes from then on. */
  take(request: IncomingMessage, link: Duplex, head: Buffer): void {
    link.on('error', () => link.destroy());
    const path = this.#socketOf(request);
    if (path === undefined) return refuse(link, 404);
    if (this.#open.size >= REHEARSAL_TUNNELS_MAX) return refuse(link, 503);
    this.#open.add(link);
    link.once('close', () => this.#open.delete(link));
    request.socket.setTimeout(TUNNEL_SILENCE_LIMIT_MS, () => link.destroy());
    const inner = connect(path);
    let isThrough = false;
    inner.on('error', (error) => {
      this.#options.log.debug({ err: error.message }, 'rehearsal.tunnel-lost');
      // Once it stands, what is said here would be taken for a part of what the copy says.
      if (!isThrough) refuse(link, 503);
    });
    link.once('close', () => inner.destroy());
    inner.once('connect', () => {
      isThrough = true;
      link.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${REHEARSAL_TUNNEL_PROTOCOL}\r\n\r\n`);
      if (head.length > 0) inner.write(head);
      link.pipe(inner).pipe(link);
      // What is still on its way to the person gets there; one who takes nothing is cut by the limit.
      inner.once('close', () => link.end());
    });
  }

  /** Cuts all of them. */
  close(): void {
    for (const link of this.#open) link.destroy();
  }

  #socketOf(request: IncomingMessage): string | undefined {
    const url = URL.parse(request.url ?? '', 'http://pair');
    if (url?.pathname !== REHEARSAL_TUNNEL_PATH || request.method !== 'GET') return undefined;
    if (request.headers.upgrade !== REHEARSAL_TUNNEL_PROTOCOL) return undefined;
    const query = rehearsalTunnelQuery.safeParse(Object.fromEntries(url.searchParams));
    return query.success ? this.#options.socketOf(query.data) : undefined;
  }
}

function refuse(link: Duplex, status: 404 | 503): void {
  if (link.destroyed || !link.writable) return void link.destroy();
  link.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
