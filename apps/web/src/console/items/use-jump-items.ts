import { useRef } from 'react';
import { useQuery } from '@tanstack/react-query';
import { jumpItems } from '@bascule/protocol/api/jump.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { applyAnswer, type KnownItems } from './items-model.ts';

/** Also without an event the list is looked at this often: presence is what people act on. */
const REFRESH_MS = 60_000;

const JUMP_ITEMS_KEY = ['jump-items', 'console'] as const;

/** The Jump Items this person may see. After the first answer only what changed is asked for. */
export function useJumpItems() {
  const api = useApi();
  const known = useRef<KnownItems>(undefined);
  return useQuery({
    queryKey: JUMP_ITEMS_KEY,
    queryFn: async ({ signal }) => {
      const answer = await api.get(apiPaths.jumpItems, jumpItems, { since: known.current?.revision }, signal);
      known.current = applyAnswer(known.current, answer);
      return known.current;
    },
    // The items are compared by identity; walking ten thousand of them to find out what stayed the same is what `since` is there to avoid.
    structuralSharing: false,
    staleTime: 0,
    refetchInterval: REFRESH_MS,
  });
}

/** What `useJumpItems` knows, without asking for it a second time; undefined before its first answer. */
export function useKnownJumpItems(): KnownItems | undefined {
  return useQuery<KnownItems>({ queryKey: JUMP_ITEMS_KEY, enabled: false, structuralSharing: false }).data;
}
