import type { EpochStatement } from '@bascule/protocol/pair-link.ts';
import type { FromWitness } from '@bascule/protocol/witness-link.ts';
import {
  openWitnessSite,
  stepWitness,
  type WitnessMessage,
  type WitnessSite,
  type WitnessSiteRecord,
} from '../../src/witness-core.ts';
import type { Controls } from './schedule.ts';
import type { SimulatedClock } from './simulated-clock.ts';
import { WITNESS, type Connection, type World } from './world.ts';

export const KEYS = ['a'.repeat(64), 'b'.repeat(64)] as const;

/** The witness: its record outlives it, everything else does not. */
export class SimulatedWitness {
  readonly #world: World;
  readonly #clock: SimulatedClock;
  readonly #controls: Controls;
  #disk: WitnessSiteRecord;
  #site: WitnessSite;
  #incarnation = 0;
  readonly #newest: (Connection | undefined)[] = [undefined, undefined];
  #connections = 0;
  readonly #numbers = new Map<Connection, number>();
  /** The next thing that is written down is the last before it is killed. */
  dieAtKeepFor = 0;
  /** By then it has been started again. */
  backByMs = Infinity;

  constructor(world: World, clock: SimulatedClock, controls: Controls) {
    this.#world = world;
    this.#clock = clock;
    this.#controls = controls;
    const members = KEYS.map((key, index) => ({ key, name: 'AB'[index]! }));
    this.#disk = { format: 'bascule-witness-record/1', site: 'site', identity: '', members, lease: null };
    this.#site = openWitnessSite(this.#disk, clock.nowMs);
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  get lease(): WitnessSiteRecord['lease'] {
    return this.#site.record.lease;
  }

  /** The handshake of `node` is through: its older connection is closed. */
  accept(node: number, connection: Connection): void {
    this.#connections += 1;
    this.#numbers.set(connection, this.#connections);
    const older = this.#newest[node];
    if (older) older.open[WITNESS] = false;
    this.#newest[node] = connection;
  }

  received(node: number, connection: Connection, message: WitnessMessage, reply: (answer: FromWitness) => void): void {
    const key = KEYS[node]!;
    const number = this.#numbers.get(connection) ?? 0;
    const statement =
      message.kind === 'lease' ? ({ holder: key, epoch: message.epoch, history: message.history } as EpochStatement) : undefined;
    const { state, effects } = stepWitness(this.#site, { nowMs: this.#clock.nowMs, key, connection: number, message, statement });
    this.#site = state;
    for (const effect of effects) {
      if (effect.kind === 'answer') reply(effect.answer);
      else {
        if (!this.#controls.witnessForgets) this.#disk = effect.record;
        if (this.dieAtKeepFor > 0) {
          this.crash(Math.min(this.dieAtKeepFor, this.backByMs - this.#world.now));
          return;
        }
      }
    }
  }

  /** Killed, and started again after `ms`; every connection ends. */
  crash(ms: number): void {
    this.dieAtKeepFor = 0;
    const world = this.#world;
    if (world.isDown[WITNESS]) return;
    world.isDown[WITNESS] = true;
    world.incarnation[WITNESS]! += 1;
    for (const connection of this.#numbers.keys()) connection.open[WITNESS] = false;
    this.#numbers.clear();
    world.fate(ms, () => {
      world.isDown[WITNESS] = false;
      this.#incarnation += 1;
      if (world.random.next() < 0.3) this.#clock.restart();
      this.#site = openWitnessSite(this.#disk, this.#clock.nowMs);
    });
  }
}
