import { useEffect, useMemo, useState } from 'react';
import { useQueries, useQuery } from '@tanstack/react-query';
import { jumpItem, jumpItemsPage, type JumpItemsPage } from '@bascule/protocol/api/jump.ts';
import { ApiError } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { KnownPages, pageQuery, pagesOf, type ItemFilter, type ItemOrder } from './item-query.ts';

/** Also without an event the list is looked at this often: presence is what people act on. */
const REFRESH_MS = 60_000;
/** Pages out of sight are forgotten after this, so that scrolling through everything does not keep everything. */
const FORGET_MS = 30_000;
const NOTHING = new KnownPages(new Map());

export interface ItemPages {
  pages: KnownPages;
  /** What is shown is the answer to an earlier question; the new one is on the way. */
  isStale: boolean;
  /** Nothing is known yet. */
  isPending: boolean;
  /** Why nothing could be read; undefined when it could. */
  error: unknown;
  retry: () => void;
}

/** Those pages of a search that hold the items `range` (indexes), kept up to date while they are in sight. */
export function useItemPages(filter: ItemFilter, order: ItemOrder, range: { first: number; last: number }): ItemPages {
  const api = useApi();
  const question = JSON.stringify([filter, order]);
  const wanted = pagesOf(range.first, range.last);
  const results = useQueries({
    queries: wanted.map((page) => {
      const query = pageQuery(filter, order, page);
      return {
        queryKey: ['jump-items', 'search', query],
        queryFn: ({ signal }: { signal: AbortSignal }) => api.get(apiPaths.jumpItemsSearch, jumpItemsPage, query, signal),
        staleTime: 0,
        gcTime: FORGET_MS,
        refetchInterval: REFRESH_MS,
      };
    }),
  });
  const data = results.map((result) => result.data);
  const now = useMemo(() => {
    const known = new Map<number, JumpItemsPage>();
    for (const [index, page] of data.entries()) if (page !== undefined) known.set(wanted[index]!, page);
    return known.size === 0 ? undefined : { question, pages: new KnownPages(known) };
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- the lists are made anew each time; what is in them matters
  }, [question, wanted.join(), ...data]);
  // What was shown last stays until there is something else to show.
  const [last, setLast] = useState(now);
  useEffect(() => {
    if (now !== undefined) setLast(now);
  }, [now]);
  const shown = now ?? last;
  const failed = results.find((result) => result.isError && result.data === undefined);
  return {
    pages: shown?.pages ?? NOTHING,
    isStale: shown === undefined || shown.question !== question,
    isPending: shown === undefined && failed === undefined,
    error: shown === undefined ? failed?.error : undefined,
    retry: () => void failed?.refetch(),
  };
}

/** One Jump Item, kept up to date; `isGone`: it does not exist any more, or may not be seen any more. */
export function useJumpItem(id: string | undefined, refreshMs = REFRESH_MS) {
  const api = useApi();
  const { data, error } = useQuery({
    queryKey: ['jump-items', 'item', id],
    queryFn: ({ signal }) => api.get(apiPaths.jumpItem(id ?? ''), jumpItem, {}, signal),
    enabled: id !== undefined,
    staleTime: 0,
    gcTime: FORGET_MS,
    refetchInterval: refreshMs,
    retry: (failures, cause) => failures < 3 && !(cause instanceof ApiError && cause.status === 404),
  });
  const isGone = error instanceof ApiError && error.status === 404;
  return { item: isGone ? undefined : data, isGone };
}
