import type { PendingChange } from '@bascule/protocol/api/changes.ts';
import type { HostState, RoutesState } from '@bascule/protocol/api/network.ts';
import { DEFAULT_ACCOUNT_RULES, DEFAULT_TLS_SETTINGS, type BoxSecurity } from '@bascule/protocol/api/security.ts';

export const routesOf = (over: Partial<RoutesState> = {}): RoutesState => ({
  routes: [
    {
      id: 'rte_01920c5e-0000-7000-8000-000000000001',
      enabled: true,
      destination: '198.51.100.0/24',
      gateway: '192.0.2.1',
      device: null,
      metric: 100,
      state: 'refused',
      error: 'there is a route to 198.51.100.0/24 with the metric 100 already, and not from this program',
    },
  ],
  kernel: [
    { destination: '192.0.2.0/24', gateway: null, device: 'eth0', metric: 0, protocol: 'kernel', ours: false },
    { destination: 'default', gateway: '192.0.2.254', device: 'eth0', metric: 100, protocol: 'dhcp', ours: false },
  ],
  canApply: true,
  cannotApply: null,
  ...over,
});

export const hostOf = (over: Partial<HostState> = {}): HostState => ({
  hostName: 'alpha',
  wantedHostName: null,
  cannotName: null,
  resolver: { servers: ['192.0.2.53'], search: [] },
  wantedResolver: null,
  cannotResolve: null,
  resolverManager: null,
  error: null,
  ...over,
});

export const securityOf = (over: Partial<BoxSecurity> = {}): BoxSecurity => ({
  tls: DEFAULT_TLS_SETTINGS,
  banner: '',
  accounts: DEFAULT_ACCOUNT_RULES,
  networks: [],
  yourAddress: '192.0.2.7',
  reachedBy: '192.0.2.10',
  yourTlsVersion: 'TLSv1.3',
  ...over,
});

export const pendingOf = (over: Partial<PendingChange> = {}): PendingChange => ({
  kinds: ['routes'],
  about: '203.0.113.0/24',
  madeBy: 'admin',
  undoAtMs: Date.now() + 45_000,
  leftMs: 45_000,
  ...over,
});
