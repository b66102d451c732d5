import { useContext, useEffect } from 'react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { applianceHeader, type ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { ApiError } from './api-client.ts';
import { useApi } from './api-context.tsx';
import { LoggedInContext } from './login-state.ts';
import { apiPaths } from './paths.ts';

/** Events say when something changed; a peer is lost without one. */
const HEADER_REFRESH_MS = 5_000;
const TEST_KEY = 'bascule.test-of-standby';

/** Which role this appliance has and how its peer is, for whoever is logged in; undefined before a login and until the first answer. */
export function useApplianceHeader(): ApplianceHeader | undefined {
  return useHeaderQuery().data;
}

/** The test of the standby that this page is in, or that the person is chosen for; null: none; undefined: not known. */
export function useTestOfStandby(): ApplianceHeader['rehearsal'] | null {
  const { data, error } = useHeaderQuery();
  const isRefused = error instanceof ApiError && error.status === 401;
  const test = isRefused ? undefined : data?.rehearsal;
  const isKnown = data !== undefined || isRefused;
  const isInside = test?.place === 'inside';
  useEffect(() => {
    if (isKnown) rememberTest(isInside);
  }, [isKnown, isInside]);
  return isKnown ? (test ?? null) : undefined;
}

/** Whether the pages of this browser are in a test of the standby: also the login page asks then, which otherwise knows nobody. */
export function rememberTest(isIn: boolean): void {
  try {
    if (isIn) localStorage.setItem(TEST_KEY, '1');
    else localStorage.removeItem(TEST_KEY);
  } catch {
    // A browser that keeps nothing shows the bar of the test after the login alone.
  }
}

function isTestRemembered(): boolean {
  try {
    return localStorage.getItem(TEST_KEY) !== null;
  } catch {
    return false;
  }
}

/** Whether the first answer about the role is still on its way: until then nobody knows which pages this appliance has. */
export function useIsRoleAwaited(): boolean {
  const { isPending, failureCount, fetchStatus } = useHeaderQuery();
  return isPending && failureCount === 0 && fetchStatus === 'fetching';
}

function useHeaderQuery() {
  const api = useApi();
  const isLoggedIn = useContext(LoggedInContext) !== undefined;
  return useQuery({
    // Below the event topic `failover`.
    queryKey: ['failover', 'header'],
    queryFn: ({ signal }) => api.get(apiPaths.applianceHeader, applianceHeader, {}, signal),
    enabled: isLoggedIn || isTestRemembered(),
    refetchInterval: HEADER_REFRESH_MS,
  });
}

/** Asks anew, once, when another appliance than the one that is shown (`shown`) has begun to answer. */
export function useRefreshHeaderOfOther(shown: string | undefined, answering: string): void {
  const client = useQueryClient();
  useEffect(() => {
    if (shown !== undefined && answering !== '' && shown !== answering)
      void client.invalidateQueries({ queryKey: ['failover', 'header'] });
  }, [client, shown, answering]);
}

/** Whether this side only has what a backup has: everything else is made and looked at on the primary. */
export function isStandby(header: ApplianceHeader | undefined): boolean {
  return header?.role === 'backup' || header?.role === 'read-only';
}

/** The page `path` on the primary; undefined when nobody knows where that is. Only an address of the web is one. */
export function onPrimary(primaryUrl: string | null | undefined, path: string): string | undefined {
  if (primaryUrl === null || primaryUrl === undefined || !/^https?:\/\//.test(primaryUrl)) return undefined;
  return URL.canParse(path, primaryUrl) ? new URL(path, primaryUrl).href : undefined;
}
