/** The site's pages with a fleet of 15,000 clients behind them, in the state a test wants. */
import type { FleetSettings, Rollout } from '@bascule/protocol/api/fleet.ts';
import type { Installer } from '@bascule/protocol/api/installers.ts';
import type { Losses } from '@bascule/protocol/losses.ts';
import { FixtureServer } from '../updates-fixture/fixture-server.ts';
import {
  downloadsOf,
  fleetClientOf,
  identityOf,
  installerOf,
  jumpItemsPageOf,
  lossesOf,
  rolloutOf,
  settingsOf,
  VERSION,
} from './answers.ts';

const CLIENTS = 15_000;

export class FleetServer extends FixtureServer {
  rollout: Partial<Rollout> = {};
  settings: FleetSettings = settingsOf();
  losses: Losses = lossesOf();
  next: string | null = '0.3.0';
  installers: Installer[] = [
    installerOf(),
    installerOf({
      name: 'Golden image',
      isGeneric: true,
      groupName: null,
      tags: [],
      state: 'early',
      version: '0.3.0',
      mode: 'passive',
    }),
    installerOf({ name: 'Databases, October', state: 'outdated', version: '0.1.9' }),
    installerOf({ name: 'Branch offices', state: 'outdated', version: '0.1.9', groupName: null }),
  ];

  constructor(dist?: string) {
    super(dist);
    const say = (route: string, answer: (url: URL, body: unknown) => unknown) => this.answers.set(route, answer);
    say('GET /status', () => siteStatus());
    say('GET /access-sessions/active', () => ({ sessions: [] }));
    say('GET /fleet/rollout', () => rolloutOf(this.rollout));
    say('GET /fleet/settings', () => this.settings);
    say('GET /fleet/clients', (url) => clientsPage(url));
    say('GET /fleet/identity', () => identityOf());
    say('POST /fleet/losses', () => this.losses);
    say('POST /fleet/uninstall', (_, body) => uninstalled(body as { clientIds: string[] }));
    say('GET /jump/items/search', (url) => jumpItemsPageOf(CLIENTS, url));
    say('GET /jump/groups', () => ({ groups: [] }));
    say('GET /installers', () => ({ installers: this.installers, current: VERSION, next: this.next, defaultMode: 'active' }));
    say('POST /installers', (_, body) => created(body as { name: string; isGeneric: boolean }));
    say('GET /downloads', () => downloadsOf());
  }
}

function siteStatus() {
  return {
    applianceName: 'alpha',
    version: VERSION,
    nowMs: Date.now(),
    jumpClients: { online: 14_188, total: CLIENTS, waiting: 0, conflicts: 0 },
    activeSessions: 0,
    recordings: { ok: true, freeBytes: 81_000_000_000, usedBytes: 2_300_000_000 },
  };
}

function clientsPage(url: URL) {
  const offset = Number(url.searchParams.get('offset'));
  const limit = Number(url.searchParams.get('limit'));
  const state = url.searchParams.get('state');
  const total = state === null ? CLIENTS : 28;
  const clients = Array.from({ length: Math.min(limit, total - offset) }, (_, index) => fleetClientOf(offset + index));
  return { total, clients: state === null ? clients : clients.map((client) => ({ ...client, state })) };
}

function uninstalled({ clientIds }: { clientIds: string[] }) {
  const states = ['told', 'will-be-told', 'cannot'] as const;
  return {
    clients: clientIds.map((id, index) => ({
      id,
      name: `web-${index + 1}`,
      hostName: `web-${index + 1}.example.org`,
      groupName: index % 2 === 0 ? 'Web servers' : null,
      state: states[index % states.length],
    })),
  };
}

function created({ name, isGeneric }: { name: string; isGeneric: boolean }) {
  const key = 'K7QF-93MD-2XWP-T4HC-8RNA';
  return {
    installer: installerOf({ name, isGeneric, usesLeft: 10, uses: 10 }),
    key,
    installCommand: `curl -fsS 'https://alpha.example.org/install/${'a1'.repeat(12)}' | ${isGeneric ? '' : `KEY=${key} `}sh`,
  };
}
