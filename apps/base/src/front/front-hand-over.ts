import type net from 'node:net';
import type { ToSite } from '@bascule/protocol/base-site.ts';
import { HAND_OVER_QUEUE_MAX, HAND_OVER_WAIT_MS, SWITCH_QUEUE_MAX } from './front-limits.ts';
import type { SiteRoute } from './front-site-wait.ts';

/** Where links go: a site program's IPC channel. */
export interface LinkReceiver {
  /** Sends `message` with `socket`; false when the program is not there. `onSent` runs when the channel took it. */
  sendLink(message: ToSite, socket: net.Socket, onSent: () => void): boolean;
}

/** A connection that is not opened: what was read of it, the one protocol of ours that it offers, and from where it comes. */
export interface UnopenedLink {
  head: Buffer;
  alpn: string;
  address: string;
  port: number;
}

interface WaitingLink extends UnopenedLink {
  socket: net.Socket;
  sinceMs: number;
  onDone: () => void;
}

/**
 * Hands connections to a site program in the order of their arrival. A channel carries one socket at a time, so the program's own pace (it
 * acknowledges each) is the pace here: at most one waits inside the channel, `HAND_OVER_QUEUE_MAX` wait here, the rest are closed and come back
 * (wire 1.4, 5.6). While the site is switched all wait here, so that a client's first redial succeeds.
 */
export class HandOver {
  readonly #route: SiteRoute;
  readonly #queue: WaitingLink[] = [];
  /** The socket that waits inside the channel. */
  #inChannel: net.Socket | undefined;
  #heldTimer: NodeJS.Timeout | undefined;

  constructor(route: SiteRoute) {
    this.#route = route;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Takes over `socket`. `onDone` runs once it has left this process or is closed. */
  handOver(socket: net.Socket, link: UnopenedLink, onDone: () => void): void {
    if (this.#queue.length >= (this.#holds ? SWITCH_QUEUE_MAX : HAND_OVER_QUEUE_MAX)) {
      socket.destroy();
      onDone();
      return;
    }
    this.#queue.push({ socket, ...link, sinceMs: performance.now(), onDone });
    this.#next();
  }

  get #holds(): boolean {
    return this.#route.program.switching === true;
  }

  /** Another program has this one's place, or its switch began or ended: goes on with what waits. */
  goOn(): void {
    this.#next();
  }

  /** The program is gone, and with it what its channel held: goes on with the next, which is closed unless the program is back. */
  restart(): void {
    this.#inChannel?.destroy();
    this.#inChannel = undefined;
    this.#next();
  }

  #next(): void {
    clearTimeout(this.#heldTimer);
    while (this.#inChannel === undefined) {
      const link = this.#queue[0];
      if (link === undefined) return;
      const leftMs = link.sinceMs + HAND_OVER_WAIT_MS - performance.now();
      if (leftMs > 0 && !link.socket.destroyed && this.#holds) {
        this.#heldTimer = setTimeout(() => this.#next(), leftMs);
        return;
      }
      this.#queue.shift();
      link.onDone();
      if (leftMs <= 0) link.socket.destroy();
      if (!link.socket.destroyed) this.#send(link);
    }
  }

  #send({ socket, head, alpn, address, port }: WaitingLink): void {
    this.#inChannel = socket;
    const onSent = (): void => {
      // Late news of a channel that is gone says nothing about the present one.
      if (this.#inChannel !== socket) return;
      this.#inChannel = undefined;
      this.#next();
    };
    if (this.#route.program.sendLink({ kind: 'link', head: new Uint8Array(head), alpn, address, port }, socket, onSent)) return;
    this.#inChannel = undefined;
    socket.destroy();
  }
}
