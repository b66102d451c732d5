/** Which Jump Clients a bulk action is for: some, or all that the search finds. Pure. */
import type { ItemFilter } from '../../console/items/item-query.ts';

/** Ids in one request, at most (protocol/api/jump.ts); more are chosen by 'all found'. */
export const SELECTED_MAX = 10_000;

export type ClientSelection = { kind: 'some'; ids: ReadonlySet<string> } | { kind: 'all' };
export const NOTHING_SELECTED: ClientSelection = { kind: 'some', ids: new Set() };

export function selectedCount(selection: ClientSelection, found: number): number {
  return selection.kind === 'all' ? found : selection.ids.size;
}

export function isSelected(selection: ClientSelection, id: string): boolean {
  return selection.kind === 'all' || selection.ids.has(id);
}

/** With `id` in or out. From 'all found' nobody can be taken out: that begins a new selection with the one that was clicked. */
export function toggled(selection: ClientSelection, id: string): ClientSelection {
  if (selection.kind === 'all') return { kind: 'some', ids: new Set([id]) };
  const ids = new Set(selection.ids);
  if (!ids.delete(id) && ids.size < SELECTED_MAX) ids.add(id);
  return { kind: 'some', ids };
}

/** Whose items POST jump/items/bulk is about. */
export function bulkTarget(selection: ClientSelection, filter: ItemFilter): { ids: string[] } | { search: ItemFilter } {
  return selection.kind === 'all' ? { search: filter } : { ids: [...selection.ids] };
}
