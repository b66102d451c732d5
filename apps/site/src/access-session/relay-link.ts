import { createConnection, type Socket } from 'node:net';
import type { Log } from '@bascule/log/log.ts';
import { RELAY_LINE_MAX_BYTES, fromRelay, type FromRelay, type ToRelay } from '@bascule/protocol/relay-control.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';

/** A relay that is started together with main is there in a few milliseconds. */
const RETRY_FIRST_MS = 5;
const RETRY_MAX_MS = 2000;
/** The relay has to answer `configure` within this, or the link is made anew. */
const CONFIGURE_LIMIT_MS = 10_000;
/** What may wait to be sent; a relay that does not read that much is stuck, and the link is made anew. */
const SEND_BUFFER_LIMIT_BYTES = 16 * 1024 * 1024;

export interface RelayLinkOptions {
  /** The relay's control socket. */
  path: string;
  /** The first message of every connection. */
  configure(): ToRelay;
  /** The relay has answered `configure`: time to send what it has to know. */
  onReady(): void;
  onLost(): void;
  onMessage(message: Exclude<FromRelay, { kind: 'configured' }>): void;
  log: Log;
}

/** Main's end of the relay's control socket (protocol/relay-control.ts): connects, and again with back-off for as long as it is open. */
export class RelayLink {
  #options: RelayLinkOptions;
  #socket: Socket | undefined;
  #ready = false;
  #retryMs = RETRY_FIRST_MS;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RelayLinkOptions) {
    this.#options = options;
  }

  /** Whether the relay is there and configured. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Begins to connect. */
  start(): void {
    this.#connect();
  }

  /** Sends, when the relay is there; false when it is not, and the message is dropped (all state is sent again at the next `onReady`). */
  send(message: ToRelay): boolean {
    if (!this.#ready) return false;
    return this.#write(message);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
  }

  #connect(): void {
    const socket = createConnection(this.#options.path);
    this.#socket = socket;
    readJsonLines(socket, RELAY_LINE_MAX_BYTES, (value) => {
      if (!socket.destroyed) this.#parse(value, socket);
    });
    socket.on('connect', () => {
      this.#write(this.#options.configure());
      this.#timer = setTimeout(() => socket.destroy(), CONFIGURE_LIMIT_MS);
    });
    // A relay that is not there yet is no news; 'close' follows.
    socket.on('error', (error) => this.#options.log.debug({ err: error.message }, 'relay-link-failed'));
    socket.on('close', () => this.#lost());
  }

  #parse(value: unknown, socket: Socket): void {
    const parsed = fromRelay.safeParse(value);
    if (parsed.success) return this.#received(parsed.data);
    this.#options.log.error({ issue: parsed.error.issues[0]?.path.join('.') }, 'relay-message-malformed');
    socket.destroy();
  }

  #received(message: FromRelay): void {
    if (message.kind !== 'configured') return this.#options.onMessage(message);
    // Answered again after each change of the settings.
    if (this.#ready) return;
    clearTimeout(this.#timer);
    this.#ready = true;
    this.#retryMs = RETRY_FIRST_MS;
    this.#options.log.info('relay-linked');
    this.#options.onReady();
  }

  #lost(): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    if (this.#closed) return;
    if (this.#ready) {
      this.#ready = false;
      this.#options.log.warn('relay-lost');
      this.#options.onLost();
    }
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  #write(message: ToRelay): boolean {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return false;
    writeJsonLine(socket, message);
    if (socket.writableLength <= SEND_BUFFER_LIMIT_BYTES) return true;
    this.#options.log.error({ waitingBytes: socket.writableLength }, 'relay-does-not-read');
    socket.destroy();
    return false;
  }
}
