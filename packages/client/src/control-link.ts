import {
  CONTROL_MESSAGE_MAX_BYTES,
  CONTROL_SILENCE_LIMIT_MS,
  LINK_ALPN,
  type FromClient,
  type ToClient,
} from '@bascule/protocol/control-link.ts';
import { dial, type DialTarget } from './dial.ts';
import { parseToClient } from './enrol.ts';
import { openWebSocket, type LinkSocket } from './link-socket.ts';

const CHECK_INTERVAL_MS = 5000;
/** wire 3.7: a ping when nothing was heard for this long (the appliance's own pings count as heard). */
const PING_AFTER_MS = CONTROL_SILENCE_LIMIT_MS / 3 + CHECK_INTERVAL_MS;
/** `accepted` has to come within this. */
const ACCEPT_LIMIT_MS = 30_000;

export interface ControlLinkEvents {
  /** Answers the server's `welcome`: the first message; undefined to close instead. */
  hello(welcome: Extract<ToClient, { kind: 'welcome' }>): FromClient | undefined;
  message(message: Exclude<ToClient, { kind: 'welcome' }>): void;
}

export interface ControlLinkTls {
  authority: string;
  toleratesDates?: boolean;
  key: string;
  certificate: string;
  session: Buffer | undefined;
  onSession(session: Buffer): void;
}

/** One control link, from dialling to its end (wire section 3). */
export class ControlLink {
  #webSocket: LinkSocket;
  #heardMs = Date.now();
  #openedMs = Date.now();
  #greeted = false;
  #timer: NodeJS.Timeout;
  #ended: Promise<string>;

  private constructor(webSocket: LinkSocket, events: ControlLinkEvents) {
    this.#webSocket = webSocket;
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
    this.#ended = new Promise((resolve) => {
      let reason = 'closed by the appliance';
      webSocket.on('error', (error: Error) => (reason = error.message));
      webSocket.on('close', (code: number) => {
        clearInterval(this.#timer);
        resolve(code === 1006 || code === 1005 ? reason : `${reason} (${code})`);
      });
    });
    webSocket.on('ping', () => (this.#heardMs = Date.now()));
    webSocket.on('pong', () => (this.#heardMs = Date.now()));
    webSocket.on('message', (data: Buffer) => this.#received(data, events));
  }

  /** Dials and greets. Rejects when no connection comes about; after that `ended` tells how it ended. */
  static async open(
    target: DialTarget,
    tls: ControlLinkTls,
    events: ControlLinkEvents,
    signal: AbortSignal,
  ): Promise<ControlLink> {
    const socket = await dial(target, { alpn: LINK_ALPN, ...tls }, signal);
    return new ControlLink(openWebSocket(socket, '/link', CONTROL_MESSAGE_MAX_BYTES), events);
  }

  /** Settles when the link is over, with the reason as text for the log. */
  get ended(): Promise<string> {
    return this.#ended;
  }

  send(message: FromClient): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false;
    this.#webSocket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#webSocket.close();
  }

  #received(data: Buffer, events: ControlLinkEvents): void {
    this.#heardMs = Date.now();
    const message = parseToClient(data);
    // A message of a later version: an old client passes over it.
    if (message === undefined) return;
    if (message.kind === 'welcome') {
      const hello = events.hello(message);
      if (hello === undefined) this.close();
      else this.send(hello);
      return;
    }
    this.#greeted = true;
    events.message(message);
  }

  #check(): void {
    const nowMs = Date.now();
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= CONTROL_SILENCE_LIMIT_MS || (!this.#greeted && nowMs - this.#openedMs >= ACCEPT_LIMIT_MS))
      this.#webSocket.terminate();
    else if (silentMs >= PING_AFTER_MS && this.#webSocket.readyState === this.#webSocket.OPEN) this.#webSocket.ping();
  }
}
