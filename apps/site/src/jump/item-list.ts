import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { JumpItem, JumpItemsPage, searchJumpItemsQuery } from '@bascule/protocol/api/jump.ts';
import type { Store } from '@bascule/store/store.ts';
import type { ClientNotes } from './client-notes.ts';
import type { ClientRules } from './client-settings.ts';
import type { ControlLinks } from './control-links.ts';
import type { ItemChanges } from './item-changes.ts';
import { ItemIndex, type ItemFilter } from './item-index.ts';
import { naturalKey } from './item-order.ts';
import * as rows from './jump-store.ts';
import type { ClientRow } from './jump-store.ts';

/** `GET jump/items` gives at most so many; more are searched page by page. */
export const LIST_LIMIT = 20_000;
const HOUR_MS = 60 * 60_000;

export type MayList = (item: { groupId: string | null }) => boolean;
export type ItemSearch = z.infer<typeof searchJumpItemsQuery>;
export type UpgradeView = (row: ClientRow) => Pick<JumpItem, 'upgrade' | 'upgradePlace'>;

export interface ItemListOptions {
  store: Store;
  changes: ItemChanges;
  notes: ClientNotes;
  links: Pick<ControlLinks, 'onlineSinceMs' | 'isOnline'>;
  rules(): ClientRules;
}

/** Jump Items as they are listed: rows, with what is memory about them. */
export class ItemList {
  readonly #options: ItemListOptions;
  readonly #sessionCounts = new Map<string, number>();
  #upgradeView: UpgradeView = () => ({ upgrade: 'current', upgradePlace: null });
  readonly index: ItemIndex;

  constructor(options: ItemListOptions) {
    this.#options = options;
    const { store, links, notes } = options;
    this.index = new ItemIndex({
      store,
      presenceOf: (id) => ({ online: links.isOnline(id), sinceMs: links.onlineSinceMs(id) ?? notes.seenAtMs(id) }),
      upgradeOf: (row) => this.#upgradeView(row).upgrade,
    });
  }

  /** Who knows how far each client is in the upgrade queue; what is listed is looked at again. */
  showUpgrades(view: UpgradeView): Promise<void> {
    this.#upgradeView = view;
    return this.index.refreshUpgrades();
  }

  noteSessionCount(clientId: string, count: number): void {
    if (count === 0) this.#sessionCounts.delete(clientId);
    else this.#sessionCounts.set(clientId, count);
  }

  item(id: string): JumpItem | undefined {
    const row = rows.clientById(this.#options.store, id);
    return row && this.#toItem(row);
  }

  /** When a passive client that is away checks in at the latest, milliseconds since the epoch. */
  nextCheckInMs(row: Pick<ClientRow, 'id' | 'mode' | 'lastSeenAtMs'>): number | null {
    const { links, notes, rules } = this.#options;
    if (row.mode !== 'passive' || links.isOnline(row.id)) return null;
    const seenAtMs = notes.seenAtMs(row.id) ?? row.lastSeenAtMs;
    return seenAtMs === null ? null : seenAtMs + rules().checkInHours * HOUR_MS;
  }

  /**
   * The list for one viewer: complete, or what changed after revision `since`. `mayList` decides per item; what it turns down is named in
   * `removed` when something about it changed, just like a deleted one. Throws JUMP_ITEMS_TOO_MANY.
   */
  items(since: number | undefined, mayList: MayList) {
    const { store, changes } = this.#options;
    const revision = changes.revision;
    const ids = since === undefined ? undefined : changes.since(since);
    const items: JumpItem[] = [];
    const removed: string[] = [];
    if (ids === undefined) {
      if (rows.countClients(store).total > LIST_LIMIT) throw tooManyItems();
      for (const row of rows.allClients(store)) if (mayList(row)) items.push(this.#toItem(row));
      return { revision, complete: true, items, removed };
    }
    for (const id of ids) {
      const row = rows.clientById(store, id);
      if (row !== undefined && mayList(row)) items.push(this.#toItem(row));
      else removed.push(id);
    }
    return { revision, complete: false, items, removed };
  }

  /** One page of what the viewer may see, with the groups and tags beside it (GET jump/items/search). */
  async search(query: ItemSearch, mayList: MayList): Promise<JumpItemsPage> {
    await this.index.ready();
    const { store, changes } = this.#options;
    const names = new Map(rows.groupNames(store).map(({ id, name }) => [id, name]));
    const groupName = (id: string) => names.get(id) ?? '';
    const { sort, descending, offset, limit } = query;
    const found = this.index.find(filterOf(query), { sort, descending }, { mayList, groupName });
    const ids = found.slice(offset, offset + limit).map(({ id }) => id);
    const byId = new Map(rows.markedClientsById(store, ids).map((row) => [row.id, row]));
    const groups = this.index.groupsWithItems(mayList).map((id) => {
      return { id, name: id === null ? null : groupName(id), ...this.index.groupCount(id) };
    });
    return {
      revision: changes.revision,
      total: found.length,
      items: ids.flatMap((id) => byId.get(id) ?? []).map((row) => this.#toItem(row)),
      groups: groups.sort(byGroupName),
      tags: this.index.tags(mayList),
      programs: this.index.programs(mayList),
    };
  }

  /** The ids of everything that a search finds. */
  async idsOf(filter: ItemFilter, mayList: MayList): Promise<string[]> {
    await this.index.ready();
    const names = new Map(rows.groupNames(this.#options.store).map(({ id, name }) => [id, name]));
    const view = { mayList, groupName: (id: string) => names.get(id) ?? '' };
    return this.index.find(filter, { sort: 'name', descending: false }, view).map(({ id }) => id);
  }

  #toItem(row: ClientRow): JumpItem {
    const { links, notes } = this.#options;
    const onlineSinceMs = links.onlineSinceMs(row.id);
    return {
      id: row.id,
      name: row.name,
      groupId: row.groupId,
      groupName: row.groupName,
      hostName: row.hostName,
      os: row.os,
      addresses: JSON.parse(row.addresses) as string[],
      runsAs: row.runsAs,
      version: row.version,
      state: row.state,
      online: onlineSinceMs !== undefined,
      sinceMs: onlineSinceMs ?? notes.seenAtMs(row.id) ?? row.lastSeenAtMs,
      duplicateName: row.duplicateName === 1,
      comment: row.comment,
      sessions: this.#sessionCounts.get(row.id) ?? 0,
      program: row.program,
      revision: row.revision,
      mode: row.mode,
      tags: JSON.parse(row.tags) as string[],
      nextCheckInMs: this.nextCheckInMs(row),
      ...this.#upgradeView(row),
    };
  }
}

/** Only what was asked for: two searches that ask the same have one key. */
export function filterOf({ text, groupId, tag, state, online, upgrade, program }: Partial<ItemSearch>): ItemFilter {
  return {
    ...(text !== undefined && text.trim() !== '' && { text: text.trim() }),
    ...(groupId !== undefined && { groupId }),
    ...(tag !== undefined && { tag }),
    ...(state !== undefined && { state }),
    ...(online !== undefined && { online }),
    ...(upgrade !== undefined && { upgrade }),
    ...(program !== undefined && { program }),
  };
}

function byGroupName(one: { name: string | null }, other: { name: string | null }): number {
  if (one.name === null || other.name === null) return Number(one.name === null) - Number(other.name === null);
  return naturalKey(one.name) < naturalKey(other.name) ? -1 : 1;
}

function tooManyItems(): AppError {
  return new AppError(
    'conflict',
    'JUMP_ITEMS_TOO_MANY',
    `There are more than ${LIST_LIMIT} Jump Items: ask for pages with jump/items/search.`,
    { params: { limit: LIST_LIMIT } },
  );
}
