import { useQuery } from '@tanstack/react-query';
import { activeAccessSessions } from '@bascule/protocol/api/access-sessions.ts';
import { siteStatus } from '@bascule/protocol/api/site.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

/** Events say when something changed; disk space changes without one. */
const STATUS_REFRESH_MS = 30_000;

/** Counts and disk of the site; `isEnabled`: false on a backup, which has none. */
export function useSiteStatus(isEnabled = true) {
  const api = useApi();
  return useQuery({
    queryKey: ['status'],
    enabled: isEnabled,
    queryFn: ({ signal }) => api.get(apiPaths.status, siteStatus, {}, signal),
    refetchInterval: STATUS_REFRESH_MS,
  });
}

/** Live access sessions: all for administrators, else the own ones. */
export function useActiveSessions(isEnabled = true) {
  const api = useApi();
  return useQuery({
    queryKey: ['active-sessions'],
    enabled: isEnabled,
    queryFn: ({ signal }) => api.get(apiPaths.activeAccessSessions, activeAccessSessions, {}, signal),
    refetchInterval: STATUS_REFRESH_MS,
  });
}
