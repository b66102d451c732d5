import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { z } from 'zod';
import { updatesState, type finishedUpload } from '@bascule/protocol/api/updates.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { pollIntervalMs } from './updates-model.ts';

export const UPDATES_KEY = ['updates'] as const;
export const HISTORY_KEY = ['updates-history'] as const;
/** While base is replaced a request may hang instead of failing; the page must not stand still with it. */
const STATE_TIMEOUT_MS = 5_000;

export type FinishedUpload = z.infer<typeof finishedUpload>;

/** All that the page Updates shows, asked for again and again: so a second administrator and a reloaded page see the same. */
export function useUpdatesState() {
  const api = useApi();
  return useQuery({
    queryKey: UPDATES_KEY,
    queryFn: ({ signal }) =>
      api.get(apiPaths.updatesState, updatesState, {}, AbortSignal.any([signal, AbortSignal.timeout(STATE_TIMEOUT_MS)])),
    retry: false,
    staleTime: 0,
    refetchInterval: (self) => pollIntervalMs(self.state.data, self.state.status === 'error'),
  });
}

/** Makes the page ask for the state and the history now, after something was begun. */
export function useRefreshUpdates(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    await Promise.all([client.invalidateQueries({ queryKey: UPDATES_KEY }), client.invalidateQueries({ queryKey: HISTORY_KEY })]);
  };
}
