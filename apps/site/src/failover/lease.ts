/**
 * The lease of a pair with automatic failover, as main sees it (architecture 8, docs/decisions/0178-0183). A thread of its own talks to the witness; main reads from memory
 * shared with it whether it may write. While it is not started, roles change by people alone and nothing needs a lease.
 */
import type { Worker } from 'node:worker_threads';
import { bootClockMs } from '@bascule/core/boot-clock.ts';
import type { WitnessRecord } from '@bascule/pair/lease-state.ts';
import { CLAIM_LIFE_MS, LEASE_TERMS, RESTART_LEASE_MS } from '@bascule/pair/lease-terms.ts';
import type { WitnessState } from '@bascule/protocol/api/failover.ts';
import { claimFailed, noLease, notRecorded } from './lease-errors.ts';
import {
  CELLS,
  CELLS_BYTES,
  HELD_FOR_EVER,
  type FromLeaseThread,
  type LeaseThreadData,
  type ToLeaseThread,
  type WonLease,
} from './lease-messages.ts';
import type { HoldAnswer, LeaseConfig, LeaseOptions, LeaseRoleFacts } from './lease-options.ts';
import { startLeaseThread } from './lease-worker.ts';

export type { LeaseConfig, LeaseRoleFacts } from './lease-options.ts';

/** Main says this often that its loop turns, and how far it is. */
const ALIVE_INTERVAL_MS = 250;
/** `recordPeerBehind` and `prepareRestart` wait for the witness so long. */
const RECORD_LIMIT_MS = 2_000;
/** A thread that ended is started again after this. */
const RESTART_THREAD_MS = 1_000;

export class Lease {
  readonly #options: LeaseOptions;
  readonly #cells = new BigInt64Array(new SharedArrayBuffer(CELLS_BYTES));
  readonly #lostListeners: ((record: WitnessRecord) => void)[] = [];
  readonly #wonListeners: ((won: WonLease) => void)[] = [];
  #config: LeaseConfig | undefined;
  #worker: Worker | undefined;
  #aliveTimer: NodeJS.Timeout | undefined;
  #restartTimer: NodeJS.Timeout | undefined;
  #inSync = false;
  #isFit = true;
  #isLeaving = false;
  /** Given up: whatever the thread has still written. */
  #isReleased = false;
  #version = 0;
  #status: Extract<FromLeaseThread, { kind: 'status' }> | undefined;
  #answeredAtMs: number | null = null;
  #claim: PromiseWithResolvers<WonLease> | undefined;
  #release: PromiseWithResolvers<void> | undefined;
  readonly #changed = new Set<() => void>();
  #askPeer: (question: { nonce: number; epoch: number; leaseMs: number }) => void = () => undefined;
  #answerPeer: (answer: HoldAnswer) => void = () => undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Automatic failover is on: from now on writing needs the lease. */
  get isOn(): boolean {
    return this.#config !== undefined;
  }

  /**
   * Turns automatic failover on, or begins anew with another configuration. Nothing is held until the witness has answered. In one program of an appliance at a time: the one
   * that writes.
   */
  start(config: LeaseConfig): void {
    this.#end();
    this.#config = config;
    this.#inSync = false;
    this.#isReleased = false;
    this.#status = undefined;
    this.#answeredAtMs = null;
    this.alive();
    this.#aliveTimer = setInterval(() => this.alive(), ALIVE_INTERVAL_MS).unref();
    this.#startThread();
  }

  /**
   * Turns automatic failover off, by a person's order. A standby leaves at once. A primary first has it on record that nobody else is in sync, or hears that the peer has
   * left too: otherwise that one would take over when the lease runs out. Until then it needs the lease (`isOn`), and `start` takes it back. `regardless`: at once, by the word
   * of a person who knows that the other side does not serve.
   */
  stop({ regardless = false }: { regardless?: boolean } = {}): void {
    if (this.#config?.role === 'primary' && !regardless) {
      this.#isLeaving = true;
      return this.#leave();
    }
    this.#end();
    this.#config = undefined;
  }

  /** For store (`mayWrite`) and replies: throws `FAILOVER_NO_LEASE` when this side must not write or answer now. Costs two microseconds. */
  assertHeld(): void {
    if (this.#config === undefined) return;
    const untilMs = this.#heldUntil();
    if (untilMs !== HELD_FOR_EVER && BigInt(bootClockMs()) >= untilMs) throw noLease();
  }

  /** What is left of the lease, as this side counts it; Infinity: nobody else can get it, since the peer is on record as behind. Null: automatic failover is off. */
  leftMs(): number | null {
    if (this.#config === undefined) return null;
    const untilMs = this.#heldUntil();
    return untilMs === HELD_FOR_EVER ? Infinity : Math.max(0, Number(untilMs) - bootClockMs());
  }

  /** Whether this side holds the lease, or needs none, within `limitMs`: for a primary that has just been started and is to write. */
  whenHeld(limitMs: number): Promise<boolean> {
    return this.#until(() => this.leftMs() !== 0, limitMs);
  }

  /** Main took a role: of itself, or because of `onWon` or `onLost`. A new primary is in sync with nobody until `setInSync` says so. */
  setRole(facts: LeaseRoleFacts): void {
    if (this.#config === undefined) return;
    const { role, history, epoch } = this.#config;
    const isSame = role === 'primary' && facts.role === role && facts.history === history && facts.epoch === epoch;
    if (!isSame) this.#inSync = false;
    this.#config = { ...this.#config, ...facts };
    this.#isReleased = false;
    this.#tell({ kind: 'role', ...facts });
    this.#tellFit();
  }

  /**
   * Of the primary: whether the peer has everything, but for what replies are waiting for. `true` is to be said only when every change that was answered for is on the peer,
   * and from then on replies wait; after `false` they go on waiting (in sync mode) until `recordPeerBehind` has resolved. Without effect on a standby: whether that may take
   * over is what the primary said last, which the witness has on record.
   */
  setInSync(inSync: boolean): void {
    if (this.#config?.role !== 'primary' || this.#inSync === inSync || (this.#isLeaving && inSync)) return;
    this.#inSync = inSync;
    this.#version += 1;
    this.alive();
    this.#tell({ kind: 'wish', inSync, version: this.#version });
  }

  /**
   * Of a standby: whether there is a copy that it could be primary with. It need not follow just now: that the primary is gone is when it is wanted. Fit until this says
   * otherwise, as while the copy is replaced.
   */
  setFit(isFit: boolean): void {
    if (this.#isFit === isFit) return;
    this.#isFit = isFit;
    this.#tellFit();
  }

  /** Whether the witness has on record that the peer is behind, so that a primary in sync mode may answer without it. True while automatic failover is off. */
  get isPeerRecordedBehind(): boolean {
    if (this.#config === undefined) return true;
    return !this.#inSync && Atomics.load(this.#cells, CELLS.recordedVersion) === BigInt(this.#version);
  }

  /** Says `setInSync(false)` and resolves when that is on record. Rejects with `FAILOVER_NOT_RECORDED` when the witness does not answer within two seconds: try again. */
  async recordPeerBehind(): Promise<void> {
    this.setInSync(false);
    if (!(await this.#until(() => this.isPeerRecordedBehind))) throw notRecorded();
  }

  /**
   * Gets the lease for a standby: in a planned swap, after the holder has released it and said so over the pair link; or by the word of a named person, who was shown what is lost (`forcedBy`). When it resolves
   * this side holds the lease; it then becomes primary of `epoch` and says so by `setRole`. Rejects with `FAILOVER_CLAIM_FAILED`. While off: `undefined`.
   */
  async claim(options: { forcedBy?: string } = {}): Promise<WonLease | undefined> {
    if (this.#config === undefined) return undefined;
    this.#claim?.reject(claimFailed('replaced'));
    this.#claim = Promise.withResolvers();
    this.alive();
    this.#tell({ kind: 'claim', forcedBy: options.forcedBy, lifeMs: CLAIM_LIFE_MS });
    return this.#claim.promise;
  }

  /** Gives the lease up: nothing may be written from this moment. Resolves when the witness knows, or cannot be told (then the lease runs out by itself). */
  async release(options: { peerInSync: boolean }): Promise<void> {
    if (this.#config === undefined) return;
    this.#release ??= Promise.withResolvers();
    this.alive();
    this.#isReleased = true;
    this.#tell({ kind: 'release', peerInSync: options.peerInSync });
    await this.#release.promise;
  }

  /** Before the program is restarted on purpose: asks for a lease that outlasts it. Resolves when it is there, or after two seconds. */
  async prepareRestart(): Promise<void> {
    if (this.#config?.role !== 'primary') return;
    this.#tell({ kind: 'lease-length', leaseMs: RESTART_LEASE_MS });
    await this.#until(() => (this.leftMs() ?? Infinity) > RESTART_LEASE_MS / 2);
  }

  /** Somebody else holds the lease by a higher epoch. Nothing can be written already. */
  onLost(listener: (record: WitnessRecord) => void): void {
    this.#lostListeners.push(listener);
  }

  /** This side took over by itself: it holds the lease, becomes primary of that epoch, and says so by `setRole` (or gives it up by `release`). */
  onWon(listener: (won: WonLease) => void): void {
    this.#wonListeners.push(listener);
  }

  /**
   * The pair link carries what lets a primary go on while the witness is away: `ask` is sent to the peer as `hold`, which gives it to `peerAsks`; what comes of that is sent
   * back by `answer` as `held`, and given to `peerAnswers`. What cannot be sent now is not sent later.
   */
  overPairLink(ways: {
    ask(question: { nonce: number; epoch: number; leaseMs: number }): void;
    answer(answer: HoldAnswer): void;
  }): void {
    this.#askPeer = ways.ask;
    this.#answerPeer = ways.answer;
  }

  peerAsks(question: { nonce: number; epoch: number; leaseMs: number }): void {
    const { nonce, epoch, leaseMs } = question;
    if (this.#config) this.#tell({ kind: 'peer-asks', nonce, epoch, leaseMs });
    else this.#answerPeer({ nonce, isPromised: true, isOff: true });
  }

  peerAnswers(answer: HoldAnswer): void {
    if (this.#isLeaving && answer.isOff === true) return this.stop({ regardless: true });
    this.#tell({ kind: 'peer-answers', nonce: answer.nonce, isPromised: answer.isPromised });
  }

  /** For the page. Null: automatic failover is off. */
  state(): WitnessState | null {
    if (this.#config === undefined) return null;
    const { endpoint, peer } = this.#config;
    const record = this.#status?.record;
    const leftMs = this.leftMs();
    const link = this.#status?.link === 'ready' ? 'connected' : 'unreachable';
    return {
      endpoint,
      state: this.#status?.isRefused === true ? 'refused' : link,
      lastAnswerAtMs: this.#answeredAtMs,
      leaseLeftMs: leftMs === Infinity ? null : leftMs,
      holder: record?.holderName ?? null,
      peerInSync: record?.inSync.includes(peer) ?? false,
    };
  }

  /** When the witness last heard of the peer, counted from its last answer to us ('who still sees it'). Null: it has not, or has not said. */
  peerHeardAgoMs(): number | null {
    return this.#status?.record?.heard.find(({ key }) => key === this.#config?.peer)?.agoMs ?? null;
  }

  /** Main's loop turns, and who asks reaches it. Said four times a second by itself. */
  alive(): void {
    if (this.#options.isReached?.() === false) return;
    const { seq, peerSeq } = this.#options.position();
    Atomics.store(this.#cells, CELLS.seq, BigInt(seq));
    Atomics.store(this.#cells, CELLS.peerSeq, BigInt(peerSeq));
    Atomics.store(this.#cells, CELLS.aliveAt, BigInt(bootClockMs()));
  }

  close(): void {
    this.stop({ regardless: true });
    this.#lostListeners.length = 0;
    this.#wonListeners.length = 0;
  }

  #startThread(): void {
    if (this.#config === undefined) return;
    const { endpoint, witnessKeySha256, keyPem, certificatePem, ...facts } = this.#config;
    const workerData: LeaseThreadData = {
      enabledBy: undefined,
      ...facts,
      cells: this.#cells.buffer,
      access: { endpoint, witnessKeySha256, keyPem, certificatePem },
      terms: this.#options.terms ?? LEASE_TERMS,
    };
    const worker = startLeaseThread(workerData, {
      heard: (message) => {
        if (this.#worker === worker) this.#heard(message);
      },
      failed: (error) => this.#options.log.error({ err: error }, 'lease.thread-failed'),
      ended: () => {
        if (this.#worker === worker) this.#threadEnded();
      },
    });
    this.#worker = worker;
    this.#tellFit();
    if (facts.role === 'primary') this.#tell({ kind: 'wish', inSync: this.#inSync, version: this.#version });
  }

  #tellFit(): void {
    if (this.#config?.role === 'standby') this.#tell({ kind: 'ready', isReady: this.#isFit });
  }

  #heldUntil(): bigint {
    return this.#isReleased ? 0n : Atomics.load(this.#cells, CELLS.heldUntil);
  }

  /** Nobody keeps the lease any more: it ends now, and not when somebody else may have it. */
  #threadEnded(): void {
    this.#options.log.error({}, 'lease.thread-ended');
    this.#worker = undefined;
    this.#nothingHeld();
    this.#failWaiting('no-witness');
    this.#restartTimer = setTimeout(() => this.#startThread(), RESTART_THREAD_MS).unref();
  }

  #nothingHeld(): void {
    Atomics.store(this.#cells, CELLS.heldUntil, 0n);
    Atomics.store(this.#cells, CELLS.recordedVersion, -1n);
  }

  #leave(): void {
    if (!this.#isLeaving) return;
    if (this.isPeerRecordedBehind) return this.stop({ regardless: true });
    // Not said into the void: a promise of the peer would not count any more.
    if (this.#status?.link === 'ready') this.setInSync(false);
  }

  #end(): void {
    this.#isLeaving = false;
    clearInterval(this.#aliveTimer);
    clearTimeout(this.#restartTimer);
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.postMessage({ kind: 'close' } satisfies ToLeaseThread);
    void worker?.terminate();
    this.#nothingHeld();
    this.#failWaiting('no-witness');
  }

  #failWaiting(outcome: string): void {
    this.#claim?.reject(claimFailed(outcome));
    this.#claim = undefined;
    this.#release?.resolve();
    this.#release = undefined;
  }

  #tell(message: ToLeaseThread): void {
    this.#worker?.postMessage(message);
  }

  #heard(message: FromLeaseThread): void {
    switch (message.kind) {
      case 'sign':
        return void this.#sign(message.epoch);
      case 'ask-peer':
        return this.#askPeer({ nonce: message.nonce, epoch: message.epoch, leaseMs: message.leaseMs });
      case 'answer-peer':
        return this.#answerPeer({ nonce: message.nonce, isPromised: message.isPromised });
      case 'won':
        return this.#won(message);
      case 'lost':
        this.#inSync = false;
        for (const listener of this.#lostListeners) listener(message.record);
        return undefined;
      case 'claim-failed':
        this.#claim?.reject(claimFailed(message.outcome));
        this.#claim = undefined;
        return undefined;
      case 'released':
        this.#release?.resolve();
        this.#release = undefined;
        return undefined;
      case 'status':
        this.#status = message;
        if (message.isAnswer) this.#answeredAtMs = Date.now();
    }
    for (const changed of this.#changed) changed();
    return this.#leave();
  }

  #won({ epoch, statement, forcedBy, isOrdered, record }: Extract<FromLeaseThread, { kind: 'won' }>): void {
    this.#inSync = false;
    this.#isReleased = false;
    if (this.#config) this.#config = { ...this.#config, role: 'primary', epoch, statement };
    const won = { epoch, statement, forcedBy, record };
    const claim = this.#claim;
    this.#claim = undefined;
    if (isOrdered && claim) return claim.resolve(won);
    for (const listener of this.#wonListeners) listener(won);
  }

  async #sign(epoch: number): Promise<void> {
    try {
      const statement = await this.#options.sign(epoch);
      this.#tell({ kind: 'signed', epoch, statement });
    } catch (error) {
      this.#options.log.error({ err: error, epoch }, 'lease.not-signed');
    }
  }

  /** Whether `holds` became true in time. */
  #until(holds: () => boolean, limitMs = RECORD_LIMIT_MS): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (is: boolean) => {
        clearTimeout(limit);
        this.#changed.delete(check);
        resolve(is);
      };
      const check = () => {
        if (holds()) done(true);
      };
      const limit = setTimeout(() => done(false), limitMs);
      this.#changed.add(check);
    });
  }
}
