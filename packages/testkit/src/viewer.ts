import { once } from 'node:events';
import type { ViewerNotice } from '@bascule/protocol/data-link.ts';
import { ViewerClient, type ViewerStatus, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { WebSocket } from 'ws';
import { isFinalAttachRefusal } from '@bascule/protocol/api/access-sessions.ts';
import { ApiFailure, type ApiClient } from './api-client.ts';
import { WAIT_LIMIT_MS } from './wait-until.ts';

/** A person at an access session, without a browser: the same client code, through the real interface. Everything that came is kept. */
export class TestViewer implements Disposable {
  readonly session: string;
  readonly client: ViewerClient;
  /** Every status in order. */
  readonly statuses: ViewerStatus[] = [];
  readonly notices: ViewerNotice[] = [];
  readonly errors: Error[] = [];
  /** How often a whole screen came instead of bytes. */
  screens = 0;
  exit: { code: number; signal: number } | undefined;
  /** Why no ticket was given the last time when there was none. */
  refusal: string | undefined;
  /** Acknowledges output only while true; a slow reader sets it to false. */
  isReading = true;
  /** Called with every piece at once; for benchmarks. */
  onBytes: ((bytes: Uint8Array) => void) | undefined;
  /** Whether what comes is kept for `bytes()`. */
  keepsBytes = true;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #unread: (() => void)[] = [];
  #changed = new EventTarget();

  constructor(api: ApiClient, session: string, size = { cols: 80, rows: 24 }) {
    this.session = session;
    this.client = new ViewerClient({
      size,
      open: () => openStream(api),
      getTicket: () =>
        getTicket(api, session).catch((error: unknown) => {
          this.refusal = error instanceof Error ? error.message : String(error);
          throw error;
        }),
      onScreen: ({ text }, shown) => {
        this.screens += 1;
        this.#take(Buffer.from(text), shown);
      },
      onOutput: (bytes, shown) => this.#take(bytes, shown),
      onExit: (exit) => this.#note(() => (this.exit = exit)),
      onNotice: (notice) => this.#note(() => this.notices.push(notice)),
      onStatus: (status) => this.#note(() => this.statuses.push(status)),
      onUnconfirmed: () => this.#note(() => undefined),
      onError: (error) => this.#note(() => this.errors.push(error)),
    });
    this.client.connect();
  }

  /** All bytes that came, a screen's text included. */
  bytes(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  get length(): number {
    return this.#length;
  }

  text(): string {
    return this.bytes().toString('utf8');
  }

  type(text: string): void {
    if (this.client.send(Buffer.from(text))) return;
    const { bytes } = this.client.unconfirmedInput();
    throw new Error(
      `the viewer takes no more input: ${this.statuses.slice(-3).join(' ')}, ${bytes} bytes unconfirmed, ${this.refusal ?? 'no ticket was refused'}`,
    );
  }

  /** Reads what waits, and everything from now on. */
  readOn(): void {
    this.isReading = true;
    for (const shown of this.#unread.splice(0)) shown();
  }

  /** Waits until `isTrue` holds; looked at after everything that comes. */
  async until(what: string, isTrue: () => boolean, limitMs: number = WAIT_LIMIT_MS): Promise<void> {
    const signal = AbortSignal.timeout(limitMs);
    try {
      while (!isTrue()) await once(this.#changed, 'change', { signal });
    } catch (cause) {
      throw new Error(
        `waited ${limitMs} ms in vain until ${what}; statuses ${this.statuses.join(' ')}; the end of the output: ${JSON.stringify(this.text().slice(-500))}`,
        { cause },
      );
    }
  }

  async untilText(text: string, limitMs?: number): Promise<void> {
    await this.until(`the text ${JSON.stringify(text)} came`, () => this.text().includes(text), limitMs);
  }

  /** Waits until the far end has confirmed everything that was typed. */
  async untilConfirmed(limitMs?: number): Promise<void> {
    await this.until('all input is confirmed', () => this.client.unconfirmedInput().bytes === 0, limitMs);
  }

  async untilStatus(status: ViewerStatus, limitMs?: number): Promise<void> {
    await this.until(`the viewer is ${status}`, () => this.client.status === status, limitMs);
  }

  [Symbol.dispose](): void {
    this.client.close();
  }

  #take(bytes: Uint8Array, shown: () => void): void {
    if (this.keepsBytes) this.#chunks.push(bytes);
    this.onBytes?.(bytes);
    this.#length += bytes.length;
    if (this.isReading) shown();
    else this.#unread.push(shown);
    this.#note(() => undefined);
  }

  #note(change: () => unknown): void {
    change();
    this.#changed.dispatchEvent(new Event('change'));
  }
}

function openStream(api: ApiClient): WebSocketLike {
  const url = new URL('/stream', api.url);
  url.protocol = 'wss:';
  const socket = new WebSocket(url, {
    agent: api.agent,
    lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
    headers: { origin: api.url.origin, cookie: api.cookie },
    perMessageDeflate: false,
  });
  return socket as unknown as WebSocketLike;
}

async function getTicket(api: ApiClient, session: string): Promise<string> {
  try {
    return await api.attachTicket(session);
  } catch (error) {
    const isOver = error instanceof ApiFailure && isFinalAttachRefusal(error);
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { permanent: isOver });
  }
}
