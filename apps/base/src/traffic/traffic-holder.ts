import { bootClockMs } from '@bascule/core/boot-clock.ts';
import type { Log } from '@bascule/log/log.ts';
import type { Addresses, AddressRow } from '../network/network.ts';
import type { PairState } from '../site-host/site-host.ts';

/** What a shared address is given at most, renewed each HOLD_INTERVAL_MS: a base that hangs loses it after that. The kernel looks within a second or so. */
export const SHARED_LIFE_MS = 4_000;
export const HOLD_INTERVAL_MS = 1_000;
/** main says each second that it serves: one that is silent for longer hangs, or is gone. Nobody takes over by himself where there is no lease, so a busy moment may pass. */
export const MAIN_SILENCE_LIMIT_MS = 5_000;
/** While base itself puts one version of the site in the place of another, main is silent on purpose; not for longer than this. */
export const SWITCH_HOLD_LIMIT_MS = 120_000;
/** A base whose loop stood still for longer was stopped, or badly held up: what it then reads may have lain about, and is doubted for as long as main needs to say it anew. */
export const STALL_LIMIT_MS = 2_000;
export const DOUBT_MS = 1_200;
/** Announcements after a gain: each second, then more seldom, for a minute (a switch or neighbour may have missed the first). */
export const ANNOUNCE_EACH_SECOND_MS = 10_000;
export const ANNOUNCE_LATER_INTERVAL_MS = 5_000;
export const ANNOUNCE_FOR_MS = 60_000;

/** Until when on the boot clock the shared addresses may be held, by what main said at `heardAtMs`; 0: not at all. */
export function holdUntil(
  said: Pick<PairState, 'serves' | 'leaseLeftMs'> | undefined,
  heardAtMs: number,
  nowMs: number,
  isSwitching: boolean,
): number {
  if (said?.serves !== true) return 0;
  const silenceMs = isSwitching ? SWITCH_HOLD_LIMIT_MS : MAIN_SILENCE_LIMIT_MS;
  // A lease is counted from when main said how much is left of it; nothing makes it longer.
  const limitMs = heardAtMs + Math.min(silenceMs, said.leaseLeftMs ?? Infinity);
  return limitMs <= nowMs ? 0 : Math.min(limitMs, nowMs + SHARED_LIFE_MS);
}

interface HolderOptions {
  addresses: Addresses;
  isSwitching(): boolean;
  log: Log;
}

/** Holds the shared addresses for as long as main says that this appliance serves, and not a moment longer. */
export class Holder {
  readonly #options: HolderOptions;
  #said: PairState | undefined;
  #heardAtMs = 0;
  /** When this program was last seen to run, and until when a yes that does not say when it was said is not believed. */
  #awakeAtMs = bootClockMs();
  #doubtUntilMs = 0;
  #isHolding = false;
  #held: AddressRow[] = [];
  #isOver = false;
  #running: Promise<void> | undefined;
  #isAsked = false;
  #timer: NodeJS.Timeout | undefined;
  #lossTimer: NodeJS.Timeout | undefined;
  readonly #announcers = new Map<string, NodeJS.Timeout>();

  constructor(options: HolderOptions) {
    this.#options = options;
  }

  /** Whether this appliance serves by what main said last, and that still counts. */
  get isHolding(): boolean {
    return this.#isHolding;
  }
  /** The shared addresses that are held now. */
  get held(): readonly AddressRow[] {
    return this.#isHolding ? this.#held : [];
  }

  start(): void {
    this.#awakeAtMs = bootClockMs();
    this.#timer = setInterval(() => void this.turn(), HOLD_INTERVAL_MS).unref();
  }

  /** Takes what main says. What lay in the channel while base was stopped counts from when it was said. */
  hear(state: PairState): void {
    const nowMs = this.#noteAwake();
    if (state.serves && state.atBootMs === undefined && nowMs < this.#doubtUntilMs) return;
    this.#said = state;
    this.#heardAtMs = Math.min(state.atBootMs ?? nowMs, nowMs);
    void this.turn();
  }

  /** Looks again whether to hold, and does it. Never rejects. */
  turn(): Promise<void> {
    this.#isAsked = true;
    this.#running ??= this.#turns().finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** `keeps`: another base takes over at once, and the addresses live until it does. */
  async close(keeps: boolean): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    clearTimeout(this.#lossTimer);
    this.#silence();
    await this.#running;
    if (!keeps) await this.#options.addresses.release();
  }

  #noteAwake(): number {
    const nowMs = bootClockMs();
    if (nowMs - this.#awakeAtMs > STALL_LIMIT_MS) this.#doubtUntilMs = nowMs + DOUBT_MS;
    this.#awakeAtMs = nowMs;
    return nowMs;
  }

  async #turns(): Promise<void> {
    while (this.#isAsked && !this.#isOver) {
      this.#isAsked = false;
      const nowMs = this.#noteAwake();
      const untilMs = holdUntil(this.#said, this.#heardAtMs, nowMs, this.#options.isSwitching());
      if (untilMs > 0) await this.#hold(untilMs);
      else await this.#release();
    }
  }

  async #hold(untilMs: number): Promise<void> {
    if (!this.#isHolding) this.#options.log.info({ leaseLeftMs: this.#said?.leaseLeftMs ?? null }, 'traffic.holds');
    this.#isHolding = true;
    clearTimeout(this.#lossTimer);
    this.#lossTimer = setTimeout(() => void this.turn(), Math.max(0, untilMs - bootClockMs()));
    // Less than a second cannot be given; what is held until then goes at its end.
    if (untilMs - bootClockMs() < 1_000) return;
    const { gained, held } = await this.#options.addresses.hold(untilMs);
    this.#held = held;
    for (const row of gained) this.#announce(row, bootClockMs());
  }

  async #release(): Promise<void> {
    clearTimeout(this.#lossTimer);
    if (!this.#isHolding) return;
    this.#isHolding = false;
    this.#held = [];
    this.#silence();
    this.#options.log.info({ serves: this.#said?.serves ?? null }, 'traffic.lets-go');
    await this.#options.addresses.release();
  }

  #announce(row: AddressRow, sinceMs: number): void {
    clearTimeout(this.#announcers.get(row.address));
    this.#announcers.delete(row.address);
    void this.#options.addresses.announce(row).catch((error: unknown) => {
      this.#options.log.warn({ err: error, address: row.address }, 'traffic.not-announced');
    });
    const forMs = bootClockMs() - sinceMs;
    if (forMs >= ANNOUNCE_FOR_MS) return;
    const waitMs = forMs < ANNOUNCE_EACH_SECOND_MS ? 1_000 : ANNOUNCE_LATER_INTERVAL_MS;
    this.#announcers.set(
      row.address,
      setTimeout(() => this.#announce(row, sinceMs), waitMs),
    );
  }

  #silence(): void {
    for (const timer of this.#announcers.values()) clearTimeout(timer);
    this.#announcers.clear();
  }
}
