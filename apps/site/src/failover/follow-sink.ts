/** The side that follows: keeps a link to the source for as long as it is a backup, applies what comes, and takes a snapshot when the log alone does not lead there. */
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { CopyState } from '@bascule/protocol/api/failover.ts';
import type { FollowHello, FromFollower, FromSource, SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { Store } from '@bascule/store/store.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import { faultPoint, faultPointNow } from './fault-points.ts';
import { followLink, type LinkEnd, type SnapshotReason } from './follow-link.ts';
import type { PairDial } from './pair-dial.ts';
import { fetchSnapshot } from './snapshot-fetch.ts';

const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 2000;
/** What only a person, or another version, ends is tried again more rarely. */
const RETRY_STOPPED_MS = 10_000;
/** Faults of a database that a snapshot mends. */
const MENDED_BY_SNAPSHOT = new Set(['STORE_LOG_GAP', 'STORE_LOG_BROKEN', 'STORE_DIVERGED', 'STORE_ENTRY_MALFORMED']);

export interface FollowSinkOptions {
  dial: PairDial;
  store(): Store | undefined;
  hello(): FollowHello;
  status(): Omit<Extract<FromFollower, { kind: 'status' }>, 'kind'>;
  /** The source's right to be followed. Throws when it has none. */
  following(statement: SignedStatement): Promise<void>;
  applied(seq: number, tables: string[]): void;
  head(seq: number, atMs: number): void;
  compared(differing: string[]): void;
  hold(question: Extract<FromSource, { kind: 'hold' }>): void;
  /** Before a snapshot takes the place of what is here, which the source may lack. Throws while a person has to decide. */
  mayReplace(reason: SnapshotReason): Promise<void>;
  /** Puts the checked copy in place. */
  replace(file: string, reason: SnapshotReason): Promise<void>;
  /** The folder for copies that are being received. */
  folder: string;
  bytesPerSecond(): number;
  /** The state shown is another one now. */
  changed(): void;
  log: Log;
}

export class FollowSink {
  readonly #options: FollowSinkOptions;
  #running: { stop: AbortController; ended: Promise<void> } | undefined;
  #wake: (() => void) | undefined;
  state: CopyState['state'] = 'idle';
  stopped: CopyState['stopped'] = null;
  /** Of the database, while a snapshot is fetched. */
  bytesLeft = 0;
  /** Of the database, as a snapshot came since it was begun. */
  bytesPerSecond = 0;
  #wantsSnapshot = false;
  #speak: ((message: FromFollower) => void) | undefined;

  constructor(options: FollowSinkOptions) {
    this.#options = options;
  }

  get isFollowing(): boolean {
    return this.state === 'following';
  }

  start(): void {
    if (this.#running !== undefined) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#run(stop.signal) };
  }

  /** Ends following; resolves when nothing is applied any more. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.stop.abort();
    this.#wake?.();
    await running?.ended;
    this.#set('idle', null);
  }

  /** Says something to the source; what cannot be said now is not said later. */
  say(message: FromFollower): void {
    this.#speak?.(message);
  }

  /** Tries at once instead of when the pause is over. */
  hurry(): void {
    this.#wake?.();
  }

  /** The next thing is a snapshot, whatever the log says: the copy was found to differ. */
  takeSnapshot(): void {
    this.#wantsSnapshot = true;
    this.#wake?.();
  }

  async #run(signal: AbortSignal): Promise<void> {
    let retryMs = RETRY_FIRST_MS;
    while (!signal.aborted) {
      try {
        const end = await this.#followOnce(signal);
        if (end.kind === 'snapshot-needed') await this.#snapshot(end.reason, signal);
        retryMs = this.isFollowing || end.kind === 'snapshot-needed' ? RETRY_FIRST_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
        if (!signal.aborted && this.isFollowing)
          this.#set('stopped', { code: 'unreachable', text: 'The link to the primary ended.' });
      } catch (error) {
        if (signal.aborted) return;
        retryMs = await this.#failed(error, signal, retryMs);
      }
      if (!signal.aborted) await this.#pause(retryMs);
    }
  }

  async #followOnce(signal: AbortSignal): Promise<LinkEnd> {
    if (this.#wantsSnapshot) return { kind: 'snapshot-needed', reason: 'diverged' };
    const { dial, ...options } = this.#options;
    const socket = await unlessAborted(dial.follow(), signal);
    if (socket === undefined) return { kind: 'closed' };
    this.#wake = () => {
      if (this.#wantsSnapshot) socket.close();
    };
    return await followLink(socket, {
      store: options.store(),
      hello: options.hello(),
      status: options.status,
      following: async (statement) => {
        await options.following(statement);
        this.#set('following', null);
      },
      head: options.head,
      applied: options.applied,
      compared: options.compared,
      hold: options.hold,
      speak: (say) => (this.#speak = say),
      stop: signal,
      log: options.log,
    });
  }

  async #snapshot(reason: SnapshotReason, signal: AbortSignal): Promise<void> {
    const { mayReplace, replace, dial, folder, bytesPerSecond, log } = this.#options;
    await mayReplace(reason);
    log.info({ reason }, 'failover.snapshot-begun');
    this.#set('snapshot', null);
    await faultPoint('sync/copy-wanted');
    try {
      const file = await fetchSnapshot({
        dial,
        folder,
        bytesPerSecond,
        progress: ({ bytes, totalBytes, bytesPerSecond: speed }) => {
          this.bytesLeft = totalBytes - bytes;
          this.bytesPerSecond = speed;
        },
        signal,
      });
      await faultPoint('sync/copy-fetched');
      await replace(file, reason);
      faultPointNow('sync/copy-in-place');
      this.#wantsSnapshot = false;
    } finally {
      this.bytesLeft = this.bytesPerSecond = 0;
    }
  }

  /** What went wrong, for people; gives how long to wait. */
  async #failed(error: unknown, signal: AbortSignal, retryMs: number): Promise<number> {
    const { log } = this.#options;
    const code = error instanceof AppError ? error.code : 'FAILED';
    if (code.startsWith('PAIR_')) log.debug({ err: error }, 'failover.not-following');
    else log.warn({ err: error }, 'failover.not-following');
    const text = error instanceof Error ? error.message : String(error);
    this.#set('stopped', { code: stoppedCode(code), text });
    if (MENDED_BY_SNAPSHOT.has(code)) {
      this.#wantsSnapshot = true;
      return RETRY_FIRST_MS;
    }
    if (signal.aborted || code.startsWith('PAIR_') || code === 'STORE_BUSY') return Math.min(retryMs * 2, RETRY_MAX_MS);
    return RETRY_STOPPED_MS;
  }

  async #pause(ms: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await delay(ms, undefined, { signal: woken.signal }).catch(() => undefined);
    this.#wake = undefined;
  }

  #set(state: CopyState['state'], stopped: CopyState['stopped']): void {
    const isSame = this.state === state && this.stopped?.code === stopped?.code;
    this.state = state;
    this.stopped = stopped;
    if (!isSame) this.#options.changed();
  }
}

/** The link, unless it is not wanted any more when it comes: a source that hangs is not waited for. */
async function unlessAborted(dialling: Promise<LinkSocket>, signal: AbortSignal): Promise<LinkSocket | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const onAbort = () => aborted.resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const socket = await Promise.race([dialling, aborted.promise]);
    if (!signal.aborted) return socket;
    dialling.then((late) => late.terminate()).catch(() => {});
    return undefined;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** `failover.stopped.<code>` on the page. */
function stoppedCode(code: string): string {
  if (code.startsWith('PAIR_')) return 'unreachable';
  if (code === 'STORE_DISK_FULL') return 'disk-full';
  if (code === 'STORE_NEWER') return 'newer';
  if (code === 'FAILOVER_CONFLICT') return 'conflict';
  return 'failed';
}
