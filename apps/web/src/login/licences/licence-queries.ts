import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { licences, licensedEndpoints } from '@bascule/protocol/api/licence.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';

/** The end of a licence comes without an event. */
const REFRESH_MS = 60_000;

/** What is licensed and what is in use. The key starts with the event topic of sessions, which use licences. */
export function useLicences() {
  const api = useApi();
  return useQuery({
    queryKey: ['active-sessions', 'licences'],
    queryFn: ({ signal }) => api.get(apiPaths.licences, licences, {}, signal),
    refetchInterval: REFRESH_MS,
  });
}

/** A page of endpoints with a licence, or without one. The key starts with the event topic of Jump Items. */
export function useLicensedEndpoints(has: 'yes' | 'no', text: string, offset: number) {
  const api = useApi();
  return useQuery({
    queryKey: ['jump-items', 'licences', has, text, offset],
    queryFn: ({ signal }) => api.get(apiPaths.licensedEndpoints, licensedEndpoints, { has, text, offset }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH_MS,
  });
}
