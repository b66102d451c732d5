import { useCallback } from 'react';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import type { z } from 'zod';
import { fleetClients, fleetSettings, rollout, type UpgradeState } from '@bascule/protocol/api/fleet.ts';
import type { ApiClient } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

/** Rate and time left change without an event. */
const RUNNING_REFRESH_MS = 2_000;
const QUIET_REFRESH_MS = 15_000;
/** Rows of a page of the list of clients. */
export const CLIENTS_A_PAGE = 100;
/** As many as the API gives at once. */
const CLIENTS_AT_ONCE = 500;

/** Which clients of the fleet are looked at. */
export interface ClientsFilter {
  text: string;
  state: UpgradeState | undefined;
}
type FleetClients = z.infer<typeof fleetClients>;

/** The live picture of the rollout. The keys start with the event topic `fleet`. */
export function useRollout() {
  const api = useApi();
  return useQuery({
    queryKey: ['fleet', 'rollout'],
    queryFn: ({ signal }) => api.get(apiPaths.rollout, rollout, {}, signal),
    refetchInterval: ({ state }) => (state.data?.state === 'running' ? RUNNING_REFRESH_MS : QUIET_REFRESH_MS),
  });
}

export function useFleetSettings() {
  const api = useApi();
  return useQuery({
    queryKey: ['fleet', 'settings'],
    queryFn: ({ signal }) => api.get(apiPaths.fleetSettings, fleetSettings, {}, signal),
  });
}

/** One page of the clients; the page before stays until the next one is here. */
export function useFleetClients(filter: ClientsFilter, offset: number) {
  const api = useApi();
  return useQuery({
    queryKey: ['fleet', 'clients', filter, offset],
    queryFn: ({ signal }) => api.get(apiPaths.fleetClients, fleetClients, { ...filter, offset, limit: CLIENTS_A_PAGE }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: QUIET_REFRESH_MS,
  });
}

/** All clients that `filter` finds, page by page, at most `max`; by name, since the queue moves on meanwhile. */
export async function readAllClients(api: ApiClient, filter: ClientsFilter, max: number): Promise<FleetClients['clients']> {
  const found: FleetClients['clients'] = [];
  while (found.length < max) {
    const query = { ...filter, order: 'name', offset: found.length, limit: Math.min(CLIENTS_AT_ONCE, max - found.length) };
    const page = await api.get(apiPaths.fleetClients, fleetClients, query);
    found.push(...page.clients);
    if (page.clients.length === 0 || found.length >= page.total) break;
  }
  return found;
}

/** Makes everything about the fleet be read again after a change. */
export function useRefreshFleet(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries({ queryKey: ['fleet'] }), [client]);
}
