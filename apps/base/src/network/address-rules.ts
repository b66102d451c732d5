import { networkInterfaces } from 'node:os';
import { AppError } from '@bascule/errors/app-error.ts';
import type { IpAddressChange, NetworkDevice } from '@bascule/protocol/api/network.ts';
import type { HelperDevice } from '@bascule/protocol/helper-verbs.ts';
import type { AddressDraft, AddressRow } from './address-store.ts';
import { checkedAddress, plainAddress } from './ip-address.ts';

/** A shared address that would stay for ever was no shared one until now: it is dropped, and held anew by whoever is primary. */
export function isAsWanted(row: AddressRow, device: string, one: HelperDevice['addresses'][number]): boolean {
  return row.device === device && row.prefix === one.prefix && !(row.shared && one.lifeLeftSeconds === null);
}

/** A lasting address that has a limited life: it was shared until now, or somebody outside changed it. */
export function isAdrift(row: AddressRow, devices: HelperDevice[]): boolean {
  return devices.some(({ addresses }) =>
    addresses.some((one) => one.ours && one.address === row.address && one.lifeLeftSeconds !== null),
  );
}

/** What a form says, as it is kept. Throws `IP_ADDRESS_INVALID`, `IP_PREFIX_INVALID`. */
export function checkedDraft({ enabled, device, address, prefix, accessType, shared }: IpAddressChange): AddressDraft {
  return { enabled, device, address: checkedAddress(address, prefix), prefix, accessType, shared };
}

/** Throws `IP_ADDRESS_TAKEN`. */
export function refuseTaken(rows: AddressRow[], { address }: AddressDraft, id: string | undefined): void {
  if (!rows.some((row) => row.address === address && row.id !== id)) return;
  throw new AppError('conflict', 'IP_ADDRESS_TAKEN', `${address} is on the list already.`, {
    field: 'body.address',
    params: { address },
  });
}

/** Whether whoever is here by `from` loses the way by this change. What is not `isOurs`, the operating system set, and stays whatever is said here. */
export function cuts(before: AddressRow | undefined, after: AddressDraft | undefined, from: string, isOurs: boolean): boolean {
  if (before?.enabled === true && before.address === from && isOurs) {
    const stays =
      after !== undefined &&
      after.enabled &&
      after.address === before.address &&
      after.device === before.device &&
      after.prefix === before.prefix &&
      (before.shared || !after.shared);
    if (!stays) return true;
  }
  const becomesSiteOnly = after?.enabled === true && after.address === from && after.accessType === 'site-only';
  return becomesSiteOnly && before?.accessType !== 'site-only';
}

/** What can be seen without the helper. */
export function ownDevices(): (HelperDevice & NetworkDevice)[] {
  return Object.entries(networkInterfaces()).map(([name, addresses = []]) => ({
    name,
    up: true,
    mac: addresses[0]?.mac ?? null,
    addresses: addresses.map(({ address, cidr }) => ({
      address: plainAddress(address),
      prefix: Number(cidr?.split('/')[1] ?? 0),
      lifeLeftSeconds: null,
      isDuplicate: false,
      ours: false,
    })),
  }));
}
