import { useQuery, useQueryClient } from '@tanstack/react-query';
import { restoreState } from '@bascule/protocol/api/restore.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const RESTORE_KEY = ['restore'] as const;
/** Something is under way, or clients are coming back: it is watched. */
const WATCHED_MS = 1000;
const IDLE_MS = 10_000;

/** All that the page shows. It is asked of base, which goes on while the site is being replaced. */
export function useRestore() {
  const api = useApi();
  return useQuery({
    queryKey: RESTORE_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.restore, restoreState, {}, signal),
    refetchInterval: ({ state: { data } }) =>
      data === undefined || data.running !== null || data.last !== null || data.inspection?.state === 'running'
        ? WATCHED_MS
        : IDLE_MS,
  });
}

export function useRefreshRestore(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: RESTORE_KEY });
}
