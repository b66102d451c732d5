import { useQuery, useQueryClient } from '@tanstack/react-query';
import { plansState, type PlansState } from '@bascule/protocol/api/plans.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { isUnderWay } from './plans-model.ts';

export const PLANS_KEY = ['plans'] as const;
/** While base is replaced a request may hang instead of failing; the page must not stand still with it. */
const STATE_TIMEOUT_MS = 5_000;
const POLL_BUSY_MS = 1_000;
const POLL_QUIET_MS = 10_000;

/** All that the page shows, asked for again and again: so a second administrator and a reloaded page see the same. */
export function usePlansState() {
  const api = useApi();
  return useQuery({
    queryKey: PLANS_KEY,
    queryFn: ({ signal }) =>
      api.get(apiPaths.plans, plansState, {}, AbortSignal.any([signal, AbortSignal.timeout(STATE_TIMEOUT_MS)])),
    retry: false,
    staleTime: 0,
    refetchInterval: (self) => pollIntervalMs(self.state.data, self.state.status === 'error'),
  });
}

/** Soon while a plan is under way or the appliance is silent. */
function pollIntervalMs(state: PlansState | undefined, isSilent: boolean): number {
  const current = state?.current ?? null;
  return isSilent || state === undefined || (current !== null && isUnderWay(current)) ? POLL_BUSY_MS : POLL_QUIET_MS;
}

/** Makes the page ask now, after something was begun. */
export function useRefreshPlans(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: PLANS_KEY });
}
