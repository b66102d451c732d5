/** Virtual time, the network and the faults of one simulated schedule: two appliances and a witness. One seed gives one run. */
import { SeededRandom } from '@bascule/testkit/seeded-random.ts';

export const A = 0;
export const B = 1;
export const WITNESS = 2;
export const NODES = [A, B, WITNESS] as const;

const SENT_AGAIN_MAX_MS = 1_600;

/** What a node runs on: `thread` keeps the lease, `main` does everything else, and may stand still alone. */
export type Lane = 'thread' | 'main';

interface Event {
  at: number;
  order: number;
  /** -1: from nowhere, so that no cut holds it. */
  from: number;
  to: number;
  lane: Lane;
  connection: Connection | undefined;
  /** -1: whatever became of the node. */
  incarnation: number;
  run: () => void;
}

/** One TCP connection: in order, held back by cuts, and each end may be gone without the other knowing. */
export class Connection {
  readonly open = [true, true, true];
  readonly lastAt = [0, 0, 0];
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

export class World {
  readonly random: SeededRandom;
  now = 0;
  events = 0;
  /** Until when nothing gets from one node to another. */
  readonly cutUntil = [0, 1, 2].map(() => [0, 0, 0]);
  readonly pausedUntil = [0, 0, 0];
  readonly mainStuckUntil = [0, 0, 0];
  readonly mainStuckSince = [0, 0, 0];
  readonly incarnation = [0, 0, 0];
  readonly isDown = [false, false, false];
  slowUntil = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  #connections = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  between(least: number, most: number): number {
    return least + this.random.next() * (most - least);
  }

  connection(): Connection {
    this.#connections += 1;
    return new Connection(this.#connections);
  }

  /** Runs on `node` after `ms`, unless it crashes before; late when it is paused. */
  after(node: number, lane: Lane, ms: number, run: () => void): void {
    this.#push({
      at: this.now + ms,
      order: 0,
      from: -1,
      to: node,
      lane,
      connection: undefined,
      incarnation: this.incarnation[node]!,
      run,
    });
  }

  /** Runs after `ms`, whatever happens: for faults. */
  fate(ms: number, run: () => void): void {
    this.#push({ at: this.now + ms, order: 0, from: -1, to: -1, lane: 'main', connection: undefined, incarnation: -1, run });
  }

  send(connection: Connection, from: number, to: number, lane: Lane, run: () => void): void {
    const delay = this.now < this.slowUntil ? this.between(1, 1500) : this.between(0.2, 8);
    const at = Math.max(this.now + delay, connection.lastAt[from]!);
    connection.lastAt[from] = at;
    const arrive = () => {
      if (connection.open[to]) run();
    };
    this.#push({ at, order: 0, from, to, lane, connection, incarnation: -1, run: arrive });
  }

  /** Lets time pass up to `untilMs`. */
  run(untilMs: number): void {
    for (let event = this.#heap[0]; event !== undefined && event.at <= untilMs; event = this.#heap[0]) {
      this.#pop();
      this.now = event.at;
      this.events += 1;
      const { from, to } = event;
      if (to >= 0) {
        if (event.incarnation >= 0 && event.incarnation !== this.incarnation[to]) continue;
        const isCut = from >= 0 && this.cutUntil[from]![to]! > this.now;
        const stillUntil = Math.max(this.pausedUntil[to]!, event.lane === 'main' ? this.mainStuckUntil[to]! : 0);
        const heldUntil = isCut ? this.#sentAgainAt(event) : stillUntil;
        if (heldUntil > this.now) {
          // The order among what waits stays.
          event.at = heldUntil;
          this.#sift(event);
          continue;
        }
        if (this.isDown[to]) continue;
      }
      event.run();
    }
    this.now = untilMs;
  }

  /** TCP sends again at growing intervals: each connection finds out for itself, and late, that the way is open again. */
  #sentAgainAt({ connection, from, to }: Event): number {
    const openAt = this.cutUntil[from]![to]!;
    const at = Math.max(openAt + this.between(0, SENT_AGAIN_MAX_MS), connection?.lastAt[from] ?? 0);
    if (connection) connection.lastAt[from] = at;
    return at;
  }

  #push(event: Event): void {
    this.#order += 1;
    event.order = this.#order;
    this.#sift(event);
  }

  #sift(event: Event): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent]!;
      if (above.at < event.at || (above.at === event.at && above.order < event.order)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && isBefore(heap[right]!, heap[child]!)) child = right;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
