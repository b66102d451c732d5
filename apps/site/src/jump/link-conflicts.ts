import type { Hello, Link, LinkSide } from './link.ts';

/** An older link that does not answer within this makes way for a newer one with the same identity. */
export const CONFLICT_PROBE_S = 5;
/** Refused instances of decided conflicts that are remembered. */
const DECIDED_LIMIT = 1000;

/** Both sides of a conflict; the older side's facts are with the directory. */
export interface LinkConflict {
  clientId: string;
  olderSinceMs: number;
  olderAddress: string;
  newer: LinkSide;
}

/**
 * Links that are held because an older one with the same identity stands (wire 3.5), the older ones that are asked whether they live, and the
 * running programs that lost a decision.
 */
export class LinkConflicts {
  readonly #held = new Map<string, Link>();
  /** The tick at which the older link was asked. */
  readonly #probes = new Map<string, number>();
  readonly #decided = new Set<string>();

  get count(): number {
    return this.#held.size;
  }

  heldLink(clientId: string): Link | undefined {
    return this.#held.get(clientId);
  }

  /** `link` waits; `older` is asked at tick `tick` whether it still lives. */
  hold(link: Link, hello: Hello, older: Link, tick: number): void {
    link.phase = 'held';
    link.hello = hello;
    this.#held.set(link.clientId, link);
    this.#probes.set(link.clientId, tick);
    older.socket.ping();
  }

  /** Takes the held link out, with what it said of itself, to become the live one. */
  take(clientId: string): { link: Link; hello: Hello } | undefined {
    const link = this.#held.get(clientId);
    if (link?.hello === undefined) return undefined;
    const hello = link.hello;
    this.remove(link);
    link.hello = undefined;
    return { link, hello };
  }

  /** Forgets `link` if it is the one that is held; whether it was. */
  remove(link: Link): boolean {
    if (this.#held.get(link.clientId) !== link) return false;
    this.#held.delete(link.clientId);
    this.#probes.delete(link.clientId);
    return true;
  }

  /** The clients whose older link was asked CONFLICT_PROBE_S before `tick`, with the tick of the question; each is named once. */
  *dueProbes(tick: number): IterableIterator<[clientId: string, askedTick: number]> {
    for (const [clientId, askedTick] of this.#probes) {
      if (tick - askedTick < CONFLICT_PROBE_S) continue;
      this.#probes.delete(clientId);
      yield [clientId, askedTick];
    }
  }

  /** The program that runs as `link` lost: it is not let in again. */
  rememberLoser(link: Link): void {
    if (this.#decided.size >= DECIDED_LIMIT) this.#decided.delete(this.#decided.values().next().value!);
    this.#decided.add(link.clientId + link.instance);
  }

  hasLost(clientId: string, instance: string): boolean {
    return this.#decided.has(clientId + instance);
  }

  /** All conflicts; `live` gives the older link. */
  list(live: (clientId: string) => Link | undefined): LinkConflict[] {
    const found = [];
    for (const [clientId, link] of this.#held) {
      const older = live(clientId);
      if (older === undefined || link.hello === undefined) continue;
      const facts = link.hello.facts;
      found.push({
        clientId,
        olderSinceMs: older.sinceMs,
        olderAddress: older.address,
        newer: { hostName: facts.hostName, os: facts.os, user: facts.user, address: link.address, sinceMs: link.sinceMs },
      });
    }
    return found;
  }
}
