import { setImmediate as nextTurn } from 'node:timers/promises';
import type { z } from 'zod';
import { jumpProgram, type JumpProgram, type jumpItemSort } from '@bascule/protocol/api/jump.ts';
import type { UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { Store } from '@bascule/store/store.ts';
import { byHost, byName, bySince, inBuckets, ItemOrder, naturalKey } from './item-order.ts';
import * as rows from './jump-store.ts';
import type { ClientRow, ClientState } from './jump-store.ts';

export type ItemSort = z.infer<typeof jumpItemSort>;

/** Rows read in one go while the index is filled; about 10 ms. */
const LOAD_SLICE = 2000;
/** Slices after which what was read is put in order; sorting them takes about 20 ms. */
const SLICES_TO_ORDER = 5;
/** Results of searches that are kept while nothing changes, for the pages that follow. */
const RESULTS_KEPT = 8;
/** Values that are kept once for all items that have them; beyond, sharing begins anew. */
const SHARED_TEXTS_MAX = 10_000;
/** Tags counted beside a list. */
export const TAGS_SHOWN_MAX = 500;

/** What is kept in memory of every Jump Client, about 500 bytes each (decision 0173): enough to filter and sort. */
export interface IndexedItem {
  readonly id: string;
  nameKey: string;
  hostKey: string;
  /** Everything that a search looks at, in small letters. */
  text: string;
  groupId: string | null;
  tags: readonly string[];
  program: JumpProgram;
  state: ClientState;
  version: string;
  os: string;
  runsAs: string;
  online: boolean;
  /** Since when online, or last seen; 0 when it never was. */
  sinceMs: number;
  upgrade: UpgradeState;
  /** Not deleted. */
  isListed: boolean;
}

/** What a search asks for; every part that is there must hold. */
export interface ItemFilter {
  text?: string;
  groupId?: string;
  tag?: string;
  state?: ClientState;
  online?: boolean;
  upgrade?: UpgradeState;
  program?: JumpProgram;
}

/** What a Jump Group holds; kept up to date with every change, so that nobody counts. */
interface GroupCount {
  items: number;
  /** Of them, approved and online. */
  online: number;
  waiting: number;
  tags: Map<string, number>;
  programs: Record<JumpProgram, { items: number; online: number }>;
}

export interface ItemIndexOptions {
  store: Store;
  /** Since when the client is online, or when it was last seen according to what is not written yet. */
  presenceOf(id: string): { online: boolean; sinceMs: number | undefined };
  upgradeOf(row: ClientRow): UpgradeState;
}

/**
 * All Jump Clients' sort keys and search texts in memory, so that a page of a search over 100,000 of them takes one pass, whatever it filters and sorts by: presence
 * and the upgrade queue are memory, and SQL could not sort by them. Filled in the background, then kept up to date by `refresh`.
 */
export class ItemIndex {
  readonly #options: ItemIndexOptions;
  readonly #items = new Map<string, IndexedItem>();
  readonly #groups = new Map<string | null, GroupCount>();
  readonly #orders = { name: new ItemOrder(byName), host: new ItemOrder(byHost), since: new ItemOrder(bySince) };
  /** One text for each value that many items share. */
  readonly #shared = new Map<string, string>();
  readonly #results = new Map<string, readonly IndexedItem[]>();
  #loading: Promise<void> | undefined;
  #isReady = false;
  #isClosed = false;

  constructor(options: ItemIndexOptions) {
    this.#options = options;
  }

  /** Every row is in the index. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Fills the index, slice by slice, if that is not done yet. */
  ready(): Promise<void> {
    this.#loading ??= this.#load().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Rows of clients were written, made or deleted: what is kept of them is read again. */
  refresh(ids: Iterable<string>): void {
    if (this.#loading === undefined) return;
    const wanted = new Set(ids);
    for (const row of rows.clientsById(this.#options.store, [...wanted])) {
      wanted.delete(row.id);
      this.#put(row);
    }
    for (const id of wanted) this.#remove(id);
    this.#results.clear();
  }

  /** The upgrades of all clients are to be looked at again. */
  async refreshUpgrades(): Promise<void> {
    if (this.#loading === undefined) return;
    await this.#loading;
    await this.#readAll();
  }

  /** The client came or went. */
  notePresence(id: string): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#count(item, -1);
    this.#readPresence(item, 0);
    this.#count(item, 1);
    this.#orders.since.note(item);
    this.#results.clear();
  }

  get(id: string): IndexedItem | undefined {
    return this.#items.get(id);
  }

  /** How many clients the groups that `mayList` allows hold. */
  counts(mayList: (item: { groupId: string | null }) => boolean): { total: number; online: number; waiting: number } {
    const counts = { total: 0, online: 0, waiting: 0 };
    for (const [groupId, group] of this.#groups) {
      if (!mayList({ groupId })) continue;
      counts.total += group.items;
      counts.online += group.online;
      counts.waiting += group.waiting;
    }
    return counts;
  }

  groupCount(groupId: string | null): { items: number; online: number } {
    return this.#groups.get(groupId) ?? { items: 0, online: 0 };
  }

  /** The groups that hold something, without an order; null for the items without one. */
  groupsWithItems(mayList: (item: { groupId: string | null }) => boolean): (string | null)[] {
    return [...this.#groups].filter(([groupId, { items }]) => items > 0 && mayList({ groupId })).map(([groupId]) => groupId);
  }

  /** The tags in use, by name; the most used ones when there are more than TAGS_SHOWN_MAX. */
  tags(mayList: (item: { groupId: string | null }) => boolean): { tag: string; items: number }[] {
    const counts = new Map<string, number>();
    for (const [groupId, group] of this.#groups)
      if (mayList({ groupId })) for (const [tag, items] of group.tags) counts.set(tag, (counts.get(tag) ?? 0) + items);
    const tags = [...counts].map(([tag, items]) => ({ tag, items }));
    if (tags.length > TAGS_SHOWN_MAX) tags.sort((one, other) => other.items - one.items).splice(TAGS_SHOWN_MAX);
    return tags.sort((one, other) => (naturalKey(one.tag) < naturalKey(other.tag) ? -1 : 1));
  }

  /** Of which program how many there are; those without any are left out. */
  programs(mayList: (item: { groupId: string | null }) => boolean): { program: JumpProgram; items: number; online: number }[] {
    const programs = jumpProgram.options.map((program) => ({ program, items: 0, online: 0 }));
    for (const [groupId, group] of this.#groups) {
      if (!mayList({ groupId })) continue;
      for (const counted of programs) {
        counted.items += group.programs[counted.program].items;
        counted.online += group.programs[counted.program].online;
      }
    }
    return programs.filter(({ items }) => items > 0);
  }

  /** All items that `filter` leaves and `mayList` allows, in order. `groupName`: of a Jump Group. Needs `ready`. */
  find(
    filter: ItemFilter,
    order: { sort: ItemSort; descending: boolean },
    view: { mayList(item: { groupId: string | null }): boolean; groupName(id: string): string },
  ): readonly IndexedItem[] {
    const allowed = new Set([...this.#groups.keys()].filter((groupId) => view.mayList({ groupId })));
    const seesAll = allowed.size === this.#groups.size;
    const key = JSON.stringify([filter, order, seesAll ? null : [...allowed]]);
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const found = this.#search(this.#predicates(filter, seesAll ? undefined : allowed, view.groupName), order, view.groupName);
    if (this.#results.size >= RESULTS_KEPT) this.#results.delete(this.#results.keys().next().value!);
    this.#results.set(key, found);
    return found;
  }

  #search(
    predicates: readonly ((item: IndexedItem) => boolean)[],
    { sort, descending }: { sort: ItemSort; descending: boolean },
    groupName: (id: string) => string,
  ): readonly IndexedItem[] {
    const isPlain = sort === 'name' || sort === 'host' || sort === 'since';
    const all = this.#orders[isPlain ? sort : 'name'].list();
    const found = predicates.length === 0 ? all : all.filter((item) => predicates.every((predicate) => predicate(item)));
    if (!isPlain) return inBuckets(found, { sort, descending }, groupName);
    return descending ? found.toReversed() : found;
  }

  /** The cheap ones first. */
  #predicates(filter: ItemFilter, allowed: ReadonlySet<string | null> | undefined, groupName: (id: string) => string) {
    const { groupId, tag, state, online, upgrade, program } = filter;
    const predicates: ((item: IndexedItem) => boolean)[] = [];
    if (allowed !== undefined) predicates.push((item) => allowed.has(item.groupId));
    if (groupId !== undefined) predicates.push((item) => (item.groupId ?? 'none') === groupId);
    if (state !== undefined) predicates.push((item) => item.state === state);
    if (online !== undefined) predicates.push((item) => item.online === online);
    if (upgrade !== undefined) predicates.push((item) => item.upgrade === upgrade);
    if (program !== undefined) predicates.push((item) => item.program === program);
    if (tag !== undefined) predicates.push((item) => item.tags.includes(tag));
    for (const word of searchWords(filter.text ?? '')) {
      const groups = new Set([...this.#groups.keys()].filter((id) => id !== null && searchText([groupName(id)]).includes(word)));
      predicates.push((item) => item.text.includes(word) || groups.has(item.groupId));
    }
    return predicates;
  }

  async #load(): Promise<void> {
    await this.#readAll();
    this.#isReady = !this.#isClosed;
  }

  async #readAll(): Promise<void> {
    let after = '';
    for (let slices = 1; !this.#isClosed; slices += 1) {
      const slice = rows.clientsAfter(this.#options.store, after, LOAD_SLICE);
      for (const row of slice) this.#put(row);
      this.#results.clear();
      if (slice.length < LOAD_SLICE) return;
      after = slice.at(-1)!.id;
      // The orders grow meanwhile, so that no question has to sort everything at once.
      if (slices % SLICES_TO_ORDER === 0) for (const order of Object.values(this.#orders)) order.list();
      await nextTurn();
    }
  }

  #put(row: ClientRow): void {
    const before = this.#items.get(row.id);
    const item: IndexedItem = before ?? {
      id: row.id,
      nameKey: '',
      hostKey: '',
      text: '',
      groupId: null,
      tags: [],
      program: row.program,
      state: row.state,
      version: '',
      os: '',
      runsAs: '',
      online: false,
      sinceMs: 0,
      upgrade: 'current',
      isListed: true,
    };
    if (before !== undefined) this.#count(before, -1);
    const [nameKey, hostKey, sinceMs] = [naturalKey(row.name), naturalKey(row.hostName), item.sinceMs];
    this.#readRow(item, row);
    if (before === undefined || item.nameKey !== nameKey) this.#orders.name.note(item);
    if (before === undefined || item.nameKey !== nameKey || item.hostKey !== hostKey) this.#orders.host.note(item);
    item.nameKey = nameKey;
    item.hostKey = hostKey;
    if (before === undefined || item.sinceMs !== sinceMs) this.#orders.since.note(item);
    this.#items.set(row.id, item);
    this.#count(item, 1);
  }

  #readRow(item: IndexedItem, row: ClientRow): void {
    const tags = JSON.parse(row.tags) as string[];
    item.text = searchText([
      row.name,
      row.hostName,
      row.os,
      row.runsAs,
      ...(JSON.parse(row.addresses) as string[]),
      row.comment,
      ...tags,
    ]);
    item.groupId = row.groupId === null ? null : this.#share(row.groupId);
    item.tags = tags.map((tag) => this.#share(tag));
    item.program = row.program;
    item.state = row.state;
    item.version = this.#share(row.version);
    item.os = this.#share(row.os);
    item.runsAs = this.#share(row.runsAs);
    item.upgrade = this.#options.upgradeOf(row);
    this.#readPresence(item, row.lastSeenAtMs ?? 0);
  }

  #readPresence(item: IndexedItem, lastSeenAtMs: number): void {
    const presence = this.#options.presenceOf(item.id);
    item.online = presence.online;
    item.sinceMs = presence.sinceMs ?? Math.max(item.sinceMs, lastSeenAtMs);
  }

  #remove(id: string): void {
    const item = this.#items.get(id);
    if (item === undefined) return;
    this.#count(item, -1);
    item.isListed = false;
    this.#items.delete(id);
    for (const order of Object.values(this.#orders)) order.note(item);
  }

  #count(item: IndexedItem, by: 1 | -1): void {
    let group = this.#groups.get(item.groupId);
    if (group === undefined) this.#groups.set(item.groupId, (group = noItems()));
    const program = group.programs[item.program];
    const online = item.state === 'approved' && item.online ? by : 0;
    group.items += by;
    program.items += by;
    group.online += online;
    program.online += online;
    if (item.state !== 'approved' && item.state !== 'revoked') group.waiting += by;
    for (const tag of item.tags) {
      const items = (group.tags.get(tag) ?? 0) + by;
      if (items === 0) group.tags.delete(tag);
      else group.tags.set(tag, items);
    }
    if (group.items === 0) this.#groups.delete(item.groupId);
  }

  #share(text: string): string {
    const known = this.#shared.get(text);
    if (known !== undefined) return known;
    if (this.#shared.size >= SHARED_TEXTS_MAX) this.#shared.clear();
    this.#shared.set(text, text);
    return text;
  }
}

const noItems = (): GroupCount => ({
  items: 0,
  online: 0,
  waiting: 0,
  tags: new Map(),
  programs: { 'jump-client': { items: 0, online: 0 }, jumpoint: { items: 0, online: 0 } },
});
const searchText = (parts: readonly string[]): string => parts.join('\n').toLowerCase();
const searchWords = (text: string): string[] => [...new Set(text.toLowerCase().split(/\s+/).filter(Boolean))];
