import { useQuery } from '@tanstack/react-query';
import { identityState } from '@bascule/protocol/api/fleet.ts';
import { losses, type PlannedChange } from '@bascule/protocol/losses.ts';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const REFRESH_MS = 30_000;

/** The site identity, and how many clients still trust a former one. */
export function useSiteIdentity() {
  const api = useApi();
  return useQuery({
    queryKey: ['fleet', 'identity'],
    queryFn: ({ signal }) => api.get(apiPaths.siteIdentity, identityState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

/** Who would be lost by `change`: a dry run that changes nothing. */
export function useLosses() {
  const api = useApi();
  return (change: PlannedChange) => api.post(apiPaths.losses, losses, { change }, LONG_TIMEOUT_MS);
}
