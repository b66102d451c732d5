import { newId } from '@bascule/core/ids.ts';
import { ACCESS_TYPES, type AccessType } from '@bascule/protocol/api/network.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { AuditEvent, Context, Store, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';

/** An address of the appliance, as it is to be. */
export interface AddressRow {
  id: string;
  enabled: boolean;
  device: string;
  address: string;
  prefix: number;
  accessType: AccessType;
  shared: boolean;
}
export type AddressDraft = Omit<AddressRow, 'id'>;

/** A change that is undone at `undoAtMs` unless it is confirmed: what the row was, and is now; undefined: there was, or is, none. */
export interface PendingRow {
  cut: string;
  undoAtMs: number;
  before: AddressRow | undefined;
  after: AddressRow | undefined;
}

const addressAdded = defineAuditEvent<{ address: string; device: string }>(
  'IP_ADDRESS_ADDED',
  'Added the address {address} on {device}',
);
const addressChanged = defineAuditEvent<{ before: string; after: string }>(
  'IP_ADDRESS_CHANGED',
  'Changed the address {before} to {after}',
);
const addressRemoved = defineAuditEvent<{ address: string; device: string }>(
  'IP_ADDRESS_REMOVED',
  'Removed the address {address} from {device}',
);
const changeUndone = defineAuditEvent<{ address: string }>(
  'IP_ADDRESS_CHANGE_UNDONE',
  'Undid the change of {address}, which nobody confirmed from another address',
);
const changeConfirmed = defineAuditEvent<{ address: string }>('IP_ADDRESS_CHANGE_CONFIRMED', 'Confirmed the change of {address}');

const storedRow = z.object({
  id: z.string(),
  enabled: z.boolean(),
  device: z.string(),
  address: z.string(),
  prefix: z.number(),
  accessType: z.enum(ACCESS_TYPES),
  shared: z.boolean(),
});
const storedPending = z.object({ before: storedRow.optional(), after: storedRow.optional() });

/** The addresses in box.db. */
export class AddressStore {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  all(): AddressRow[] {
    return this.#store
      .all<Record<string, unknown>>(
        'SELECT id, enabled, device, address, prefix, access_type AS accessType, shared FROM ip_addresses ORDER BY id',
      )
      .map((row) => storedRow.parse({ ...row, enabled: row['enabled'] === 1, shared: row['shared'] === 1 }));
  }

  add(context: Context, draft: AddressDraft, pending: Omit<PendingRow, 'before' | 'after'> | undefined): AddressRow {
    const row = { id: newId('ipAddress'), ...draft };
    this.#change(context, addressAdded({ address: textOf(row), device: row.device }), undefined, row, pending);
    return row;
  }

  change(
    context: Context,
    before: AddressRow,
    after: AddressRow,
    pending: Omit<PendingRow, 'before' | 'after'> | undefined,
  ): void {
    this.#change(context, addressChanged({ before: textOf(before), after: textOf(after) }), before, after, pending);
  }

  remove(context: Context, before: AddressRow, pending: Omit<PendingRow, 'before' | 'after'> | undefined): void {
    this.#change(context, addressRemoved({ address: textOf(before), device: before.device }), before, undefined, pending);
  }

  pending(): PendingRow | undefined {
    const row = this.#store.get<{ cut: string; undoAtMs: number; rows: string }>(
      'SELECT cut, undo_at_ms AS undoAtMs, rows FROM pending_network_change',
    );
    if (row === undefined) return undefined;
    const { before, after } = storedPending.parse(JSON.parse(row.rows));
    return { cut: row.cut, undoAtMs: row.undoAtMs, before, after };
  }

  /** The change stays. */
  confirm(context: Context, { cut }: PendingRow): void {
    this.#store.transact(context, changeConfirmed({ address: cut }), (tx) => tx.run('DELETE FROM pending_network_change'));
  }

  /** Puts everything back as it was before the change. */
  undo(context: Context, { cut, before, after }: PendingRow): void {
    this.#store.transact(context, changeUndone({ address: cut }), (tx) => {
      tx.run('DELETE FROM pending_network_change');
      write(tx, after, before);
    });
  }

  #change(
    context: Context,
    event: AuditEvent,
    before: AddressRow | undefined,
    after: AddressRow | undefined,
    pending: Omit<PendingRow, 'before' | 'after'> | undefined,
  ): void {
    this.#store.transact(context, event, (tx) => {
      write(tx, before, after);
      if (pending === undefined) return;
      tx.run(
        'INSERT INTO pending_network_change (one, cut, undo_at_ms, rows) VALUES (1, ?, ?, ?)',
        pending.cut,
        pending.undoAtMs,
        JSON.stringify({ before, after }),
      );
    });
  }
}

function write(tx: Tx, before: AddressRow | undefined, after: AddressRow | undefined): void {
  if (before !== undefined) tx.run('DELETE FROM ip_addresses WHERE id = ?', before.id);
  if (after === undefined) return;
  const { id, enabled, device, address, prefix, accessType, shared } = after;
  tx.run(
    'INSERT INTO ip_addresses (id, enabled, device, address, prefix, access_type, shared) VALUES (?, ?, ?, ?, ?, ?, ?)',
    id,
    enabled ? 1 : 0,
    device,
    address,
    prefix,
    accessType,
    shared ? 1 : 0,
  );
}

/** For the audit: what a person would say of it. */
function textOf({ enabled, device, address, prefix, accessType, shared }: AddressRow): string {
  return [`${address}/${prefix}`, device, accessType, shared ? 'shared' : '', enabled ? 'enabled' : 'disabled']
    .filter((part) => part !== '')
    .join(' ');
}
