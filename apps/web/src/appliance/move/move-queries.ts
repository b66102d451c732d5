import { useQuery } from '@tanstack/react-query';
import { moveOverview } from '@bascule/protocol/api/move.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

export const MOVE_KEY = ['move'] as const;
/** A move is watched; nothing else here changes by itself. */
const REFRESH_MS = 2000;

export function useMove() {
  const api = useApi();
  return useQuery({
    queryKey: MOVE_KEY,
    queryFn: ({ signal }) => api.get(apiPaths.move, moveOverview, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}
