/** Which addresses lead to this machine alone, whoever serves. */
import { networkInterfaces } from 'node:os';
import type { BoxAnswer } from '@bascule/protocol/api/plans.ts';

/** Whether `address` is one of this machine's, and not a shared one of `configured`, which goes to whoever serves. */
export function isOwnAddress(address: string, configured: NonNullable<BoxAnswer['addresses']>): boolean {
  if (configured.some((one) => one.shared && one.address === address)) return false;
  return Object.values(networkInterfaces()).some((ones) => ones?.some((one) => one.address === address));
}
