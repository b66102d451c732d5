import { useCallback } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { fileStoreState } from '@bascule/protocol/api/file-store.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

const REFRESH_MS = 30_000;
/** While something can be taken back. */
const UNDO_REFRESH_MS = 2_000;

/** The files, how much room is left, and what was deleted a moment ago. */
export function useFileStore() {
  const api = useApi();
  return useQuery({
    queryKey: ['file-store'],
    queryFn: ({ signal }) => api.get(apiPaths.fileStore, fileStoreState, {}, signal),
    refetchInterval: ({ state }) => ((state.data?.deleted.length ?? 0) > 0 ? UNDO_REFRESH_MS : REFRESH_MS),
  });
}

export function useRefreshFileStore(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['file-store'] }), [client]);
}
