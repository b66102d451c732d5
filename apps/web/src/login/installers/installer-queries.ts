import { useCallback } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { downloads, installers } from '@bascule/protocol/api/installers.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

export function useInstallers() {
  const api = useApi();
  return useQuery({
    queryKey: ['installers'],
    queryFn: ({ signal }) => api.get(apiPaths.installers, installers, {}, signal),
  });
}

/** Consoles and other software of this site, for whoever is logged in. */
export function useDownloads() {
  const api = useApi();
  return useQuery({ queryKey: ['downloads'], queryFn: ({ signal }) => api.get(apiPaths.downloads, downloads, {}, signal) });
}

/** Makes installers, and the tokens that go with them, be read again after a change. */
export function useRefreshInstallers(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(async () => {
    await Promise.all(['installers', 'downloads', 'jump-tokens'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  }, [client]);
}
