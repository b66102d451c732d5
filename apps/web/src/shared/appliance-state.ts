import { useQuery } from '@tanstack/react-query';
import { publicState } from '@bascule/protocol/api/appliance.ts';
import { PUBLIC_STATE_PATH } from './paths.ts';

const POLL_CONNECTED_MS = 5_000;
const POLL_AWAY_MS = 1_000;
const STATE_TIMEOUT_MS = 4_000;

export type ConnectionState = 'connecting' | 'connected' | 'reconnecting' | 'site-restarting' | 'site-stopped';
export interface ApplianceState {
  /** Empty until the first answer. */
  applianceName: string;
  connection: ConnectionState;
  /** The site was moved to another appliance for good. */
  moved?: { appliance: string; url: string } | undefined;
}

/** Name and state of the appliance for the header of every page; asked of base, which answers while the site is away. */
export function useApplianceState(): ApplianceState {
  const query = useQuery({
    queryKey: ['appliance-state'],
    queryFn: async () => {
      const response = await fetch(PUBLIC_STATE_PATH, { cache: 'no-store', signal: AbortSignal.timeout(STATE_TIMEOUT_MS) });
      if (!response.ok) throw new Error(`state answered ${response.status}`);
      return publicState.parse(await response.json());
    },
    retry: false,
    staleTime: 0,
    refetchInterval: (self) =>
      self.state.status === 'success' && self.state.data?.siteReady === true ? POLL_CONNECTED_MS : POLL_AWAY_MS,
  });
  return {
    applianceName: query.data?.applianceName ?? '',
    connection: connectionOf(query.status, query.data),
    moved: query.data?.moved,
  };
}

/** What the header says: no answer from base outranks what base last said of the site. */
export function connectionOf(
  status: 'pending' | 'error' | 'success',
  state: { siteReady: boolean; siteState: string } | undefined,
): ConnectionState {
  if (status === 'error') return 'reconnecting';
  if (status === 'pending' || state === undefined) return 'connecting';
  if (state.siteState === 'stopped') return 'site-stopped';
  return state.siteReady ? 'connected' : 'site-restarting';
}
