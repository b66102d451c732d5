/**
 * Counts what was typed and is not confirmed by the far side yet. Only places in the input stream and counts are kept, in this object and
 * in the page's session storage: never what was typed.
 */
import { z } from 'zod';

/** More entries than this are merged from the oldest on; the count stays right, the places become coarser. */
export const LEDGER_MAX_ENTRIES = 256;

const remembered = z.object({
  origin: z.string().regex(/^[0-9a-f]{32}$/),
  entries: z.array(z.tuple([z.number().int().nonnegative(), z.number().int().positive()])).max(LEDGER_MAX_ENTRIES),
});
/** The end of each input in the stream of `origin`, with the number of keystrokes in it. */
export type RememberedInput = z.infer<typeof remembered>;

type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
const storageKey = (session: string): string => `bascule.input.${session}`;

export class InputLedger {
  readonly #origin: string;
  readonly #now: () => number;
  #entries: [number, number][] = [];
  #waitingSinceMs: number | undefined;

  /** `now`: a clock in milliseconds that only runs forward. */
  constructor(origin: string, now: () => number = () => performance.now()) {
    this.#origin = origin;
    this.#now = now;
  }

  /** `keystrokes` were sent and end at `offset` of the stream. */
  sent(offset: number, keystrokes: number): void {
    this.#waitingSinceMs ??= this.#now();
    this.#entries.push([offset, keystrokes]);
    const [first, second] = this.#entries;
    if (this.#entries.length > LEDGER_MAX_ENTRIES && first && second)
      this.#entries.splice(0, 2, [second[0], first[1] + second[1]]);
  }

  /** Everything before `offset` has arrived. */
  confirmed(offset: number): void {
    const waiting = this.#entries.filter(([end]) => end > offset);
    if (waiting.length === this.#entries.length) return;
    this.#entries = waiting;
    this.#waitingSinceMs = waiting.length === 0 ? undefined : this.#now();
  }

  /** Since when something waits and nothing was confirmed, on the clock of `now`; undefined when nothing waits. */
  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }

  get unconfirmed(): number {
    return this.#entries.reduce((sum, [, keystrokes]) => sum + keystrokes, 0);
  }

  remember(storage: KeyValueStorage, session: string): void {
    try {
      storage.setItem(storageKey(session), JSON.stringify({ origin: this.#origin, entries: this.#entries }));
    } catch {
      // Without storage a reload cannot say what was lost; typing goes on.
    }
  }
}

/** What the page before this one had sent, if anything of it was unconfirmed. */
export function rememberedInput(storage: KeyValueStorage, session: string): RememberedInput | undefined {
  try {
    const parsed = remembered.safeParse(JSON.parse(storage.getItem(storageKey(session)) ?? 'null'));
    return parsed.success && parsed.data.entries.length > 0 ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export function forgetInput(storage: KeyValueStorage, session: string): void {
  try {
    storage.removeItem(storageKey(session));
  } catch {
    // Closed storage holds nothing to forget.
  }
}

/** How many of the remembered keystrokes are lost when the far side has received the stream up to `arrived`. */
export function lostKeystrokes(input: RememberedInput, arrived: number): number {
  return input.entries.reduce((sum, [end, keystrokes]) => sum + (end > arrived ? keystrokes : 0), 0);
}

/** How often a person pressed keys for `data`: one for an escape sequence (an arrow), otherwise its characters. */
export function keystrokesIn(data: string): number {
  return data.startsWith('\u001b') && data.length <= 12 ? 1 : Array.from(data).length;
}
