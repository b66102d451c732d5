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

const CHECK_INTERVAL_MS = 1000;
/** wire 3.7: a ping when nothing was heard for this long (the appliance's own pings count as heard). */
const PING_AFTER_MS = CONTROL_SILENCE_LIMIT_MS / 3 + 5000;
/** The same for a client in a hurry. */
const HURRIED_PING_AFTER_MS = 1000;
const HURRIED_SILENCE_LIMIT_MS = 2500;
/** Of what the site promised to say at least that often: then it is asked, and it is silent. */
const BEATS_UNTIL_PING = 1.1;
const BEATS_UNTIL_SILENT = 1.5;
/** A look that comes so much after the one before: this machine slept, or was stopped. */
const LATE_CHECK_MS = 1500;
/** Of a connection that ended without a close (RFC 6455, section 7.1.5). */
const NO_CLOSE_CODE = 1006;
/** `accepted` has to come within this. */
const ACCEPT_LIMIT_MS = 30_000;

export interface ControlLinkEvents {
  /** Answers the server's `welcome`: the first message; undefined to close instead. */
  hello(welcome: Extract<ToClient, { kind: 'welcome' }>): FromClient | undefined;
  message(message: Exclude<ToClient, { kind: 'welcome' }>): void;
  /** Sessions live, and another appliance may take the place of one that falls silent: that is found out in seconds. */
  isHurried?(): boolean;
  /** How often the site says something, when it has promised to, and another appliance may take its place. */
  beatMs?(): number | undefined;
}

export interface ControlLinkTls {
  /** Another than that of control links: of a test of the standby. */
  alpn?: string;
  authority: string;
  toleratesDates?: boolean;
  key: string;
  certificate: string;
  session: Buffer | undefined;
  onSession(session: Buffer): void;
  limitMs?: number | undefined;
  aliveEveryMs?: number | undefined;
}

/** One control link, from dialling to its end (wire section 3). */
export class ControlLink {
  #webSocket: LinkSocket;
  #heardMs = Date.now();
  #openedMs = Date.now();
  #checkedMs = Date.now();
  /** The other end was asked for a sign of life since it was last heard. */
  #isAsked = false;
  #greeted = false;
  #wasSilent = false;
  #wasClosed = false;
  readonly #events: ControlLinkEvents;
  #timer: NodeJS.Timeout;
  #ended: Promise<string>;

  private constructor(webSocket: LinkSocket, events: ControlLinkEvents) {
    this.#webSocket = webSocket;
    this.#events = events;
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
    this.#ended = new Promise((resolve) => {
      let reason = 'closed by the appliance';
      webSocket.on('error', (error: Error) => (reason = error.message));
      webSocket.on('close', (code: number) => {
        clearInterval(this.#timer);
        this.#wasClosed = code !== NO_CLOSE_CODE;
        resolve(code === NO_CLOSE_CODE || code === 1005 ? reason : `${reason} (${code})`);
      });
    });
    webSocket.on('ping', () => this.#heard());
    webSocket.on('pong', () => this.#heard());
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

  /** It was given up because nothing was heard. */
  get wasSilent(): boolean {
    return this.#wasSilent;
  }

  /** It was closed in order, by either side; it did not just break. */
  get wasClosed(): boolean {
    return this.#wasClosed;
  }

  send(message: FromClient): boolean {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return false;
    this.#webSocket.send(JSON.stringify(message));
    return true;
  }

  close(): void {
    this.#webSocket.close();
  }

  #heard(): void {
    this.#heardMs = Date.now();
    this.#isAsked = false;
  }

  #received(data: Buffer, events: ControlLinkEvents): void {
    this.#heard();
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
    const { pingMs, limitMs } = this.#patience();
    // This machine slept, or was stopped itself: what came meanwhile was not read yet.
    const isLate = nowMs - this.#checkedMs > LATE_CHECK_MS;
    this.#checkedMs = nowMs;
    const isOpen = this.#webSocket.readyState === this.#webSocket.OPEN;
    const isSilent = silentMs >= limitMs && (this.#isAsked || !isOpen) && !isLate;
    if (isSilent || (!this.#greeted && nowMs - this.#openedMs >= ACCEPT_LIMIT_MS)) {
      this.#wasSilent = true;
      this.#webSocket.terminate();
    } else if (silentMs >= pingMs && isOpen) {
      this.#isAsked = true;
      this.#webSocket.ping();
    }
  }

  /** After how long a silence the other end is asked, and given up. */
  #patience(): { pingMs: number; limitMs: number } {
    if (this.#events.isHurried?.() === true) return { pingMs: HURRIED_PING_AFTER_MS, limitMs: HURRIED_SILENCE_LIMIT_MS };
    const beatMs = this.#events.beatMs?.();
    if (beatMs === undefined) return { pingMs: PING_AFTER_MS, limitMs: CONTROL_SILENCE_LIMIT_MS };
    return { pingMs: beatMs * BEATS_UNTIL_PING, limitMs: beatMs * BEATS_UNTIL_SILENT };
  }
}
