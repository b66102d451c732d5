import { CONTROL_SILENCE_LIMIT_MS } from '@bascule/protocol/control-link.ts';

const TICK_MS = 1000;
/** Every link is visited once in this many ticks: wire 3.7, a ping every 30 s. */
export const WHEEL_SLOTS = CONTROL_SILENCE_LIMIT_MS / 3 / TICK_MS;
const SILENCE_LIMIT_TICKS = CONTROL_SILENCE_LIMIT_MS / TICK_MS;

export interface WheelLink {
  /** The tick at which something was last heard of it. */
  heardTick: number;
  slot: number;
  ping(): void;
  /** Dropped for silence. */
  drop(): void;
}

/** One timer for the pings of all links: each link sits in one of 30 slots, and each second one slot is visited (wire 3.7). */
export class LinkWheel<Link extends WheelLink> {
  #slots: Set<Link>[] = Array.from({ length: WHEEL_SLOTS }, () => new Set<Link>());
  #tick = 0;
  #onTick: () => void;
  #timer: NodeJS.Timeout;

  constructor(onTick: () => void) {
    this.#onTick = onTick;
    this.#timer = setInterval(() => this.#advance(), TICK_MS).unref();
  }

  get tick(): number {
    return this.#tick;
  }

  /** Adds a link; its first ping comes a whole round later. */
  add(link: Link): void {
    link.slot = this.#tick % WHEEL_SLOTS;
    link.heardTick = this.#tick;
    this.#slots[link.slot]!.add(link);
  }

  remove(link: Link): void {
    this.#slots[link.slot]!.delete(link);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #advance(): void {
    this.#tick += 1;
    for (const link of this.#slots[this.#tick % WHEEL_SLOTS]!) {
      if (this.#tick - link.heardTick >= SILENCE_LIMIT_TICKS) link.drop();
      else link.ping();
    }
    this.#onTick();
  }
}
