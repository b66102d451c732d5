import { useCallback } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { failoverState, rehearsalChoices, type FailoverState } from '@bascule/protocol/api/failover.ts';
import { anyAnswer, LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths, type FailoverAction } from '../../shared/paths.ts';
import { useTickingNow } from '../../appliance/updates/use-ticking-now.ts';
import { useActiveSessions } from '../status/site-status.ts';

/** Lag and progress change without an event. */
const BUSY_REFRESH_MS = 1_000;
const QUIET_REFRESH_MS = 2_000;

/** The pair as this side sees it. The keys start with the event topic `failover`. */
export function useFailover() {
  const api = useApi();
  return useQuery({
    queryKey: ['failover', 'state'],
    queryFn: ({ signal }) => api.get(apiPaths.failover, failoverState, {}, signal),
    refetchInterval: ({ state }) => (state.data?.busy === null ? QUIET_REFRESH_MS : BUSY_REFRESH_MS),
  });
}

/** The appliance's time now, as far as `state` said it. */
export function useFailoverNow(state: FailoverState, readAtMs: number): number {
  return useTickingNow(state.nowMs ?? readAtMs);
}

/** Does something with the relationship, and makes everything about it be read again, also when it was refused: then something has changed. */
export function useFailoverAct(): (action: FailoverAction, body?: unknown) => Promise<unknown> {
  const api = useApi();
  const refresh = useRefreshFailover();
  return useCallback(
    async (action: FailoverAction, body: unknown = {}) => {
      try {
        return await api.post(apiPaths.failoverAction(action), anyAnswer, body, LONG_TIMEOUT_MS);
      } finally {
        await refresh();
      }
    },
    [api, refresh],
  );
}

export function useRefreshFailover(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['failover'] }), [client]);
}

/** Waits for a request, and reads the state again, whatever came of it. */
export function useThenRefresh(): <T>(request: Promise<T>) => Promise<T> {
  const refresh = useRefreshFailover();
  return useCallback(
    async <T>(request: Promise<T>) => {
      try {
        return await request;
      } finally {
        await refresh();
      }
    },
    [refresh],
  );
}

/** Reads role and peer in the header of the page again. */
export function useRefreshHeader(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['failover', 'header'] }), [client]);
}

/** Who may be chosen for a rehearsal. */
export function useRehearsalChoices() {
  const api = useApi();
  return useQuery({
    queryKey: ['failover', 'rehearsal-choices'],
    queryFn: ({ signal }) => api.get(apiPaths.rehearsalChoices, rehearsalChoices, {}, signal),
  });
}

/** People who are in an access session now, with what they are on; undefined when this side knows their number alone. */
export function useLiveSessions({ liveSessions, self }: FailoverState): { user: string; item: string }[] | undefined {
  const serves = self.role === 'primary' || self.role === 'single';
  const active = useActiveSessions(serves && liveSessions === undefined);
  if (liveSessions !== undefined) return liveSessions;
  return serves ? active.data?.sessions.map(({ userName, jumpItemName }) => ({ user: userName, item: jumpItemName })) : undefined;
}
