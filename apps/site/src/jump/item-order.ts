import type { ItemSort } from './item-index.ts';
import type { IndexedItem } from './item-index.ts';

/** Text in the order people expect, for comparing with `<`: without case and accents, numbers by their value (`web9` before `web10`). */
export function naturalKey(text: string): string {
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  return plain.replace(/\d+/g, (digits) => {
    const number = digits.replace(/^0+(?=\d)/, '');
    return String.fromCharCode(0x30 + Math.min(number.length, 0x40)) + number;
  });
}

/**
 * All items in one order. Those that changed are only noted, and merged in when somebody asks: a change costs nothing, and a question costs one pass and the
 * sorting of what changed since the last one.
 */
export class ItemOrder {
  #sorted: IndexedItem[] = [];
  readonly #moved = new Set<IndexedItem>();
  readonly #compare: (one: IndexedItem, other: IndexedItem) => number;

  constructor(compare: (one: IndexedItem, other: IndexedItem) => number) {
    this.#compare = compare;
  }

  /** The item is new, gone, or has another place. */
  note(item: IndexedItem): void {
    this.#moved.add(item);
  }

  /** The items as they are now; not to be changed by the caller. */
  list(): readonly IndexedItem[] {
    if (this.#moved.size === 0) return this.#sorted;
    const arrived = [...this.#moved].filter((item) => item.isListed).sort(this.#compare);
    const stayed = this.#sorted.filter((item) => !this.#moved.has(item));
    this.#moved.clear();
    this.#sorted = merge(stayed, arrived, this.#compare);
    return this.#sorted;
  }
}

function merge(
  left: IndexedItem[],
  right: IndexedItem[],
  compare: (one: IndexedItem, other: IndexedItem) => number,
): IndexedItem[] {
  if (right.length === 0) return left;
  const merged: IndexedItem[] = [];
  let next = 0;
  for (const item of left) {
    while (next < right.length && compare(right[next]!, item) < 0) merged.push(right[next++]!);
    merged.push(item);
  }
  while (next < right.length) merged.push(right[next++]!);
  return merged;
}

const byId = (one: IndexedItem, other: IndexedItem) => (one.id < other.id ? -1 : 1);
const compareText = (one: string, other: string) => (one < other ? -1 : one > other ? 1 : 0);
export const byName = (one: IndexedItem, other: IndexedItem) => compareText(one.nameKey, other.nameKey) || byId(one, other);
export const byHost = (one: IndexedItem, other: IndexedItem) => compareText(one.hostKey, other.hostKey) || byName(one, other);
export const bySince = (one: IndexedItem, other: IndexedItem) => one.sinceMs - other.sinceMs || byName(one, other);

/** Online before offline; what waits for a decision after those that one can jump to. */
const STATE_RANK = { approved: 1, 'to-be-confirmed': 2, 'waiting-for-approval': 3, revoked: 4 } as const;
/** What waits for a decision first. */
const ATTENTION_RANK = { 'waiting-for-approval': 0, 'to-be-confirmed': 0, approved: 2, revoked: 4 } as const;
const isReachable = (item: IndexedItem) => item.online && item.state === 'approved';

/** What items are put together by in the orders that have few different values; each is by name within. */
const BUCKET_OF: Record<Exclude<ItemSort, 'name' | 'host' | 'since'>, (item: IndexedItem) => string | number> = {
  state: (item) => (isReachable(item) ? 0 : STATE_RANK[item.state]),
  attention: (item) => (isReachable(item) ? 1 : ATTENTION_RANK[item.state]),
  group: (item) => item.groupId ?? '',
  version: (item) => item.version,
  os: (item) => item.os,
  user: (item) => item.runsAs,
};

/**
 * `items` (by name) put in the order `sort`; equal ones stay by name, also when it is descending, so that rows never change places by themselves. `groupName`: of a
 * Jump Group.
 */
export function inBuckets(
  items: readonly IndexedItem[],
  { sort, descending }: { sort: keyof typeof BUCKET_OF; descending: boolean },
  groupName: (id: string) => string,
): IndexedItem[] {
  const bucketOf = BUCKET_OF[sort];
  const buckets = new Map<string | number, IndexedItem[]>();
  for (const item of items) {
    const value = bucketOf(item);
    const bucket = buckets.get(value);
    if (bucket === undefined) buckets.set(value, [item]);
    else bucket.push(item);
  }
  const keyOf = (value: string | number) =>
    typeof value === 'number' ? String(value) : naturalKey(sort === 'group' && value !== '' ? groupName(value) : value);
  const ordered = [...buckets].map(([value, bucket]) => ({ key: keyOf(value), bucket }));
  ordered.sort((one, other) => compareText(one.key, other.key));
  if (descending) ordered.reverse();
  return ordered.flatMap(({ bucket }) => bucket);
}
