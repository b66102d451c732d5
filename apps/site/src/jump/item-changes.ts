/** Changes remembered at most; who asks for older ones gets the complete list. */
export const CHANGE_RING_LIMIT = 20_000;
/** Listeners hear of changes this often at most. */
const ANNOUNCE_INTERVAL_MS = 100;

/**
 * Which Jump Items changed since which revision: a bounded ring in memory. Revisions begin at the time of the start, so that one from
 * an earlier run of the program is always older than the ring.
 */
export class ItemChanges {
  #ids: string[] = [];
  /** The revision of `#ids[0]` minus one: everything after it is in the ring. */
  #floor: number;
  #listeners: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isPending = false;

  constructor(nowMs: number) {
    this.#floor = nowMs * 1000;
  }

  get revision(): number {
    return this.#floor + this.#ids.length;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  note(id: string): void {
    this.noteMany([id]);
  }

  noteMany(ids: readonly string[]): void {
    for (const id of ids) this.#ids.push(id);
    // Cut in halves, so that a full ring costs one copy in ten thousand changes.
    if (this.#ids.length > CHANGE_RING_LIMIT) {
      const cut = this.#ids.length - CHANGE_RING_LIMIT / 2;
      this.#ids.splice(0, cut);
      this.#floor += cut;
    }
    this.#announce();
  }

  /** Something changed that concerns everyone's whole list (groups, memberships). */
  noteAll(): void {
    this.#floor = this.revision + 1;
    this.#ids = [];
    this.#announce();
  }

  /** The ids changed after `since`, or undefined when only the complete list will do. */
  since(since: number): Set<string> | undefined {
    if (since < this.#floor || since > this.revision) return undefined;
    return new Set(this.#ids.slice(since - this.#floor));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#listeners = [];
  }

  /** The first change is told at once, and what follows closely together: thousands of clients that come back are a few calls of each listener. */
  #announce(): void {
    if (this.#timer !== undefined) {
      this.#isPending = true;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isPending) this.#announce();
    }, ANNOUNCE_INTERVAL_MS).unref();
    this.#isPending = false;
    for (const listener of this.#listeners) listener();
  }
}
