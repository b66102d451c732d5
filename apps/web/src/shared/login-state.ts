import { createContext, useContext } from 'react';
import { useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { me as meSchema, type Me } from '@bascule/protocol/api/auth.ts';
import { ApiError, type ApiClient } from './api-client.ts';
import { useApi } from './api-context.tsx';
import { switchLanguage } from './i18n.ts';
import { apiPaths } from './paths.ts';

export const ME_KEY = ['me'] as const;

/** Reads who is logged in; null without a login session. Takes over the CSRF token and the language that the person has chosen. */
async function readMe(api: ApiClient, signal: AbortSignal): Promise<Me | null> {
  try {
    const me = await api.get(apiPaths.me, meSchema, {}, signal);
    api.setCsrf(me.csrf);
    if (me.state === 'ok' && me.languageChosen) await switchLanguage(me.language);
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

/** Set by LoginGate for everything below it, so that nothing there ever sees a login that is half or gone. */
export const LoggedInContext = createContext<Me | undefined>(undefined);

/** Who is logged in, below LoginGate. */
export function useLoggedIn(): Me {
  const me = useContext(LoggedInContext);
  if (me === undefined) throw new Error('bug: useLoggedIn outside LoginGate');
  return me;
}

/** Makes the page ask again who is logged in, after a step of the login. */
export function useRefreshMe(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.invalidateQueries({ queryKey: ME_KEY });
}

/** Makes the page show the login form, and forgets everything that was read with the login. */
export function forgetLogin(client: QueryClient): void {
  client.setQueryData(ME_KEY, null);
  client.removeQueries({ predicate: (query) => query.queryKey[0] !== ME_KEY[0] && query.queryKey[0] !== 'appliance-state' });
}

/** When an answer says that the login is gone, the page forgets it and asks which step of the login is due. */
export function watchLoginLoss(api: ApiClient, client: QueryClient): void {
  api.onUnauthenticated = () => {
    if (client.getQueryData<Me | null>(ME_KEY)?.state !== 'ok') return;
    forgetLogin(client);
    void client.invalidateQueries({ queryKey: ME_KEY });
  };
}
