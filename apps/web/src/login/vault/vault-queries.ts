import { useCallback } from 'react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { vaultKeyState, vaultSecrets, type VaultKeyState } from '@bascule/protocol/api/vault.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const STATE_KEY = ['vault', 'state'] as const;
/** A rotation goes on without an event. */
const ROTATING_REFRESH_MS = 1_000;
const QUIET_REFRESH_MS = 30_000;

/** The vault key and what it protects; never the key itself. */
export function useVaultKey(isEnabled = true) {
  const api = useApi();
  return useQuery({
    queryKey: STATE_KEY,
    enabled: isEnabled,
    queryFn: ({ signal }) => api.get(apiPaths.vaultKey, vaultKeyState, {}, signal),
    refetchInterval: ({ state }) => (isRotating(state.data) ? ROTATING_REFRESH_MS : QUIET_REFRESH_MS),
  });
}

function isRotating(data: VaultKeyState | undefined): boolean {
  return data !== undefined && data.rotation !== null;
}

/** The secrets by name, page by page. */
export function useVaultSecrets(show: 'all' | 'unreadable', isEnabled: boolean) {
  const api = useApi();
  return useInfiniteQuery({
    queryKey: ['vault', 'secrets', show],
    enabled: isEnabled,
    queryFn: ({ pageParam, signal }) => api.get(apiPaths.vaultSecrets, vaultSecrets, { show, after: pageParam }, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
}

/** Takes over the state that a change answered, and reads the names again. */
export function useTakeVaultKey(): (state: VaultKeyState) => Promise<void> {
  const client = useQueryClient();
  return useCallback(
    async (state) => {
      client.setQueryData(STATE_KEY, state);
      await client.invalidateQueries({ queryKey: ['vault', 'secrets'] });
    },
    [client],
  );
}

export function useRefreshVaultKey(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['vault'] }), [client]);
}
