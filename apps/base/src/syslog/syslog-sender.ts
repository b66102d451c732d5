import { setTimeout as delay } from 'node:timers/promises';
import type tls from 'node:tls';
import type { Log } from '@bascule/log/log.ts';
import type { SyslogSource } from '@bascule/protocol/api/syslog.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { connectSyslog, inWords, type SyslogServer } from './syslog-connection.ts';
import { frameOf } from './syslog-message.ts';
import type { SyslogSpool } from './syslog-spool.ts';

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** Never at once after a failure. */
const RETRY_LEAST_MS = 500;
export const BATCH_MESSAGES = 100;
/** The kernel has taken a batch within this, or the server is stuck. */
const WRITE_LIMIT_MS = 30_000;
/** Syslog acknowledges nothing: what was written so shortly before a connection broke is sent again. */
export const SENT_AGAIN_MS = 10_000;

export interface SyslogSenderOptions {
  server: SyslogServer;
  sources: readonly SyslogSource[];
  spool: SyslogSpool;
  appliance: string;
  /** The number of the next message. */
  next: number;
  sent: number;
  dropped: number;
  /** `next`, `sent` or the state has changed. */
  changed(): void;
  /** So many had no room while this server took nothing. */
  onDropped(count: number): void;
  log: Log;
  now: () => number;
}

/** Sends what is in the spool to one server, in order, and waits where it is while the server takes nothing. */
export class SyslogSender {
  readonly #options: SyslogSenderOptions;
  readonly #closing = new AbortController();
  readonly #pauses = new BackOff(RETRY_FIRST_MS, RETRY_MAX_MS);
  /** What was written and may be lost with the connection. */
  #lately: { from: number; atMs: number }[] = [];
  #waking = new AbortController();
  #loop: Promise<void> | undefined;
  next: number;
  sent: number;
  dropped: number;
  state: 'connecting' | 'connected' | 'waiting' = 'connecting';
  error: string | null = null;
  connectedAtMs: number | null = null;
  lastSentAtMs: number | null = null;

  constructor(options: SyslogSenderOptions) {
    this.#options = options;
    this.next = options.next;
    this.sent = options.sent;
    this.dropped = options.dropped;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** There are new messages. */
  wake(): void {
    this.#waking.abort();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#waking.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        this.#become('connecting');
        const socket = await connectSyslog(this.#options.server, signal);
        await this.#serve(socket);
      } catch (error) {
        if (signal.aborted) return;
        this.error = inWords(error);
        this.#options.log.warn({ host: this.#options.server.host, error: this.error }, 'syslog.not-connected');
      }
      if (signal.aborted) return;
      this.#become('waiting');
      await delay(Math.max(RETRY_LEAST_MS, this.#pauses.next()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Sends until the connection ends. Throws why it did. */
  async #serve(socket: tls.TLSSocket): Promise<void> {
    const ended = new AbortController();
    let reason: Error = new Error('the server ended the connection');
    socket.once('error', (error) => (reason = error));
    socket.once('close', () => {
      ended.abort();
      this.wake();
    });
    // Syslog servers say nothing; what they say is read so that their end is heard.
    socket.resume();
    this.error = null;
    this.connectedAtMs = this.#options.now();
    this.#become('connected');
    try {
      while (!this.#closing.signal.aborted && !ended.signal.aborted) {
        this.#waking = new AbortController();
        const batch = this.#batch();
        if (batch === undefined) await idle(this.#waking.signal);
        else await this.#send(socket, batch);
      }
    } finally {
      if (ended.signal.aborted) this.#goBack();
      else await endOf(socket);
      socket.destroy();
    }
    if (!this.#closing.signal.aborted) throw reason;
  }

  /** What comes next, and the number after it; undefined when there is nothing. */
  #batch(): { frames: Buffer; next: number; messages: number } | undefined {
    const { spool, sources, appliance } = this.#options;
    this.#noteDropped();
    const records = spool.from(this.next, BATCH_MESSAGES);
    const last = records.at(-1);
    if (last === undefined) return undefined;
    const wanted = records.filter(({ record }) => sources.includes(record.source));
    const frames = Buffer.concat(wanted.map(({ record }) => frameOf(record, appliance)));
    return { frames, next: last.number + 1, messages: wanted.length };
  }

  async #send(
    socket: tls.TLSSocket,
    { frames, next, messages }: { frames: Buffer; next: number; messages: number },
  ): Promise<void> {
    if (messages > 0) await written(socket, frames);
    const nowMs = performance.now();
    this.#lately = [...this.#lately.filter(({ atMs }) => nowMs - atMs < SENT_AGAIN_MS), { from: this.next, atMs: nowMs }];
    this.next = next;
    this.sent += messages;
    if (messages > 0) this.lastSentAtMs = this.#options.now();
    // One that breaks right after the first message (a certificate that is not liked) waits longer and longer all the same.
    if (this.connectedAtMs !== null && this.#options.now() - this.connectedAtMs > SENT_AGAIN_MS) this.#pauses.reset();
    this.#options.changed();
  }

  /** The connection broke: what was written shortly before may never have arrived. */
  #goBack(): void {
    const nowMs = performance.now();
    const first = this.#lately.find(({ atMs }) => nowMs - atMs < SENT_AGAIN_MS);
    if (first !== undefined) this.next = Math.min(this.next, first.from);
    this.#lately = [];
  }

  #noteDropped(): void {
    const count = this.#options.spool.first - this.next;
    if (count <= 0) return;
    this.next = this.#options.spool.first;
    this.dropped += count;
    this.#options.onDropped(count);
  }

  /** Also while the server is away: the page shows what was dropped meanwhile. */
  looked(): this {
    this.#noteDropped();
    return this;
  }

  #become(state: SyslogSender['state']): void {
    this.state = state;
    if (state !== 'connected') this.connectedAtMs = null;
    this.#options.changed();
  }
}

function idle(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Resolves when the kernel has all of it. */
export function written(socket: tls.TLSSocket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error('the server takes nothing')), WRITE_LIMIT_MS);
    const cut = (): void => reject(new Error('the server ended the connection'));
    socket.once('close', cut);
    socket.write(bytes, (error) => {
      clearTimeout(timer);
      socket.off('close', cut);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Ends it in order: what was written arrives. */
export function endOf(socket: tls.TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1_000);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.end();
  });
}
