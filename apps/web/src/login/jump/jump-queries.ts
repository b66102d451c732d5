import { useCallback } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { conflicts, installerTokens, jumpGroups } from '@bascule/protocol/api/jump.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

export function useJumpGroups() {
  const api = useApi();
  return useQuery({ queryKey: ['jump-groups'], queryFn: ({ signal }) => api.get(apiPaths.jumpGroups, jumpGroups, {}, signal) });
}

export function useInstallerTokens() {
  const api = useApi();
  return useQuery({
    queryKey: ['jump-tokens'],
    queryFn: ({ signal }) => api.get(apiPaths.installerTokens, installerTokens, {}, signal),
  });
}

export function useConflicts() {
  const api = useApi();
  return useQuery({ queryKey: ['conflicts'], queryFn: ({ signal }) => api.get(apiPaths.conflicts, conflicts, {}, signal) });
}

/** Makes everything about Jump be read again after a change. */
export function useRefreshJump(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(async () => {
    await Promise.all(
      ['jump-items', 'jump-groups', 'jump-tokens', 'conflicts', 'status'].map((key) =>
        client.invalidateQueries({ queryKey: [key] }),
      ),
    );
  }, [client]);
}
