import type { RehearsalState } from '@bascule/protocol/api/failover.ts';
import { REHEARSAL_STEPS } from '@bascule/protocol/rehearsal.ts';
import type { Failover } from '../failover.ts';

/** The test of the standby as the page of this side shows it: at the primary what it leads, at a backup what its own part has come to. */
export function rehearsalStateOf(failover: Failover): RehearsalState {
  const { guide, rehearsal, serves } = failover;
  const { canBegin } = guide;
  if (serves && guide.state !== undefined) return { ...guide.state, canBegin };
  const { state } = rehearsal;
  // Its copy is open before the primary lets anybody in.
  const isReady =
    state.users.length === 0 ||
    (state.steps.length === REHEARSAL_STEPS.length && state.steps.every(({ outcome }) => outcome !== 'running'));
  return { ...state, ...(state.state === 'open' && !isReady && { state: 'preparing' }), canBegin };
}
