import { newId } from '@bascule/core/ids.ts';
import { notFound } from '@bascule/errors/app-error.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import type { ItemChanges } from './item-changes.ts';
import { groupNameTaken, unknownMember } from './jump-errors.ts';
import type { ItemIndex } from './item-index.ts';
import * as rows from './jump-store.ts';

const groupCreated = defineAuditEvent('JUMP_GROUP_CREATED', 'Created Jump Group {name}', { waitsForPeer: true });
const groupChanged = defineAuditEvent('JUMP_GROUP_CHANGED', 'Changed Jump Group {name}', { waitsForPeer: true });
const groupDeleted = defineAuditEvent('JUMP_GROUP_DELETED', 'Deleted Jump Group {name}', { waitsForPeer: true });

/** Jump Groups: names, and which users may see and jump to their items. */
export class JumpGroups {
  #store: Store;
  #changes: ItemChanges;
  #index: ItemIndex;
  #userName: (id: string) => string | undefined;
  #now: () => number;
  #accessListeners: (() => void)[] = [];

  constructor(options: {
    store: Store;
    changes: ItemChanges;
    index: ItemIndex;
    userName(id: string): string | undefined;
    now: () => number;
  }) {
    this.#store = options.store;
    this.#index = options.index;
    this.#changes = options.changes;
    this.#userName = (id) => options.userName(id);
    this.#now = options.now;
  }

  /** Heard after members changed or a group was deleted: somebody may have lost the right to an item. */
  onAccessChanged(listener: () => void): void {
    this.#accessListeners.push(listener);
  }

  /** The groups whose items the user may see and jump to. */
  idsOfUser(userId: string): string[] {
    return rows.groupIdsOfUser(this.#store, userId);
  }

  /** Every group with its members' names. */
  list() {
    const members = new Map<string, { id: string; name: string }[]>();
    for (const { groupId, userId } of rows.allGroupMembers(this.#store)) {
      const name = this.#userName(userId);
      if (name === undefined) continue;
      const list = members.get(groupId) ?? [];
      list.push({ id: userId, name });
      members.set(groupId, list);
    }
    const itemsOf = (id: string) => (this.#index.isReady ? this.#index.groupCount(id).items : rows.countInGroup(this.#store, id));
    return rows.groupNames(this.#store).map(({ id, name }) => ({ id, name, items: itemsOf(id), members: members.get(id) ?? [] }));
  }

  create(context: Context, name: string): string {
    if (rows.groupIdByName(this.#store, name) !== undefined) throw groupNameTaken(name);
    const id = newId('jumpGroup', this.#now());
    this.#store.transact(context, groupCreated({ group: id, name }), (tx) =>
      rows.insertGroup(tx, { id, name, nowMs: this.#now() }),
    );
    return id;
  }

  change(context: Context, id: string, change: { name?: string; memberIds?: string[] }): void {
    const before = rows.groupName(this.#store, id);
    if (before === undefined) throw notFound();
    const name = change.name ?? before;
    const taken = rows.groupIdByName(this.#store, name);
    if (taken !== undefined && taken !== id) throw groupNameTaken(name);
    if (change.memberIds?.some((member) => this.#userName(member) === undefined)) throw unknownMember();
    this.#store.transact(
      context,
      groupChanged({ group: id, before, name, ...(change.memberIds && { members: change.memberIds }) }),
      (tx) => {
        rows.renameGroup(tx, id, name);
        if (change.memberIds !== undefined) rows.setGroupMembers(tx, id, change.memberIds);
      },
    );
    this.#changes.noteAll();
    if (change.memberIds !== undefined) this.noteAccessChanged();
  }

  delete(context: Context, id: string): void {
    const name = rows.groupName(this.#store, id);
    if (name === undefined) throw notFound();
    this.#store.transact(context, groupDeleted({ group: id, name }), (tx) => rows.deleteGroup(tx, id));
    this.#changes.noteAll();
    this.noteAccessChanged();
  }

  /** An item came into another group, or members changed. */
  noteAccessChanged(): void {
    for (const listener of this.#accessListeners) listener();
  }
}
