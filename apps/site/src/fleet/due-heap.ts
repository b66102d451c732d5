interface Due {
  atMs: number;
  id: string;
}

/** What is to be looked at when: a binary heap by time. Entries are never removed before; whoever takes one asks whether it still holds. */
export class DueHeap {
  readonly #items: Due[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(atMs: number, id: string): void {
    const items = this.#items;
    let index = items.push({ atMs, id }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (items[parent]!.atMs <= items[index]!.atMs) break;
      [items[parent], items[index]] = [items[index]!, items[parent]!];
      index = parent;
    }
  }

  /** The id of the earliest entry that is due at `nowMs`, taken out; undefined when none is. */
  take(nowMs: number): string | undefined {
    const items = this.#items;
    const first = items[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    const last = items.pop()!;
    if (items.length > 0) {
      items[0] = last;
      this.#sink();
    }
    return first.id;
  }

  #sink(): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const right = left + 1;
      let least = index;
      if (left < items.length && items[left]!.atMs < items[least]!.atMs) least = left;
      if (right < items.length && items[right]!.atMs < items[least]!.atMs) least = right;
      if (least === index) return;
      [items[least], items[index]] = [items[index]!, items[least]!];
      index = least;
    }
  }
}
