import { WireError } from '@bascule/wire/frames.ts';
import { TypedCount } from './typed-count.ts';

/** Origins of one session that the relay keeps numbers of; the agent's own limit is lower. */
export const ORIGINS_MAX = 1024;

interface Origin {
  confirmed: number;
  passed: number;
  /** Up to where the bytes typed are counted: what is passed on again after a break counts once. */
  counted: number;
  count: TypedCount;
}

/** Per origin: what the agent has confirmed and what was passed on to it. Numbers only; the relay keeps no input (wire 4.6). */
export class InputLedger {
  readonly #origins = new Map<string, Origin>();
  #typedBytes: number;

  /** `typedBytes`: counted by an earlier relay. */
  constructor(typedBytes = 0) {
    this.#typedBytes = typedBytes;
  }

  /** A new agent link: what the agent says rules. Throws WireError when it names more origins than any honest agent keeps. */
  reset(inputs: Record<string, number>): void {
    const entries = Object.entries(inputs);
    if (entries.length > ORIGINS_MAX) throw new WireError(`HELLO inputs: ${entries.length} origins are more than ${ORIGINS_MAX}`);
    const before = new Map(this.#origins);
    this.#origins.clear();
    for (const [origin, received] of entries) {
      const known = before.get(origin);
      // An earlier relay passed that on; viewers send whole records in a frame, so that one begins here.
      const { counted, count } =
        known === undefined || known.counted < received ? { counted: received, count: new TypedCount() } : known;
      this.#origins.set(origin, { confirmed: received, passed: received, counted, count });
    }
  }

  confirmed(origin: string): number {
    return this.#origins.get(origin)?.confirmed ?? 0;
  }

  unconfirmed(origin: string): number {
    const entry = this.#origins.get(origin);
    return entry ? entry.passed - entry.confirmed : 0;
  }

  /** `bytes`, which stand at `offset`, go to the agent. */
  passedOn(origin: string, offset: number, bytes: Uint8Array): void {
    const entry = this.#origins.get(origin) ?? { confirmed: 0, passed: 0, counted: offset, count: new TypedCount() };
    const end = offset + bytes.length;
    entry.passed = Math.max(entry.passed, end);
    if (end > entry.counted) this.#typedBytes += entry.count.push(bytes.subarray(Math.max(0, entry.counted - offset)));
    entry.counted = Math.max(entry.counted, end);
    this.#origins.set(origin, entry);
    if (this.#origins.size > ORIGINS_MAX) this.#origins.delete(this.#origins.keys().next().value!);
  }

  /** INPUT_ACK. Throws WireError when the agent confirms what it was never given. */
  confirm(origin: string, offset: number): void {
    const entry = this.#origins.get(origin);
    if (!entry || offset > entry.passed) throw new WireError(`INPUT_ACK offset: ${offset} was never passed on`);
    entry.confirmed = Math.max(entry.confirmed, offset);
  }

  /** Bytes typed: what KEYS carried to the agent, of all origins. */
  get typedBytes(): number {
    return this.#typedBytes;
  }
}
