/**
 * The list of Jump Items as the console shows it: brought up to date by changes, sorted, searched, by group. Pure; ten thousand items
 * are sorted once per change and only filtered per keystroke.
 */
import type { z } from 'zod';
import type { JumpItem, jumpItems } from '@bascule/protocol/api/jump.ts';

export type JumpItemsAnswer = z.infer<typeof jumpItems>;

export interface KnownItems {
  revision: number;
  byId: ReadonlyMap<string, JumpItem>;
}

/** What is known after an answer of `GET jump/items`: a complete one replaces, another changes. */
export function applyAnswer(known: KnownItems | undefined, answer: JumpItemsAnswer): KnownItems {
  if (answer.complete || !known) return { revision: answer.revision, byId: new Map(answer.items.map((item) => [item.id, item])) };
  if (answer.items.length === 0 && answer.removed.length === 0) return { ...known, revision: answer.revision };
  const byId = new Map(known.byId);
  for (const id of answer.removed) byId.delete(id);
  for (const item of answer.items) byId.set(item.id, item);
  return { revision: answer.revision, byId };
}

export const ITEM_COLUMNS = ['state', 'name', 'group', 'host', 'os', 'user', 'addresses', 'since'] as const;
export type ItemColumn = (typeof ITEM_COLUMNS)[number];
export interface ItemSort {
  column: ItemColumn;
  descending: boolean;
}
/** Online first, then by name. */
export const DEFAULT_SORT: ItemSort = { column: 'state', descending: false };

/** The word beside the dot. */
export type ItemStatus = 'online' | 'offline' | 'waiting-for-approval' | 'to-be-confirmed' | 'revoked';
const STATUS_ORDER: readonly ItemStatus[] = ['online', 'offline', 'to-be-confirmed', 'waiting-for-approval', 'revoked'];

export function itemStatus(item: JumpItem): ItemStatus {
  if (item.state !== 'approved') return item.state;
  return item.online ? 'online' : 'offline';
}

/** Whether a session may be opened on `item`, and why not. Mirrors the site's rule: approved and connected. */
export function jumpObstacle(item: JumpItem): Exclude<ItemStatus, 'online'> | undefined {
  const status = itemStatus(item);
  return status === 'online' ? undefined : status;
}

/** Whether a session may be opened again on the item `id`; `gone`: it is not among what this person may see any more. */
export function jumpAgainObstacle(known: KnownItems | undefined, id: string): Exclude<ItemStatus, 'online'> | 'gone' | undefined {
  if (!known) return undefined;
  const item = known.byId.get(id);
  return item ? jumpObstacle(item) : 'gone';
}

const byWords = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

const columnText: Record<Exclude<ItemColumn, 'state' | 'since'>, (item: JumpItem) => string> = {
  name: (item) => item.name,
  group: (item) => item.groupName ?? '',
  host: (item) => item.hostName,
  os: (item) => item.os,
  user: (item) => item.runsAs,
  addresses: (item) => item.addresses[0] ?? '',
};

function compareIn(column: ItemColumn): (left: JumpItem, right: JumpItem) => number {
  if (column === 'state')
    return (left, right) => STATUS_ORDER.indexOf(itemStatus(left)) - STATUS_ORDER.indexOf(itemStatus(right));
  if (column === 'since') return (left, right) => (right.sinceMs ?? 0) - (left.sinceMs ?? 0);
  const text = columnText[column];
  return (left, right) => byWords.compare(text(left), text(right));
}

/** A new list in the wanted order; equal ones stay by name, then by id, so that rows never change places by themselves. */
export function sortItems(items: Iterable<JumpItem>, sort: ItemSort): JumpItem[] {
  const compare = compareIn(sort.column);
  const direction = sort.descending ? -1 : 1;
  return [...items].sort(
    (left, right) => compare(left, right) * direction || byWords.compare(left.name, right.name) || (left.id < right.id ? -1 : 1),
  );
}

const searchTexts = new WeakMap<JumpItem, string>();

function searchText(item: JumpItem): string {
  let text = searchTexts.get(item);
  if (text === undefined) {
    text = [item.name, item.groupName ?? '', item.hostName, item.os, item.runsAs, ...item.addresses, item.comment]
      .join('\n')
      .toLowerCase();
    searchTexts.set(item, text);
  }
  return text;
}

/** Which group's items are wanted: `all`, an id, or `none` for those without a group. */
export type GroupChoice = 'all' | 'none' | (string & {});

/** The items of a group that contain every word of `search`, in the order given. */
export function filterItems(items: readonly JumpItem[], search: string, group: GroupChoice): JumpItem[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter((item) => {
    if (group !== 'all' && (item.groupId ?? 'none') !== group) return false;
    const text = searchText(item);
    return words.every((word) => text.includes(word));
  });
}

export interface GroupCount {
  id: GroupChoice;
  /** Null for 'all' and for 'none': those are named by the interface. */
  name: string | null;
  items: number;
  online: number;
}

/** All, every group by name, and those without one (when there are any), with what each holds. */
export function countGroups(items: Iterable<JumpItem>): GroupCount[] {
  const all: GroupCount = { id: 'all', name: null, items: 0, online: 0 };
  const groups = new Map<string, GroupCount>();
  for (const item of items) {
    const id = item.groupId ?? 'none';
    const group = groups.get(id) ?? { id, name: item.groupName, items: 0, online: 0 };
    groups.set(id, group);
    for (const count of [all, group]) {
      count.items += 1;
      count.online += itemStatus(item) === 'online' ? 1 : 0;
    }
  }
  const none = groups.get('none');
  groups.delete('none');
  const named = [...groups.values()].sort((left, right) => byWords.compare(left.name ?? '', right.name ?? ''));
  return [all, ...named, ...(none ? [none] : [])];
}
