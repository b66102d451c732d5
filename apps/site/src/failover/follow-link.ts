/** One link of a follower to its source: applies what comes in the order in which it comes, and confirms what is on the disk. */
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import {
  fromSource,
  PAIR_MESSAGE_MAX_BYTES,
  type FollowHello,
  type FromFollower,
  type FromSource,
  type SignedStatement,
} from '@bascule/protocol/pair-link.ts';
import { decodeEntry } from '@bascule/store/entry-format.ts';
import type { ChangeLogEntry, Store } from '@bascule/store/store.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';
import { faultPointNow } from './fault-points.ts';

/** Entries of one transaction: what waits is applied together, up to these. */
const BATCH_ENTRIES_MAX = 512;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** More that was received and not applied yet pauses the link. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** The follower says how it is this often; the source also hears by it that it lives. */
const STATUS_INTERVAL_MS = 2000;
/** The source says what it makes of `hello` within this. */
const ANSWER_LIMIT_MS = 15_000;

export type SnapshotReason = Extract<FromSource, { kind: 'snapshot-needed' }>['reason'];
export type LinkEnd = { kind: 'closed' } | { kind: 'snapshot-needed'; reason: SnapshotReason };
type Status = Omit<Extract<FromFollower, { kind: 'status' }>, 'kind'>;

export interface FollowLinkOptions {
  store: Store | undefined;
  hello: FollowHello;
  status(): Status;
  /** The source lets this side follow, and shows by which right. Rejects when that does not hold; nothing is applied before. */
  following(statement: SignedStatement): Promise<void>;
  /** The newest entry of the source, and when it was made. */
  head(seq: number, atMs: number): void;
  /** Entries up to `seq` are on the disk; rows of `tables` changed. */
  applied(seq: number, tables: string[]): void;
  /** The primary asks that this side does not take over for a while (automatic failover). */
  hold(question: Extract<FromSource, { kind: 'hold' }>): void;
  /** How something else is said to the source; undefined: the link is over. */
  speak(say: ((message: FromFollower) => void) | undefined): void;
  /** All tables were compared at one entry. */
  compared(differing: string[]): void;
  /** Ends it at once: a source that hangs does not say goodbye. What has come by then is applied. */
  stop: AbortSignal;
  log: Log;
}

/** Follows until the link ends. Rejects with what cannot be applied: `STORE_LOG_GAP`, `STORE_LOG_BROKEN`, `STORE_NEWER`, `STORE_DIVERGED`, `STORE_DISK_FULL`, and so on. */
export function followLink(socket: LinkSocket, options: FollowLinkOptions): Promise<LinkEnd> {
  return new FollowLink(socket, options).ended;
}

class FollowLink {
  readonly ended: Promise<LinkEnd>;
  readonly #socket: LinkSocket;
  readonly #options: FollowLinkOptions;
  readonly #end: (end: LinkEnd) => void;
  readonly #fail: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #answerTimer: NodeJS.Timeout;
  readonly #onStop = (): void => this.#end({ kind: 'closed' });
  #waiting: { item: ChangeLogEntry | Extract<FromSource, { kind: 'hashes' }>; bytes: number }[] = [];
  #waitingBytes = 0;
  #isScheduled = false;
  #isOver = false;
  /** Entries wait until the source has shown its right to be followed, and while the own view is taken. */
  #isHeld = true;
  #isAnswered = false;
  #own: { seq: number; tables: Promise<Record<string, string> | undefined> } | undefined;

  constructor(socket: LinkSocket, options: FollowLinkOptions) {
    this.#socket = socket;
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<LinkEnd>();
    this.ended = promise;
    this.#end = (end) => this.#over(() => resolve(end));
    this.#fail = (error) => this.#over(() => reject(error as Error));
    this.#timer = setInterval(() => this.#say({ kind: 'status', ...options.status() }), STATUS_INTERVAL_MS);
    this.#answerTimer = setTimeout(() => this.#end({ kind: 'closed' }), ANSWER_LIMIT_MS);
    socket.on('message', (data: Buffer, binary: boolean) => {
      try {
        this.#received(data, binary);
      } catch (error) {
        this.#fail(error);
      }
    });
    socket.on('error', () => socket.terminate());
    socket.once('close', () => this.#end({ kind: 'closed' }));
    options.stop.addEventListener('abort', this.#onStop, { once: true });
    this.#say({ kind: 'hello', ...options.hello });
    options.speak((message) => this.#say(message));
  }

  #over(settle: () => void): void {
    if (this.#isOver) return;
    // What has come is applied before the link is given up.
    try {
      this.#applyWaiting();
    } catch {
      // The next link meets it again, and says why.
    }
    this.#isOver = true;
    this.#options.stop.removeEventListener('abort', this.#onStop);
    this.#options.speak(undefined);
    clearInterval(this.#timer);
    clearTimeout(this.#answerTimer);
    this.#socket.close();
    settle();
  }

  #received(data: Buffer, binary: boolean): void {
    if (this.#isOver) return;
    if (binary) {
      this.#push(decodeEntry(data), data.length);
      return;
    }
    if (data.length > PAIR_MESSAGE_MAX_BYTES) throw malformed();
    const message = parseMessage(data);
    switch (message.kind) {
      case 'following':
        clearTimeout(this.#answerTimer);
        return this.#following(message.statement);
      case 'snapshot-needed':
        return this.#end(message);
      case 'head':
        return this.#options.head(message.seq, message.atMs);
      case 'hashes':
        return this.#push(message, data.length);
      case 'hold':
        return this.#options.hold(message);
      case 'handing-over':
        return;
    }
  }

  #following(statement: SignedStatement): void {
    if (this.#isAnswered) throw malformed();
    this.#isAnswered = true;
    this.#options.following(statement).then(() => {
      this.#isHeld = false;
      this.#schedule();
    }, this.#fail);
  }

  #push(item: ChangeLogEntry | Extract<FromSource, { kind: 'hashes' }>, bytes: number): void {
    this.#waiting.push({ item, bytes });
    this.#waitingBytes += bytes;
    if (this.#waitingBytes > WAITING_BYTES_MAX && !this.#socket.isPaused) this.#socket.pause();
    this.#schedule();
  }

  /** What comes in one turn of the loop is applied together in the next. */
  #schedule(): void {
    if (this.#isScheduled || this.#isHeld || this.#isOver) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isOver) return;
      try {
        this.#applyWaiting();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #applyWaiting(): void {
    if (this.#isHeld || this.#isOver) return;
    const batch: ChangeLogEntry[] = [];
    let bytes = 0;
    while (batch.length < BATCH_ENTRIES_MAX && bytes < BATCH_BYTES_MAX) {
      const [next] = this.#waiting;
      if (next === undefined || isHashes(next.item)) break;
      this.#take();
      batch.push(next.item);
      bytes += next.bytes;
    }
    if (batch.length > 0) this.#apply(batch);
    const [next] = this.#waiting;
    if (next !== undefined && isHashes(next.item)) {
      this.#take();
      this.#compare(next.item);
    }
    if (this.#waitingBytes <= WAITING_BYTES_MAX / 2 && this.#socket.isPaused) this.#socket.resume();
    if (this.#waiting.length > 0) this.#schedule();
  }

  #take(): void {
    this.#waitingBytes -= this.#waiting.shift()?.bytes ?? 0;
  }

  #apply(batch: ChangeLogEntry[]): void {
    const { store } = this.#options;
    if (store === undefined) throw malformed();
    faultPointNow('sync/received');
    const { seq, tables } = store.applyEntries(batch);
    faultPointNow('sync/applied');
    this.#say({ kind: 'ack', seq });
    this.#options.applied(seq, tables);
  }

  /** Without tables it announces the point at which the source's view was taken: the own one is taken at the same entry. */
  #compare({ seq, tables }: Extract<FromSource, { kind: 'hashes' }>): void {
    const { store, log } = this.#options;
    if (Object.keys(tables).length > 0) return void this.#compareWith(seq, tables);
    if (store === undefined || store.head().seq !== seq) return;
    this.#isHeld = true;
    const release = () => {
      this.#isHeld = false;
      this.#schedule();
    };
    const taken = store.hashes(release).then(
      (own) => (own.seq === seq ? own.tables : undefined),
      (error: unknown) => {
        log.info({ err: error }, 'failover.not-compared');
        release();
        return undefined;
      },
    );
    this.#own = { seq, tables: taken };
  }

  async #compareWith(seq: number, theirs: Record<string, string>): Promise<void> {
    const own = this.#own?.seq === seq ? await this.#own.tables : undefined;
    if (own === undefined || this.#isOver) return;
    const names = new Set([...Object.keys(own), ...Object.keys(theirs)]);
    const differing = [...names].filter((name) => own[name] !== theirs[name]).sort();
    if (differing.length > 0) this.#say({ kind: 'hashes-differ', seq, tables: differing.slice(0, 200) });
    this.#options.compared(differing);
  }

  #say(message: FromFollower): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

function isHashes(item: ChangeLogEntry | FromSource): item is Extract<FromSource, { kind: 'hashes' }> {
  return 'kind' in item && item.kind === 'hashes';
}

function parseMessage(data: Buffer): FromSource {
  try {
    const parsed = fromSource.safeParse(JSON.parse(data.toString('utf8')));
    if (parsed.success) return parsed.data;
  } catch {
    // As what has another shape.
  }
  throw malformed();
}

function malformed(): AppError {
  return new AppError(
    'unavailable',
    'PAIR_ANSWER_INVALID',
    'What the peer sends cannot be read: look at the versions of both appliances.',
  );
}
