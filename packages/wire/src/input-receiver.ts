/** The agent's end of input (wire 4.6): per origin, how much has arrived; repeats are dropped, gaps refused. Pure. */
import { WireError } from './frames.ts';

/** Origins remembered for one session; the one unused for longest is forgotten first. */
export const ORIGINS_MAX = 256;

export class InputReceiver {
  readonly #received = new Map<string, number>();

  /**
   * Takes a piece of input. Returns the bytes that are new (undefined when all of it was a repeat). Throws WireError on a gap: something between was lost,
   * and typing on would run a command that nobody typed.
   */
  accept(origin: string, offset: number, bytes: Uint8Array): Uint8Array | undefined {
    const received = this.#received.get(origin) ?? 0;
    if (offset > received) throw new WireError(`INPUT offset: ${offset} leaves a gap after ${received}`);
    const skip = received - offset;
    this.#received.delete(origin);
    this.#received.set(origin, Math.max(received, offset + bytes.length));
    if (this.#received.size > ORIGINS_MAX) this.#received.delete(this.#received.keys().next().value!);
    return skip >= bytes.length ? undefined : bytes.subarray(skip);
  }

  /** How many bytes of `origin` have arrived. */
  received(origin: string): number {
    return this.#received.get(origin) ?? 0;
  }

  /** For HELLO. */
  all(): Record<string, number> {
    return Object.fromEntries(this.#received);
  }
}
