import { route, type AnyRoute } from '@bascule/http/route.ts';
import { siteStatus } from '@bascule/protocol/api/site.ts';
import type { AccessSessions } from '../access-session/access-session.ts';
import type { Jump } from '../jump/jump.ts';
import type { Policy } from '../policy/policy.ts';
import type { Trust } from '../trust/trust.ts';
import type { Events } from './events.ts';
import type { RecordingsSpace } from './recordings-space.ts';

/** Below this nothing is recorded any more (the relay keeps it for database and updates), so no session opens. */
export const FREE_SPACE_NEEDED_BYTES = 256 * 1024 * 1024;

export interface SiteRoutesOptions {
  applianceName: string;
  version: string;
  jump: Jump;
  sessions: AccessSessions;
  policy: Policy;
  events: Events;
  space: RecordingsSpace;
  trust: Trust;
  /** What is wrong with the scheduled backups. */
  backupProblem(): { code: string; message: string } | null;
  /** The installed package of base. */
  basePackage?: string | undefined;
  now(): number;
}

/** Status and the event stream. Users get the counts of what they may see; administrators of everything. */
export function siteRoutes(options: SiteRoutesOptions): AnyRoute[] {
  const { jump, sessions, policy, events, space, trust } = options;
  return [
    route({
      method: 'GET',
      url: '/status',
      action: 'status.read',
      answer: siteStatus,
      async handle({ principal }) {
        const { freeBytes, usedBytes } = await space.read();
        const isAdministrator = principal.role === 'administrator';
        return {
          applianceName: options.applianceName,
          version: options.version,
          nowMs: options.now(),
          jumpClients: isAdministrator
            ? jump.counts()
            : { ...(await jump.countsFor(policy.itemFilter(principal))), waiting: 0, conflicts: 0 },
          activeSessions: isAdministrator ? sessions.count : sessions.active(principal.id).length,
          recordings: { ok: sessions.relayReady && freeBytes > FREE_SPACE_NEEDED_BYTES, freeBytes, usedBytes },
          restored: isAdministrator ? trust.restored() : null,
          backup: isAdministrator ? options.backupProblem() : null,
          baseVersion: isAdministrator ? (options.basePackage ?? null) : null,
        };
      },
    }),
    route({
      method: 'GET',
      url: '/events',
      action: 'events.read',
      handle({ principal, reply }) {
        events.subscribe(principal, reply);
        return reply;
      },
    }),
  ];
}
