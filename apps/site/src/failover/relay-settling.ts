import { setTimeout as delay } from 'node:timers/promises';
import type { FromRelay } from '@bascule/protocol/relay-control.ts';

/** What is only on one side before a planned swap goes over within this, or the swap waits for another time. Below what the other side waits for the answer. */
export const SETTLE_LIMIT_MS = 15_000;
const LOOK_INTERVAL_MS = 20;

type RelayCopy = Extract<FromRelay, { kind: 'pair-copy' }>;

export interface RelaySettlingOptions {
  /** What the relay last said of its copies; undefined: it copies nothing. */
  copy(): RelayCopy | undefined;
  /** The relay is to be told anew (`relayOrder`). */
  changed(): void;
  limitMs?: number;
}

/**
 * Before a planned swap: output of live sessions is acknowledged only when both sides have it, until none is left that only this side has. A client that does not keep what was
 * acknowledged would otherwise lose it with the swap (I1).
 */
export class RelaySettling {
  readonly #options: RelaySettlingOptions;
  #isOn = false;

  constructor(options: RelaySettlingOptions) {
    this.#options = options;
  }

  /** The relay is to wait for the other side with every acknowledgement. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /**
   * Resolves with 0 when the other side has all output, and else after a while with how many bytes it lacks that no client has either; `end` is to be called then. A relay that says
   * nothing is not waited for longer than that. Never rejects.
   */
  async begin(): Promise<number> {
    const { copy, changed, limitMs = SETTLE_LIMIT_MS } = this.#options;
    const before = copy();
    if (before === undefined) return 0;
    this.#isOn = true;
    changed();
    // Looks are counted, not time: a machine that hung meanwhile has not waited.
    for (let looks = Math.ceil(limitMs / LOOK_INTERVAL_MS); looks > 0; looks -= 1) {
      const said = copy();
      if (said !== before && said?.exposedBytes === 0 && hasHeard(said)) return 0;
      await delay(LOOK_INTERVAL_MS);
    }
    const last = copy();
    return last === before ? 0 : (last?.exposedBytes ?? 0);
  }

  /** The swap is done, or was given up. */
  end(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.#options.changed();
  }
}

/** What the relay said before it heard of the order says nothing, also when it was under way meanwhile. */
function hasHeard({ waits }: RelayCopy): boolean {
  return waits === undefined || waits === 'sync';
}
