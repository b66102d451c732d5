import { useQuery, useQueryClient } from '@tanstack/react-query';
import { connectedNow, ipConfiguration, trafficState } from '@bascule/protocol/api/network.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const ADDRESSES_KEY = ['network', 'addresses'] as const;
const TRAFFIC_KEY = ['network', 'traffic'] as const;
/** Lives of addresses run down by the second. */
const REFRESH_MS = 2_000;

export function useIpConfiguration() {
  const api = useApi();
  return useQuery({
    queryKey: ADDRESSES_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.ipAddresses, ipConfiguration, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

export function useTraffic() {
  const api = useApi();
  return useQuery({
    queryKey: TRAFFIC_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.traffic, trafficState, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

/** Who would be disturbed; asked once, when a form opens. */
export function useConnectedNow() {
  const api = useApi();
  return useQuery({
    queryKey: ['network', 'connected'],
    queryFn: ({ signal }) => api.get(apiPaths.connectedNow, connectedNow, {}, signal),
    staleTime: 0,
  });
}

/** Reads both pages anew. */
export function useRefreshNetwork(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ['network'] });
}
