import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import type { Promotion, RoleChange } from './role-change.ts';
import type { LeaseOfRoles } from './roles.ts';

/** Promotes by the lease that was `claimed`, if one is needed; a promotion that fails gives it back. Throws as `RoleChange.promote`. */
export async function promoteByLease(
  { change, lease }: { change: Pick<RoleChange, 'promote'>; lease: Pick<LeaseOfRoles, 'giveBack'> },
  claimed: { epoch: number; statement: SignedStatement } | undefined,
  promotion: Promotion,
): Promise<void> {
  try {
    await change.promote({ ...promotion, ...claimed });
  } catch (error) {
    if (claimed !== undefined) await lease.giveBack(claimed.epoch);
    throw error;
  }
}
