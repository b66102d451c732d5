/**
 * Who waits for the peer, and for how long (architecture 8): replies and effects of transactions, in the order of their commits. In async mode those of classes that must not
 * get lost wait up to a second; in sync mode all of them, until the peer has them or is declared behind.
 */
import type { PairMode } from '@bascule/protocol/api/failover.ts';
import type { Log } from '@bascule/log/log.ts';
import { notConfirmed } from './failover-errors.ts';

/** In async mode nothing waits longer. */
export const ASYNC_WAIT_LIMIT_MS = 1000;
/** In sync mode a peer that has not confirmed for this long is declared behind, and the primary goes on alone. */
export const SYNC_WAIT_LIMIT_MS = 6000;
/** Replies and effects that wait at one time; what would make more of them is not written (`isFull`). */
export const QUEUE_MAX = 10_000;
/** In sync mode with a witness: it is asked again after this, for it must know first that the peer is behind. */
const ALONE_RETRY_MS = 500;

interface Waiting {
  seq: number;
  sinceMs: number;
  run(): void;
  /** Instead of `run`, when this side is overruled before the peer has it. */
  drop(): void;
}

export interface PeerGateOptions {
  mode(): PairMode;
  /** To be done before the primary goes on without a peer in sync mode (the witness writes it down); rejects while it cannot be. */
  beforeAlone(): Promise<void>;
  /** The peer is up to date now, or is not any more. */
  inSyncChanged(isInSync: boolean): void;
  log: Log;
}

export class PeerGate {
  readonly #options: PeerGateOptions;
  readonly #queue: Waiting[] = [];
  #heard: (() => void)[] = [];
  #acked = 0;
  #committed = 0;
  /** The newest transaction of a class that waits. */
  #committedWaiting = 0;
  #isConnected = false;
  /** Whether the peer confirmed lately everything there was: nobody waits for one that does not keep up. */
  #isInSync = false;
  #isGoingAlone = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PeerGateOptions) {
    this.#options = options;
  }

  get ackedSeq(): number {
    return this.#acked;
  }

  /** Whether the peer has confirmed everything, but for what is on its way. */
  get isInSync(): boolean {
    return this.#isInSync;
  }

  /** So many wait that nothing more is to be written before some of them are through. */
  get isFull(): boolean {
    return this.#queue.length >= QUEUE_MAX;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Store option: a transaction of ours has committed. */
  onCommitted(seq: number, waitsForPeer: boolean): void {
    this.#committed = seq;
    if (waitsForPeer) this.#committedWaiting = seq;
  }

  /** Store option: runs the effects of a transaction now, or when the peer has it. Effects never overtake each other. */
  holdEffects(seq: number, waitsForPeer: boolean, run: () => void): void {
    const waits = this.#waits(seq, waitsForPeer);
    if (!waits && this.#queue.length === 0) return run();
    this.#push(waits ? seq : 0, run, () => undefined);
  }

  /** Resolves when the reply to what was committed until now may be given. Rejects with `FAILOVER_NOT_CONFIRMED` when this side is overruled before. */
  async beforeReply(): Promise<void> {
    const seq = this.#options.mode() === 'sync' ? this.#committed : this.#committedWaiting;
    if (!this.#waits(seq, true)) return;
    await new Promise<void>((resolve, reject) => this.#push(seq, resolve, () => reject(notConfirmed())));
  }

  /** The follower has come, and says that it has everything up to `seq`: less than it had before, when its machine was set back (I5). */
  begun(seq: number, headSeq: number): void {
    const isSetBack = seq < this.#acked;
    this.#acked = seq;
    this.acked(seq, headSeq);
    if (isSetBack && this.#isInSync && seq < headSeq) this.#goOnAlone('the peer was set back');
  }

  /** Nobody follows yet, and the peer is known to have had everything up to `seq`: for what people are shown. */
  assume(seq: number): void {
    if (!this.#isConnected) this.#acked = seq;
  }

  /** The follower is there, and has everything up to `seq` on its disk; `headSeq` is the newest there is. */
  acked(seq: number, headSeq: number): void {
    this.#isConnected = true;
    this.#acked = Math.max(this.#acked, seq);
    this.#committed = Math.max(this.#committed, headSeq);
    if (!this.#isInSync && this.#acked >= headSeq) this.#setInSync(true);
    this.#pump();
    this.#tellHeard();
  }

  /** Resolves with true when the follower has `seq`, and with false when it has not after `limitMs`, or its link ends. */
  async whenAcked(seq: number, limitMs: number): Promise<boolean> {
    const endMs = performance.now() + limitMs;
    while (this.#acked < seq) {
      if (performance.now() >= endMs || !this.#isConnected) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, endMs - performance.now());
      this.#heard.push(resolve);
      await promise;
      clearTimeout(timer);
    }
    return true;
  }

  /** The follower's link is gone. */
  gone(): void {
    this.#isConnected = false;
    this.#tellHeard();
    if (this.#isInSync) this.#goOnAlone('the link to the peer is gone');
  }

  /** The relationship is over, and this side goes on alone; in sync mode not before that is written down. */
  leave(): void {
    this.#isConnected = false;
    this.#tellHeard();
    if (this.#isInSync) this.#goOnAlone('the relationship is broken');
  }

  /** Another follower: nothing is known of what it has. Who waits goes on as after `leave`. */
  reset(): void {
    this.#acked = 0;
    this.leave();
  }

  /** This side has the site no more: what the peer has not confirmed is told to nobody, and has no effects. */
  abandon(): void {
    this.#acked = 0;
    this.#isConnected = false;
    if (this.#isInSync) this.#setInSync(false);
    if (this.#queue.length > 0) this.#options.log.warn({ waiting: this.#queue.length }, 'failover.not-confirmed');
    for (const waiting of this.#queue.splice(0)) waiting.drop();
    this.#disarm();
    this.#tellHeard();
  }

  /** The program ends. In sync mode nobody hears of what the peer does not have. */
  close(): void {
    if (this.#isInSync && this.#options.mode() === 'sync') this.abandon();
    this.#isInSync = false;
    this.#release();
    this.#disarm();
  }

  #tellHeard(): void {
    for (const resolve of this.#heard.splice(0)) resolve();
  }

  #waits(seq: number, waitsForPeer: boolean): boolean {
    return this.#isInSync && seq > this.#acked && (waitsForPeer || this.#options.mode() === 'sync');
  }

  #push(seq: number, run: () => void, drop: () => void): void {
    this.#queue.push({ seq, sinceMs: performance.now(), run, drop });
    this.#arm();
  }

  /** Runs from the front what need not wait any longer. */
  #pump(): void {
    while (this.#queue.length > 0 && (!this.#isInSync || this.#queue[0]!.seq <= this.#acked)) this.#queue.shift()!.run();
    this.#arm();
  }

  #release(): void {
    for (const waiting of this.#queue.splice(0)) waiting.run();
    this.#disarm();
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(): void {
    const [first] = this.#queue;
    if (first === undefined || this.#timer !== undefined || this.#isGoingAlone) return;
    const limitMs = this.#options.mode() === 'sync' ? SYNC_WAIT_LIMIT_MS : ASYNC_WAIT_LIMIT_MS;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        const [oldest] = this.#queue;
        if (oldest === undefined) return;
        if (performance.now() - oldest.sinceMs >= limitMs) this.#goOnAlone('the peer does not confirm');
        else this.#arm();
      },
      Math.max(1, limitMs - (performance.now() - first.sinceMs)),
    );
  }

  /** The peer does not keep up: nobody waits for it until it has everything again. In sync mode not before that is written down. */
  #goOnAlone(reason: string): void {
    if (this.#isGoingAlone || !this.#isInSync) return;
    if (this.#options.mode() === 'async') return this.#alone(reason);
    this.#isGoingAlone = true;
    this.#options.beforeAlone().then(
      () => {
        this.#isGoingAlone = false;
        this.#alone(reason);
      },
      (error: unknown) => {
        this.#options.log.warn({ err: error }, 'failover.not-alone-yet');
        setTimeout(() => {
          this.#isGoingAlone = false;
          // It came back meanwhile, and has confirmed: nothing needs to be declared.
          if (this.#isConnected && this.#acked >= this.#committed) this.#pump();
          else this.#goOnAlone(reason);
        }, ALONE_RETRY_MS).unref();
      },
    );
  }

  #alone(reason: string): void {
    // It may have confirmed everything while that was written down.
    if (this.#isConnected && this.#acked >= this.#committed) return this.#pump();
    this.#options.log.warn({ reason, acked: this.#acked, newest: this.#committed }, 'failover.peer-behind');
    this.#setInSync(false);
    this.#release();
  }

  #setInSync(isInSync: boolean): void {
    this.#isInSync = isInSync;
    this.#options.inSyncChanged(isInSync);
  }
}
