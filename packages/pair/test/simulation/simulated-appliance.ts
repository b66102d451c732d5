/** One appliance: the real core of the lease, and around it as much of main as the rules speak of: a log, a follower, replies that wait, roles on disk. */
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import { dueMs, heldUntilMs, stepLease } from '../../src/lease-core.ts';
import { openLease, type LeaseEffect, type LeaseInput, type LeaseState } from '../../src/lease-state.ts';
import { CLAIM_LIFE_MS, LEASE_TERMS } from '../../src/lease-terms.ts';
import type { Ledger, Entry } from './ledger.ts';
import type { Controls } from './schedule.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import { KEYS, type SimulatedWitness } from './simulated-witness.ts';
import { WITNESS, type Connection, type World } from './world.ts';

const TICK_MOST_MS = 400;
const REDIAL_MS = 250;
const GATE_MS = 200;
/** In sync mode the peer is declared behind after this, in async mode when it lags by more. */
export const SYNC_WAIT_MS = 800;
export const ASYNC_LAG_MS = 1000;
const SILENCE_MS = 1500;
const STATEMENT: SignedStatement = { statement: '', signature: '' };

type Heard = LeaseInput extends infer I ? (I extends LeaseInput ? Omit<I, 'nowMs'> : never) : never;

export interface ApplianceParts {
  world: World;
  clock: SimulatedClock;
  witness: SimulatedWitness;
  ledger: Ledger;
  controls: Controls;
  isSync: boolean;
}

export class SimulatedAppliance {
  readonly node: number;
  readonly #parts: ApplianceParts;
  #peer!: SimulatedAppliance;
  /** On disk. */
  log: Entry[] = [];
  role: 'primary' | 'standby';
  epoch = 1;

  lease!: LeaseState;
  #held = 0;
  #tickAt = Infinity;
  #link: Connection | undefined;
  /** As primary: who follows. As standby: whom it follows. */
  #follower: { connection: Connection; acked: number; heardAt: number } | undefined;
  #source: { connection: Connection; heardAt: number } | undefined;
  #inSync = false;
  #version = 0;
  #waiting: Entry[] = [];
  #isStopping = false;

  constructor(node: number, role: 'primary' | 'standby', parts: ApplianceParts) {
    this.node = node;
    this.role = role;
    this.#parts = parts;
  }

  meet(peer: SimulatedAppliance): void {
    this.#peer = peer;
    this.#start();
  }

  /** Whether it takes itself for the one that may write. */
  get holds(): boolean {
    if (this.role !== 'primary') return false;
    return this.#parts.controls.noFence ? this.lease.role === 'primary' : this.#parts.clock.nowMs < this.#held;
  }

  get isAlone(): boolean {
    return this.lease.isAlone;
  }

  get isPromised(): boolean {
    return !this.lease.isAlone && this.lease.grantedUntilMs <= this.#parts.clock.nowMs;
  }

  // What happens to it.

  crash(ms: number): void {
    const { world, clock } = this.#parts;
    if (world.isDown[this.node]) return;
    world.isDown[this.node] = true;
    world.incarnation[this.node]! += 1;
    for (const connection of [this.#link, this.#follower?.connection, this.#source?.connection]) {
      if (connection) connection.open[this.node] = false;
    }
    world.fate(ms, () => {
      world.isDown[this.node] = false;
      if (world.random.next() < 0.3) clock.restart();
      this.#start();
    });
  }

  /** A named person's order to become primary, whatever is lost. */
  force(): void {
    this.#parts.world.after(this.node, 'main', 0, () =>
      this.#hear({ kind: 'claim', forcedBy: 'somebody', lifeMs: CLAIM_LIFE_MS }),
    );
  }

  /** A planned swap, if everything is in order for it. */
  handOver(): void {
    const { world } = this.#parts;
    world.after(this.node, 'main', 0, () => {
      if (this.role !== 'primary' || !this.#inSync || !this.#follower) return;
      this.#isStopping = true;
      world.after(this.node, 'main', 60, () => {
        const follower = this.#follower;
        this.#isStopping = false;
        if (!follower || this.role !== 'primary' || follower.acked < this.log.length) return;
        this.role = 'standby';
        this.#waiting = [];
        this.#hear({ kind: 'release', peerInSync: true });
        world.send(follower.connection, this.node, this.#peer.node, 'main', () => this.#peer.take());
      });
    });
  }

  take(): void {
    this.#hear({ kind: 'claim', forcedBy: undefined, lifeMs: CLAIM_LIFE_MS });
  }

  #start(): void {
    const { clock, world } = this.#parts;
    this.#link = undefined;
    this.#follower = undefined;
    this.#source = undefined;
    this.#inSync = false;
    this.#version = 0;
    this.#waiting = [];
    this.#isStopping = false;
    this.#tickAt = Infinity;
    const { role, epoch } = this;
    const { nowMs } = clock;
    const facts = { site: 'site', self: KEYS[this.node]!, peer: KEYS[1 - this.node]!, history: 'h', statement: STATEMENT };
    this.lease = openLease({ terms: LEASE_TERMS, enabledBy: undefined, role, epoch, nowMs, ...facts });
    this.#publish();
    if (this.role === 'standby') this.#hear({ kind: 'ready', isReady: true });
    this.#tick();
    this.#dial();
    world.after(this.node, 'main', GATE_MS, () => this.#gate());
    world.after(this.node, 'main', world.between(50, 400), () => this.#write());
  }

  // The thread: core and link to the witness.

  #hear(heard: Heard): void {
    const { clock, world } = this.#parts;
    const nowMs = clock.nowMs;
    const { state, effects } = stepLease(this.lease, { ...heard, nowMs } as LeaseInput);
    this.lease = state;
    this.#publish();
    for (const effect of effects) this.#perform(effect);
    const dueAt = world.now + Math.min(TICK_MOST_MS, Math.max(10, clock.truly(dueMs(this.lease) - nowMs) + 1));
    if (dueAt >= this.#tickAt - 5) return;
    this.#tickAt = dueAt;
    world.after(this.node, 'thread', dueAt - world.now, () => {
      if (this.#tickAt === dueAt) this.#tick();
    });
  }

  #tick(): void {
    const { world, clock } = this.#parts;
    this.#tickAt = Infinity;
    const isStuck = world.mainStuckUntil[this.node]! > world.now;
    const aliveAtMs = isStuck ? clock.at(world.mainStuckSince[this.node]!) : clock.nowMs;
    const position = { seq: this.log.length, peerSeq: this.#follower?.acked ?? 0 };
    this.#hear({ kind: 'tick', aliveAtMs, position });
  }

  #publish(): void {
    this.#held = heldUntilMs(this.lease);
  }

  #perform(effect: LeaseEffect): void {
    const { world, witness } = this.#parts;
    switch (effect.kind) {
      case 'send': {
        const link = this.#link;
        if (!link) return;
        world.send(link, this.node, WITNESS, 'thread', () =>
          witness.received(this.node, link, effect.request, (answer) =>
            world.send(link, WITNESS, this.node, 'thread', () => this.#hear({ kind: 'answer', answer })),
          ),
        );
        return;
      }
      case 'drop-link':
        this.#dropLink();
        return;
      case 'sign':
        world.after(this.node, 'main', 1, () =>
          world.after(this.node, 'thread', 1, () => this.#hear({ kind: 'signed', epoch: effect.epoch, statement: STATEMENT })),
        );
        return;
      case 'ask-peer':
        world.after(this.node, 'main', 0, () => this.#tellFollower(effect.nonce, effect.epoch, effect.leaseMs));
        return;
      case 'answer-peer':
        world.after(this.node, 'main', 0, () => {
          const source = this.#source;
          if (source) this.#send(source.connection, () => this.#peer.heardFollower(source.connection, undefined, effect));
        });
        return;
      case 'won':
        world.after(this.node, 'main', world.between(2, 80), () =>
          this.#becomePrimary(effect.epoch, effect.forcedBy !== undefined),
        );
        return;
      case 'lost':
        world.after(this.node, 'main', world.between(1, 20), () => this.#becomeStandby(effect.record.epoch));
        return;
      case 'released':
        world.after(this.node, 'main', 1, () => this.#becomeStandby(this.epoch));
        return;
      case 'claim-failed':
        return;
    }
  }

  #dropLink(): void {
    if (this.#link) this.#link.open[this.node] = false;
    this.#link = undefined;
    this.#parts.world.after(this.node, 'thread', REDIAL_MS, () => this.#dial());
  }

  /** Three ways of the handshake; the witness knows of the connection when the last has arrived. A connection of a witness that ended is found out like this too. */
  #dial(): void {
    const { world, witness } = this.#parts;
    if (this.#link) return;
    const link = world.connection();
    const incarnation = witness.incarnation;
    let isThrough = false;
    world.send(link, this.node, WITNESS, 'thread', () =>
      world.send(link, WITNESS, this.node, 'thread', () => {
        if (this.#link || !link.open[this.node]) return;
        isThrough = true;
        this.#link = link;
        world.send(link, this.node, WITNESS, 'thread', () => {
          if (witness.incarnation === incarnation) witness.accept(this.node, link);
          else link.open[WITNESS] = false;
        });
        this.#hear({ kind: 'link-up' });
      }),
    );
    world.after(this.node, 'thread', 1000, () => {
      if (isThrough) return;
      link.open[this.node] = false;
      this.#dial();
    });
  }

  // Main: roles.

  #becomePrimary(epoch: number, isForced: boolean): void {
    if (this.lease.role !== 'primary' || this.lease.epoch !== epoch) return;
    this.role = 'primary';
    this.epoch = epoch;
    this.#leave();
    this.#parts.ledger.tookOver(this, isForced);
    this.#hear({ kind: 'role', role: 'primary', history: 'h', epoch, statement: STATEMENT });
  }

  #becomeStandby(epoch: number): void {
    if (this.lease.role === 'primary' && this.lease.epoch >= epoch) return;
    this.role = 'standby';
    this.epoch = Math.max(this.epoch, epoch);
    this.#leave();
    this.#hear({ kind: 'role', role: 'standby', history: 'h', epoch: this.epoch, statement: undefined });
    this.#hear({ kind: 'ready', isReady: true });
  }

  #leave(): void {
    for (const connection of [this.#follower?.connection, this.#source?.connection])
      if (connection) connection.open[this.node] = false;
    this.#follower = undefined;
    this.#source = undefined;
    this.#inSync = false;
    this.#waiting = [];
  }

  // Main: writing and answering.

  #write(): void {
    const { world } = this.#parts;
    world.after(this.node, 'main', world.between(100, 450), () => this.#write());
    if (!this.holds || this.#isStopping) return;
    world.after(this.node, 'main', 2, () => {
      if (!this.holds || this.#isStopping) return;
      const entry: Entry = { epoch: this.epoch, at: world.now, seq: this.log.length + 1, ackedAt: undefined };
      this.log.push(entry);
      this.#replicate();
      if (this.#parts.isSync) this.#waiting.push(entry);
      else world.after(this.node, 'main', 1, () => this.#reply(entry));
      this.#pump();
    });
  }

  #reply(entry: Entry): void {
    if (this.holds && entry.epoch === this.epoch) this.#parts.ledger.acked(this, entry);
  }

  #pump(): void {
    const isAloneAllowed =
      !this.#inSync &&
      (this.#parts.controls.goesOnUnrecorded || (this.lease.role === 'primary' && this.lease.recordedVersion === this.#version));
    while (this.#waiting.length > 0) {
      const entry = this.#waiting[0]!;
      if (!isAloneAllowed && (this.#follower?.acked ?? 0) < entry.seq) break;
      this.#waiting.shift();
      this.#reply(entry);
    }
  }

  /** Whether the peer is in sync: said to the witness, and acted upon. */
  #gate(): void {
    const { world, isSync } = this.#parts;
    world.after(this.node, 'main', GATE_MS, () => this.#gate());
    if (this.role === 'standby') return this.#follow();
    if (this.#follower && world.now - this.#follower.heardAt > SILENCE_MS) {
      this.#follower.connection.open[this.node] = false;
      this.#follower = undefined;
    }
    const acked = this.#follower?.acked ?? 0;
    const oldest = isSync ? this.#waiting[0] : this.log[acked];
    const isLate = oldest !== undefined && world.now - oldest.at > (isSync ? SYNC_WAIT_MS : ASYNC_LAG_MS);
    if (this.#inSync && (!this.#follower || isLate)) this.#setInSync(false);
    else if (!this.#inSync && this.#follower && acked >= this.log.length) this.#setInSync(true);
    this.#pump();
  }

  #setInSync(inSync: boolean): void {
    this.#inSync = inSync;
    this.#version += 1;
    this.#hear({ kind: 'wish', inSync, version: this.#version });
  }

  // Main: following.

  #follow(): void {
    const { world } = this.#parts;
    if (this.#source && world.now - this.#source.heardAt <= SILENCE_MS) return;
    if (this.#source) this.#source.connection.open[this.node] = false;
    const connection = world.connection();
    this.#source = { connection, heardAt: world.now };
    const { log, epoch } = this;
    this.#send(connection, () => this.#peer.followed(connection, log.length, log.at(-1), epoch));
  }

  #send(connection: Connection, run: () => void): void {
    this.#parts.world.send(connection, this.node, this.#peer.node, 'main', run);
  }

  /** Source: a follower says what it has. */
  followed(connection: Connection, seq: number, last: Entry | undefined, epoch: number): void {
    if (this.role !== 'primary' || epoch > this.epoch) return;
    if (this.#follower) this.#follower.connection.open[this.node] = false;
    this.#follower = { connection, acked: 0, heardAt: this.#parts.world.now };
    const fits = seq === 0 || (seq <= this.log.length && this.log[seq - 1] === last);
    const entries = this.log.slice(fits ? seq : 0);
    const from = fits ? seq : 0;
    const ruling = this.epoch;
    this.#send(connection, () => this.#peer.received(connection, from, entries, ruling));
  }

  #replicate(): void {
    const connection = this.#follower?.connection;
    const from = this.log.length - 1;
    const entries = [this.log[from]!];
    const { epoch } = this;
    if (connection) this.#send(connection, () => this.#peer.received(connection, from, entries, epoch));
  }

  /** Follower: what the source sends is on disk before it is acknowledged; what does not fit is archived. */
  received(connection: Connection, from: number, entries: Entry[], epoch: number): void {
    if (this.role !== 'standby' || this.#source?.connection !== connection || this.lease.role === 'primary') return;
    this.#source.heardAt = this.#parts.world.now;
    if (this.log.length < from) return;
    if (this.log.length > from) this.log = this.log.slice(0, from);
    for (const entry of entries) this.log.push(entry);
    if (epoch > this.epoch || this.lease.epoch < epoch) {
      this.epoch = epoch;
      this.#hear({ kind: 'role', role: 'standby', history: 'h', epoch, statement: undefined });
      this.#hear({ kind: 'ready', isReady: true });
    }
    const acked = this.log.length;
    this.#send(connection, () => this.#peer.heardFollower(connection, acked, undefined));
  }

  #tellFollower(nonce: number, epoch: number, leaseMs: number): void {
    const connection = this.#follower?.connection;
    if (!connection) return;
    this.#send(connection, () => {
      this.#peer.asked(connection, nonce, epoch, leaseMs);
    });
  }

  asked(connection: Connection, nonce: number, epoch: number, leaseMs: number): void {
    if (this.#source?.connection !== connection) return;
    this.#source.heardAt = this.#parts.world.now;
    this.#hear({ kind: 'peer-asks', nonce, epoch, leaseMs });
  }

  /** Source: what the follower has, or what it promises. */
  heardFollower(
    connection: Connection,
    acked: number | undefined,
    answer: { nonce: number; isPromised: boolean } | undefined,
  ): void {
    const follower = this.#follower;
    if (follower?.connection !== connection) return;
    follower.heardAt = this.#parts.world.now;
    if (acked !== undefined) {
      follower.acked = Math.max(follower.acked, acked);
      this.#pump();
    }
    if (answer) this.#hear({ kind: 'peer-answers', nonce: answer.nonce, isPromised: answer.isPromised });
  }
}
