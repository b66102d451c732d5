import { CONTROL_BEAT_MS, CONTROL_SILENCE_LIMIT_MS } from '@bascule/protocol/control-link.ts';

const TICK_MS = 1000;
/** wire 3.7: a ping every 30 s, for the other side gives up a link that is silent for 90 s; more often when the site gives up earlier. */
export const LONGEST_ROUND_TICKS = CONTROL_SILENCE_LIMIT_MS / 3 / TICK_MS;
const BEAT_TICKS = CONTROL_BEAT_MS / TICK_MS;
/** Then other work has its turn: each costs about 20 microseconds. */
const BEATS_AT_ONCE = 200;

export interface WheelLink {
  /** The tick at which something was last heard of it. */
  heardTick: number;
  slot: number;
  ping(): void;
  /** A sign of life that wants no answer; harmless when the link is closed. */
  beat(): void;
  /** Dropped for silence. */
  drop(): void;
}

/** One timer for the pings of all links: each link sits in one of 30 slots, and each second one slot is visited (wire 3.7); those of a pair have beats between their pings (3.15). */
export class LinkWheel<Link extends WheelLink> {
  #slots = emptySlots<Link>(LONGEST_ROUND_TICKS);
  #silenceLimitTicks = CONTROL_SILENCE_LIMIT_MS / TICK_MS;
  #tick = 0;
  readonly #onTick: () => void;
  readonly #beats: () => boolean;
  readonly #timer: NodeJS.Timeout;

  /** `beats`: whether links are told that the site lives between their pings, too. */
  constructor(onTick: () => void, beats: () => boolean) {
    this.#onTick = onTick;
    this.#beats = beats;
    this.#timer = setInterval(() => this.#advance(), TICK_MS).unref();
  }

  get tick(): number {
    return this.#tick;
  }

  /** Every link is visited once in this many ticks. */
  get roundTicks(): number {
    return this.#slots.length;
  }

  /** A link that is silent for so long is dropped, at its next visit; links are visited three times within it. */
  setSilenceLimit(seconds: number): void {
    this.#silenceLimitTicks = (seconds * 1000) / TICK_MS;
    const roundTicks = Math.min(LONGEST_ROUND_TICKS, Math.max(1, Math.floor(this.#silenceLimitTicks / 3)));
    if (roundTicks === this.#slots.length) return;
    const links = this.#slots.flatMap((slot) => [...slot]);
    this.#slots = emptySlots(roundTicks);
    for (const [index, link] of links.entries()) this.#put(link, index % roundTicks);
  }

  /** Adds a link; its first ping comes a whole round later. */
  add(link: Link): void {
    link.heardTick = this.#tick;
    this.#put(link, this.#tick % this.#slots.length);
  }

  remove(link: Link): void {
    this.#slots[link.slot]!.delete(link);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #put(link: Link, slot: number): void {
    link.slot = slot;
    this.#slots[slot]!.add(link);
  }

  #advance(): void {
    this.#tick += 1;
    for (const link of this.#slots[this.#tick % this.#slots.length]!) {
      if (this.#tick - link.heardTick >= this.#silenceLimitTicks) link.drop();
      else link.ping();
    }
    if (this.#beats()) this.#beat();
    this.#onTick();
  }

  /** Those that were visited so many ticks ago, or twice as many, and so on. */
  #beat(): void {
    const round = this.#slots.length;
    const links: Link[] = [];
    for (let age = BEAT_TICKS; age < round; age += BEAT_TICKS) links.push(...this.#slots[(this.#tick - age + round) % round]!);
    beatSome(links, 0);
  }
}

function beatSome(links: readonly WheelLink[], from: number): void {
  const to = from + BEATS_AT_ONCE;
  for (const link of links.slice(from, to)) link.beat();
  if (to < links.length) setImmediate(() => beatSome(links, to));
}

function emptySlots<Link>(count: number): Set<Link>[] {
  return Array.from({ length: count }, () => new Set<Link>());
}
