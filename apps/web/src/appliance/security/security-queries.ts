import { useQuery, useQueryClient } from '@tanstack/react-query';
import { boxSecurity } from '@bascule/protocol/api/security.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const KEY = ['security'] as const;

export function useSecurity() {
  const api = useApi();
  return useQuery({ queryKey: KEY, queryFn: ({ signal }) => api.get(apiPaths.boxSecurity, boxSecurity, {}, signal) });
}

/** Reads all of Security anew. */
export function useRefreshSecurity(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: KEY });
}
