import { useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { me as meSchema, type Me } from '@bascule/protocol/api/auth.ts';
import { ApiError, type ApiClient } from './api-client.ts';
import { useApi } from './api-context.tsx';
import { switchLanguage } from './i18n.ts';
import { apiPaths } from './paths.ts';

export const ME_KEY = ['me'] as const;

/** Reads who is logged in; null without a login session. Takes over the CSRF token and the account's language. */
async function readMe(api: ApiClient, signal: AbortSignal): Promise<Me | null> {
  try {
    const me = await api.get(apiPaths.me, meSchema, {}, signal);
    api.setCsrf(me.csrf);
    if (me.state === 'ok') await switchLanguage(me.language);
    return me;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** `data`: undefined while unknown, null when nobody is logged in. */
export function useMe() {
  const api = useApi();
  return useQuery({ queryKey: ME_KEY, queryFn: ({ signal }) => readMe(api, signal), staleTime: 60_000 });
}

/** Who is logged in, below LoginGate. */
export function useLoggedIn(): Me {
  const { data } = useMe();
  if (data === null || data === undefined) throw new Error('bug: useLoggedIn outside LoginGate');
  return data;
}

/** Makes the page ask again who is logged in, after a step of the login. */
export function useRefreshMe(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ME_KEY });
}

/** When an answer says that the login is gone, the page forgets what it had read and asks which step of the login is due. */
export function watchLoginLoss(api: ApiClient, client: QueryClient): void {
  api.onUnauthenticated = () => {
    const me = client.getQueryData<Me | null>(ME_KEY);
    if (me?.state !== 'ok') return;
    client.setQueryData(ME_KEY, null);
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== ME_KEY[0] && query.queryKey[0] !== 'appliance-state' });
    void client.invalidateQueries({ queryKey: ME_KEY });
  };
}
