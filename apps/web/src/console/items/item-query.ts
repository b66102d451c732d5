/** What is asked of GET jump/items/search, and what is known of the answers, page by page. Pure. */
import type { z } from 'zod';
import type { JumpItem, JumpItemsPage, jumpItemSort, searchJumpItemsQuery } from '@bascule/protocol/api/jump.ts';

export interface ItemOrder {
  sort: z.infer<typeof jumpItemSort>;
  descending: boolean;
}
type Search = z.infer<typeof searchJumpItemsQuery>;
export type ItemFilter = Partial<Pick<Search, 'text' | 'groupId' | 'tag' | 'state' | 'online' | 'upgrade' | 'program'>>;

/** Items of one page: some three screens. */
export const PAGE_ITEMS = 100;
/** Pages that are looked at together at most; more than a screen shows. */
const PAGES_MAX = 4;

/** The query of one page, as text and numbers. */
export function pageQuery(filter: ItemFilter, order: ItemOrder, page: number): Record<string, string | number | undefined> {
  const { text = '', groupId, tag, state, online, upgrade, program } = filter;
  return {
    text: text.trim(),
    groupId,
    tag,
    state,
    online: online === undefined ? undefined : String(online),
    upgrade,
    program,
    sort: order.sort,
    descending: order.descending ? 'true' : undefined,
    offset: page * PAGE_ITEMS,
    limit: PAGE_ITEMS,
  };
}

/** The pages that hold the items `first` to `last`. */
export function pagesOf(first: number, last: number): number[] {
  const from = Math.floor(Math.max(first, 0) / PAGE_ITEMS);
  const to = Math.min(Math.floor(Math.max(last, 0) / PAGE_ITEMS), from + PAGES_MAX - 1);
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** The part of a list that is known. */
export class KnownPages {
  readonly #pages: ReadonlyMap<number, JumpItemsPage>;
  readonly newest: JumpItemsPage | undefined;

  constructor(pages: ReadonlyMap<number, JumpItemsPage>) {
    this.#pages = pages;
    this.newest = [...pages.values()].reduce<JumpItemsPage | undefined>(
      (newest, page) => (newest === undefined || page.revision > newest.revision ? page : newest),
      undefined,
    );
  }

  get total(): number {
    return this.newest?.total ?? 0;
  }

  /** The item in place `index`; undefined while its page is on the way. */
  itemAt(index: number): JumpItem | undefined {
    return this.#pages.get(Math.floor(index / PAGE_ITEMS))?.items[index % PAGE_ITEMS];
  }

  /** Where the item is among those that are known; -1 when it is not. */
  indexOf(id: string | undefined): number {
    if (id === undefined) return -1;
    for (const [page, { items }] of this.#pages) {
      const index = items.findIndex((item) => item.id === id);
      if (index !== -1) return page * PAGE_ITEMS + index;
    }
    return -1;
  }
}
