import { setImmediate as nextTurn } from 'node:timers/promises';
import type { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import type { bulkJumpItemsBody, changeJumpItemBody, JumpItem } from '@bascule/protocol/api/jump.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { Context, Store } from '@bascule/store/store.ts';
import { writeBulk } from './item-bulk.ts';
import type { ItemChanges } from './item-changes.ts';
import { filterOf, type ItemList } from './item-list.ts';
import { bulkNeedsItems, unknownGroup, wrongState } from './jump-errors.ts';
import * as rows from './jump-store.ts';
import type { ClientRow, ClientState } from './jump-store.ts';

/** Items changed in one transaction: takes about 0.15 s. More are changed in several, each with its own line in the audit. */
export const BULK_TRANSACTION_ITEMS = 10_000;
/** Items whose links, sessions and entries are looked after in one turn of the loop. */
const BULK_SLICE = 500;
/** Ids that the audit names; the change log has them all. */
const AUDITED_IDS = 100;

const approved = defineAuditEvent('JUMP_CLIENT_APPROVED', 'Approved Jump Client {name}', { waitsForPeer: true });
const confirmed = defineAuditEvent('JUMP_CLIENT_CONFIRMED', 'Confirmed Jump Client {name}', { waitsForPeer: true });
const revoked = defineAuditEvent('JUMP_CLIENT_REVOKED', 'Revoked Jump Client {name}', { waitsForPeer: true });
const deleted = defineAuditEvent('JUMP_CLIENT_DELETED', 'Deleted Jump Client {name}', { waitsForPeer: true });
const changed = defineAuditEvent('JUMP_ITEM_CHANGED', 'Changed Jump Item {name}', { waitsForPeer: true });
const bulkChanged = defineAuditEvent('JUMP_ITEMS_BULK', 'Did {action} on {items:Jump Client,Jump Clients} at once', {
  waitsForPeer: true,
});

export type BulkAction = z.infer<typeof bulkJumpItemsBody>['action'];
export type BulkRequest = z.infer<typeof bulkJumpItemsBody>;
type Change = z.infer<typeof changeJumpItemBody>;

export interface ItemActsOptions {
  store: Store;
  list: ItemList;
  changes: ItemChanges;
  now(): number;
  /** What clients said of themselves is in their rows: a mode that is chosen now comes after it. */
  settle(): void;
  /** The client's links and sessions end now. */
  cut(clientId: string, reason: 'revoked' | 'deleted'): void;
  /** Approved: its link is told. */
  admitted(clientId: string): void;
  /** It has another mode: its link is told. */
  modeChanged(clientId: string): void;
  /** It is in another group. */
  accessChanged(): void;
}

/** What administrators do with Jump Items, one by one or many at once. */
export class ItemActs {
  readonly #options: ItemActsOptions;

  constructor(options: ItemActsOptions) {
    this.#options = options;
  }

  /** Renames, moves, comments or tags an item, or sets its mode. */
  change(context: Context, id: string, change: Change): JumpItem {
    const { store, settle } = this.#options;
    if (change.mode !== undefined) settle();
    const row = this.row(id);
    this.#checkGroup(change.groupId, 'body.groupId');
    const next = {
      name: change.name ?? row.name,
      groupId: change.groupId === undefined ? row.groupId : change.groupId,
      comment: change.comment ?? row.comment,
      tags: change.tags === undefined ? (JSON.parse(row.tags) as string[]) : tidyTags(change.tags),
      mode: change.mode ?? row.mode,
    };
    store.transact(context, changed({ client: id, before: row.name, ...next }), (tx) => rows.updateClient(tx, id, next));
    this.noteNames(id, row.name, next.name);
    if (next.groupId !== row.groupId) this.#options.accessChanged();
    if (next.mode !== row.mode) this.#options.modeChanged(id);
    return this.#item(id);
  }

  /** waiting-for-approval → approved. */
  approve(context: Context, id: string): JumpItem {
    return this.#admit(context, id, 'waiting-for-approval', approved);
  }

  /** to-be-confirmed → approved: an identity that the database did not know (restored, failed over). */
  confirm(context: Context, id: string): JumpItem {
    return this.#admit(context, id, 'to-be-confirmed', confirmed);
  }

  /** The client stays listed, and is refused from now on; its link and its sessions end at once. */
  revoke(context: Context, id: string): JumpItem {
    const row = this.row(id);
    if (row.state === 'revoked') throw wrongState(row.state);
    this.#options.store.transact(context, revoked({ client: id, name: row.name }), (tx) =>
      rows.updateClientState(tx, id, 'revoked'),
    );
    this.#options.cut(id, 'revoked');
    this.#note([id]);
    return this.#item(id);
  }

  /** As `revoke`, and the client is no longer listed. */
  delete(context: Context, id: string): void {
    const { store, now, cut } = this.#options;
    const row = this.row(id);
    store.transact(context, deleted({ client: id, name: row.name }), (tx) => rows.deleteClient(tx, row, now()));
    cut(id, 'deleted');
    this.noteNames(id, row.name, row.name);
  }

  /**
   * One action on many items: those named, or all that a search finds. What is not in the state for it (or is as wanted already) is skipped. All or nothing for
   * BULK_TRANSACTION_ITEMS at a time. Throws JUMP_BULK_ITEMS, JUMP_GROUP_UNKNOWN.
   */
  async bulk(context: Context, request: BulkRequest): Promise<{ changed: number; skipped: number }> {
    const { list, store, now } = this.#options;
    const { action } = request;
    if ((request.ids === undefined) === (request.search === undefined)) throw bulkNeedsItems();
    if (action.kind === 'group') this.#checkGroup(action.groupId, 'body.action.groupId');
    await list.index.ready();
    if (action.kind === 'mode') this.#options.settle();
    const ids =
      request.ids === undefined ? await list.idsOf(filterOf(request.search ?? {}), () => true) : [...new Set(request.ids)];
    let done = 0;
    for (let from = 0; from < ids.length; from += BULK_TRANSACTION_ITEMS) {
      const part = ids.slice(from, from + BULK_TRANSACTION_ITEMS);
      const written = store.transact<string[]>(
        context,
        (writtenIds) =>
          bulkChanged({
            action: action.kind,
            detail: { ...action },
            items: writtenIds.length,
            clients: writtenIds.slice(0, AUDITED_IDS),
          }),
        (tx) => writeBulk(tx, part, action, now()),
      );
      await this.#bulkWritten(written, action);
      done += written.length;
    }
    return { changed: done, skipped: ids.length - done };
  }

  row(id: string): ClientRow {
    const row = rows.clientById(this.#options.store, id);
    if (row === undefined) throw notFound();
    return row;
  }

  /** The item changed, and perhaps its name: one other's mark 'duplicate name' may come or go with it. */
  noteNames(id: string, before: string, after: string): void {
    const others = [before, after].flatMap((name) => rows.onlyOtherNamed(this.#options.store, name, id) ?? []);
    this.#note([...new Set([id, ...others])]);
  }

  /** What follows from a bulk action, slice by slice: thousands of links to end must not stop everything else. */
  async #bulkWritten(ids: readonly string[], action: BulkAction): Promise<void> {
    for (let from = 0; from < ids.length; from += BULK_SLICE) {
      const slice = ids.slice(from, from + BULK_SLICE);
      for (const id of slice) this.#follow(id, action);
      this.#note(slice);
      await nextTurn();
    }
    if (action.kind === 'group' && ids.length > 0) this.#options.accessChanged();
  }

  #follow(id: string, action: BulkAction): void {
    const { cut, admitted, modeChanged } = this.#options;
    if (action.kind === 'revoke') cut(id, 'revoked');
    else if (action.kind === 'delete') cut(id, 'deleted');
    else if (action.kind === 'approve' || action.kind === 'confirm') admitted(id);
    else if (action.kind === 'mode') modeChanged(id);
  }

  #note(ids: readonly string[]): void {
    this.#options.list.index.refresh(ids);
    this.#options.changes.noteMany(ids);
  }

  #admit(context: Context, id: string, from: ClientState, event: typeof approved): JumpItem {
    const row = this.row(id);
    if (row.state !== from) throw wrongState(row.state);
    this.#options.store.transact(context, event({ client: id, name: row.name }), (tx) =>
      rows.updateClientState(tx, id, 'approved'),
    );
    this.#note([id]);
    this.#options.admitted(id);
    return this.#item(id);
  }

  #item(id: string): JumpItem {
    const item = this.#options.list.item(id);
    if (item === undefined) throw notFound();
    return item;
  }

  #checkGroup(groupId: string | null | undefined, field: string): void {
    if (groupId !== undefined && groupId !== null && rows.groupName(this.#options.store, groupId) === undefined)
      throw unknownGroup(field);
  }
}

/** Each tag once, as it was written first. */
export function tidyTags(tags: readonly string[]): string[] {
  return [...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))];
}
