import { ACCESS_TYPES, type AccessType } from '@bascule/protocol/api/network.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import type { AuditEvent, Store, Tx } from '@bascule/store/store.ts';
import { z } from 'zod';
import type { Change } from '../changes/changes.ts';

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
const storedRow = z.object({
  id: z.string(),
  enabled: z.boolean(),
  device: z.string(),
  address: z.string(),
  prefix: z.number(),
  accessType: z.enum(ACCESS_TYPES),
  shared: z.boolean(),
});
/** As they are written down beside a change. */
export const storedRows = z.array(storedRow);

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

  /** Instead of all there are. */
  replaceAll(tx: Tx, rows: readonly AddressRow[]): void {
    tx.run('DELETE FROM ip_addresses');
    for (const row of rows) write(tx, undefined, row);
  }

  /** `before` (undefined: a new one) becomes `after` (undefined: none); what is written down of it, and what writes it. */
  change(before: AddressRow | undefined, after: AddressRow | undefined): Pick<Change, 'event' | 'write'> {
    return { event: eventOf(before, after), write: (tx) => write(tx, before, after) };
  }
}

function eventOf(before: AddressRow | undefined, after: AddressRow | undefined): AuditEvent {
  if (before === undefined && after !== undefined) return addressAdded({ address: textOf(after), device: after.device });
  if (before !== undefined && after === undefined) return addressRemoved({ address: textOf(before), device: before.device });
  if (before === undefined || after === undefined) throw new Error('bug: a change of no address');
  return addressChanged({ before: textOf(before), after: textOf(after) });
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
export function textOf({ enabled, device, address, prefix, accessType, shared }: AddressRow): string {
  return [`${address}/${prefix}`, device, accessType, shared ? 'shared' : '', enabled ? 'enabled' : 'disabled']
    .filter((part) => part !== '')
    .join(' ');
}
