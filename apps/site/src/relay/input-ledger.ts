import { WireError } from '@bascule/wire/frames.ts';

/** Origins of one session that the relay keeps numbers of; the agent's own limit is lower. */
export const ORIGINS_MAX = 1024;

/** Per origin: what the agent has confirmed and what was passed on to it. Numbers only; the relay keeps no input (wire 4.6). */
export class InputLedger {
  readonly #origins = new Map<string, { confirmed: number; passed: number }>();

  /** A new agent link: what the agent says rules. Throws WireError when it names more origins than any honest agent keeps. */
  reset(inputs: Record<string, number>): void {
    const entries = Object.entries(inputs);
    if (entries.length > ORIGINS_MAX) throw new WireError(`HELLO inputs: ${entries.length} origins are more than ${ORIGINS_MAX}`);
    this.#origins.clear();
    for (const [origin, received] of entries) this.#origins.set(origin, { confirmed: received, passed: received });
  }

  confirmed(origin: string): number {
    return this.#origins.get(origin)?.confirmed ?? 0;
  }

  unconfirmed(origin: string): number {
    const entry = this.#origins.get(origin);
    return entry ? entry.passed - entry.confirmed : 0;
  }

  passedOn(origin: string, end: number): void {
    const entry = this.#origins.get(origin);
    if (entry) entry.passed = Math.max(entry.passed, end);
    else this.#origins.set(origin, { confirmed: 0, passed: end });
    if (this.#origins.size > ORIGINS_MAX) this.#origins.delete(this.#origins.keys().next().value!);
  }

  /** INPUT_ACK. Throws WireError when the agent confirms what it was never given. */
  confirm(origin: string, offset: number): void {
    const entry = this.#origins.get(origin);
    if (!entry || offset > entry.passed) throw new WireError(`INPUT_ACK offset: ${offset} was never passed on`);
    entry.confirmed = Math.max(entry.confirmed, offset);
  }

  /** Input of all origins that the agent has. */
  get totalBytes(): number {
    let total = 0;
    for (const { confirmed } of this.#origins.values()) total += confirmed;
    return total;
  }
}
