import { useCallback } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { users } from '@bascule/protocol/api/auth.ts';
import { useApi } from '../shared/api-context.tsx';
import { apiPaths } from '../shared/paths.ts';

/** The users of this interface (site users, or box administrators). */
export function useUsers() {
  const api = useApi();
  return useQuery({ queryKey: ['users'], queryFn: ({ signal }) => api.get(apiPaths.users, users, {}, signal) });
}

export function useRefreshUsers(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['users'] }), [client]);
}
