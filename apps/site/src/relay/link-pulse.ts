import type { Log } from '@bascule/log/log.ts';
import { PAIR_SILENCE_LIMIT_MS } from '@bascule/protocol/pair-link.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';

/** Signs of life on a link of the pair: something is said at a third of the limit, and a link that was silent beyond it is dropped. */
export class LinkPulse {
  readonly #socket: LinkSocket;
  readonly #timer: NodeJS.Timeout;
  #heardAtMs = performance.now();
  #beatAtMs = performance.now();

  constructor(socket: LinkSocket, log: Log) {
    this.#socket = socket;
    for (const sign of ['ping', 'pong'] as const) socket.on(sign, () => this.heard());
    socket.on('error', (error: Error) => log.debug({ error: error.message }, 'pair-data-link-error'));
    this.#timer = setInterval(() => this.#beat(), PAIR_SILENCE_LIMIT_MS / 3);
  }

  heard(): void {
    this.#heardAtMs = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(): void {
    const nowMs = performance.now();
    // Stopped or starved ourselves: what came meanwhile was not read yet.
    if (nowMs - this.#beatAtMs > PAIR_SILENCE_LIMIT_MS / 2) this.heard();
    this.#beatAtMs = nowMs;
    if (nowMs - this.#heardAtMs > PAIR_SILENCE_LIMIT_MS) this.#socket.terminate();
    else if (this.#socket.readyState === this.#socket.OPEN) this.#socket.ping();
  }
}
