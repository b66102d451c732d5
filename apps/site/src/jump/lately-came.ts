/** Who came lately, each counted once however often it came. */
export class LatelyCame {
  readonly #limit: number;
  /** The newest is last. */
  readonly #who = new Map<string, number>();

  /** At most `limit` are remembered: those that came last. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  came(who: string, atMs: number): void {
    this.#who.delete(who);
    const [oldest] = this.#who.keys();
    if (oldest !== undefined && this.#who.size >= this.#limit) this.#who.delete(oldest);
    this.#who.set(who, atMs);
  }

  /** How many came since `fromMs`, and when the newest did; who came before is forgotten. */
  since(fromMs: number): { count: number; newestAtMs: number | null } {
    for (const [who, atMs] of this.#who) if (atMs < fromMs) this.#who.delete(who);
    return { count: this.#who.size, newestAtMs: [...this.#who.values()].at(-1) ?? null };
  }
}
