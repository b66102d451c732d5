/** The side that is followed: sends entries of the change log as they are made, and hears what the follower has on its disk (docs/spec/pair.md, 5). */
import type { Log } from '@bascule/log/log.ts';
import {
  fromFollower,
  PAIR_MESSAGE_MAX_BYTES,
  PAIR_SILENCE_LIMIT_MS,
  PAIR_VERSIONS,
  type FollowHello,
  type FromFollower,
  type FromSource,
  type SignedStatement,
} from '@bascule/protocol/pair-link.ts';
import { encodeEntry } from '@bascule/store/entry-format.ts';
import type { Store } from '@bascule/store/store.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';

/** Entries read and sent without a pause, and what may wait in the link's buffer before the next are read. */
const READ_BYTES = 1024 * 1024;
const SEND_BUFFER_MAX_BYTES = 8 * 1024 * 1024;
/** The newest entry is told this often, also when there is nothing new. */
const HEAD_INTERVAL_MS = PAIR_SILENCE_LIMIT_MS / 3;
/** A follower that has connected says what it has within this. */
const HELLO_LIMIT_MS = 10_000;
/** All tables are compared soon after following has begun, and then again and again, in the background (I4). */
const COMPARE_FIRST_MS = 10_000;
const COMPARE_INTERVAL_MS = 60 * 60_000;
const GOING_AWAY = 1001;
const REFUSED = 4000;

export type FollowerStatus = Extract<FromFollower, { kind: 'status' }>;

export interface FollowSourceOptions {
  /** site.db, as long as there is one. */
  store(): Store | undefined;
  history(): string;
  statement(): SignedStatement | null;
  /** Whether this side has what a follower wants: it is the primary, or the single side of a broken relationship. */
  mayServe(): boolean;
  /** A follower has come, and has everything up to `seq`. */
  begun(seq: number, headSeq: number): void;
  /** Everything up to `seq` is on the follower's disk. */
  acked(seq: number, headSeq: number): void;
  gone(): void;
  heard(status: FollowerStatus): void;
  /** The follower promises not to take over for a while, or does not (automatic failover). */
  held(answer: Extract<FromFollower, { kind: 'held' }>): void;
  /** The follower has entries of this side's own epoch that are not here. */
  ahead(): void;
  /** The follower found its tables to differ from ours at one and the same entry. */
  differs(tables: string[]): void;
  log: Log;
  now(): number;
}

/** One follower at a time: a newer link takes the place of an older one. */
export class FollowSource {
  readonly #options: FollowSourceOptions;
  #link: Following | undefined;

  constructor(options: FollowSourceOptions) {
    this.#options = options;
  }

  get isFollowed(): boolean {
    return this.#link?.isFollowing === true;
  }

  /** Takes the peer's link. */
  accept(socket: LinkSocket): void {
    const store = this.#options.store();
    if (store === undefined || !this.#options.mayServe()) return socket.close(REFUSED, 'nothing to follow here');
    this.#link?.close();
    const link: Following = new Following(socket, store, this.#options, () => {
      if (this.#link !== link) return;
      this.#link = undefined;
      this.#options.gone();
    });
    this.#link = link;
  }

  /** Sends the hashes of all tables at this very moment of the log, and resolves when they are sent. Throws as `Store.hashes`. */
  async compare(): Promise<void> {
    await this.#link?.compare();
  }

  /** Says something to the follower; what cannot be said now is not said later. */
  say(message: FromSource): void {
    this.#link?.say(message);
  }

  /** Ends following: this side is no source any more. */
  close(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.close();
  }
}

class Following {
  readonly #socket: LinkSocket;
  readonly #store: Store;
  readonly #options: FollowSourceOptions;
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #helloTimer: NodeJS.Timeout;
  /** The newest entry that was sent; undefined until it follows. */
  #sent: number | undefined;
  #isWaiting = false;
  #isOver = false;
  #compareTimer: NodeJS.Timeout | undefined;
  #comparing: Promise<void> = Promise.resolve();

  constructor(socket: LinkSocket, store: Store, options: FollowSourceOptions, ended: () => void) {
    this.#socket = socket;
    this.#store = store;
    this.#options = options;
    this.#stopListening = store.onAppended(() => this.#send());
    this.#timer = setInterval(() => this.#tellHead(), HEAD_INTERVAL_MS);
    this.#helloTimer = setTimeout(() => {
      if (this.#sent === undefined) socket.terminate();
    }, HELLO_LIMIT_MS);
    socket.on('message', (data: Buffer, binary: boolean) => this.#received(data, binary));
    socket.on('error', () => socket.terminate());
    socket.once('close', () => {
      this.#stop();
      ended();
    });
  }

  get isFollowing(): boolean {
    return this.#sent !== undefined;
  }

  close(): void {
    this.#stop();
    this.#socket.close(GOING_AWAY);
  }

  /** One comparison after the other. Throws as `Store.hashes`. */
  async compare(): Promise<void> {
    const comparing = this.#comparing.then(() => this.#compare());
    this.#comparing = comparing.catch(() => undefined);
    await comparing;
  }

  #compareAfter(pauseMs: number): void {
    this.#compareTimer = setTimeout(() => {
      this.compare()
        .catch((error: unknown) => this.#options.log.warn({ err: error }, 'failover.not-compared'))
        .finally(() => {
          if (!this.#isOver) this.#compareAfter(COMPARE_INTERVAL_MS);
        });
    }, pauseMs).unref();
  }

  async #compare(): Promise<void> {
    let point: number | undefined;
    // The announcement stands in the stream exactly where the view was taken: the follower takes its own there.
    const { seq, tables } = await this.#store.hashes((atSeq) => {
      point = atSeq;
      this.#send();
      this.say({ kind: 'hashes', seq: atSeq, tables: {} });
    });
    if (point === seq) this.say({ kind: 'hashes', seq, tables });
  }

  #stop(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    clearTimeout(this.#compareTimer);
    clearTimeout(this.#helloTimer);
    this.#stopListening();
  }

  #received(data: Buffer, binary: boolean): void {
    const message = binary || data.length > PAIR_MESSAGE_MAX_BYTES ? undefined : parseMessage(data);
    if (message === undefined) {
      this.#options.log.warn({ bytes: data.length, binary }, 'failover.follower-malformed');
      return this.#socket.terminate();
    }
    switch (message.kind) {
      case 'hello':
        return this.#hello(message);
      case 'ack':
        // Nobody has what was never sent.
        if (this.#sent !== undefined && message.seq <= this.#sent) this.#options.acked(message.seq, this.#store.head().seq);
        return;
      case 'status':
        return this.#options.heard(message);
      case 'held':
        return this.#options.held(message);
      case 'hashes-differ':
        return this.#options.differs(message.tables);
    }
  }

  #hello(hello: FollowHello): void {
    if (this.#sent !== undefined || !hello.versions.some((version) => (PAIR_VERSIONS as readonly number[]).includes(version)))
      return this.#socket.terminate();
    const reason = this.#whySnapshot(hello);
    // Nobody but this side writes in its epoch: a follower that has other entries of it was told them by us, before we were set back.
    if (reason === 'diverged' && hello.epoch === this.#store.head().epoch) {
      this.#options.ahead();
      return this.#socket.close(REFUSED, 'behind');
    }
    if (reason !== undefined) {
      this.#options.log.info({ reason, seq: hello.seq }, 'failover.snapshot-needed');
      this.say({ kind: 'snapshot-needed', reason });
      return this.#socket.close(1000);
    }
    const statement = this.#options.statement();
    if (statement === null) return this.#socket.close(REFUSED, 'no statement');
    clearTimeout(this.#helloTimer);
    this.say({ kind: 'following', from: hello.seq, statement });
    this.#sent = hello.seq;
    this.#options.begun(hello.seq, this.#store.head().seq);
    this.#tellHead();
    this.#send();
    this.#compareAfter(COMPARE_FIRST_MS);
  }

  #whySnapshot({ history, seq, hash }: FollowHello): Extract<FromSource, { kind: 'snapshot-needed' }>['reason'] | undefined {
    if (history !== this.#options.history()) return 'other-history';
    if (seq === 0) return 'new';
    const own = this.#store.head();
    if (this.#store.hasEntry(seq, Buffer.from(hash, 'hex'))) return undefined;
    return seq <= own.seq && this.#isTrimmed(seq) ? 'too-far-behind' : 'diverged';
  }

  #isTrimmed(seq: number): boolean {
    try {
      this.#store.entriesAfter(seq, 1);
      return false;
    } catch {
      return true;
    }
  }

  /** Sends what there is, as far as the link takes it. */
  #send(): void {
    if (this.#sent === undefined || this.#isWaiting) return;
    const { seq } = this.#store.head();
    while (this.#sent < seq && this.#socket.readyState === this.#socket.OPEN) {
      if (this.#socket.bufferedAmount > SEND_BUFFER_MAX_BYTES) return;
      const entries = this.#store.entriesAfter(this.#sent, READ_BYTES);
      const last = entries.at(-1);
      if (last === undefined) return;
      for (const entry of entries) this.#socket.send(encodeEntry(entry), entry === last ? () => this.#sentBatch() : undefined);
      this.#sent = last.seq;
    }
  }

  /** A batch has left the buffer: gives way to other work before the next. */
  #sentBatch(): void {
    if (this.#isWaiting || this.#sent === undefined) return;
    this.#isWaiting = true;
    setImmediate(() => {
      this.#isWaiting = false;
      try {
        this.#send();
      } catch (error) {
        this.#options.log.error({ err: error }, 'failover.not-sent');
        this.#socket.terminate();
      }
    });
  }

  #tellHead(): void {
    if (this.#sent === undefined) return;
    const { seq } = this.#store.head();
    const newest = this.#store.entriesAfter(Math.max(0, seq - 1), 1)[0];
    const timeMs = this.#options.now();
    this.say({ kind: 'head', seq, atMs: newest?.atMs ?? timeMs, timeMs });
    this.#send();
  }

  say(message: FromSource): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}

function parseMessage(data: Buffer): FromFollower | undefined {
  try {
    return fromFollower.safeParse(JSON.parse(data.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
