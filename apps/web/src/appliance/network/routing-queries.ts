import { useQuery, useQueryClient } from '@tanstack/react-query';
import { hostState, routesState } from '@bascule/protocol/api/network.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

/** The kernel's routes change by themselves. */
const REFRESH_MS = 5_000;

export function useRoutes() {
  const api = useApi();
  return useQuery({
    queryKey: ['network', 'routes'],
    queryFn: ({ signal }) => api.get(apiPaths.staticRoutes, routesState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

export function useHost() {
  const api = useApi();
  return useQuery({
    queryKey: ['network', 'host'],
    queryFn: ({ signal }) => api.get(apiPaths.host, hostState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

/** Reads the host's name and name servers anew. */
export function useRefreshHost(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ['network', 'host'] });
}
