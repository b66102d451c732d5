import { notFound } from '@bascule/errors/app-error.ts';
import type { AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import { AccessSessions, type SessionClients } from '../access-session/access-session.ts';
import type { SiteConfig } from '../config/config.ts';
import type { Failover } from '../failover/failover.ts';
import type { Policy } from '../policy/policy.ts';
import { reportRoutes, Reports } from '../reports/reports.ts';
import { DEFAULT_SECURITY_SETTINGS } from '../settings/settings.ts';

/** A backup has no clients: there is nobody to tell and nothing to hear. */
const NO_CLIENTS: SessionClients = {
  sendToClient: () => false,
  noteSessionCount: () => undefined,
  onClientSessions: () => undefined,
  onClientMessage: () => undefined,
  onClientCut: () => undefined,
};

/** With 'backup operations' (B35) a backup answers what only reads: the reports of sessions and their recordings, as far as they are copied. Downloads are audited in pair.db. */
export function backupReports(options: {
  config: SiteConfig;
  failover: Failover;
  policy: Policy;
  log: Log;
  now(): number;
}): AnyRoute[] {
  const { config, failover, policy, log, now } = options;
  const { store } = failover;
  if (store === undefined) return [];
  const sessions = new AccessSessions({
    store,
    clients: NO_CLIENTS,
    relaySocket: config.paths.relayControlSocket,
    linkTls: () => {
      throw new Error('bug: a backup opens no access sessions');
    },
    appliance: config.applianceName,
    settings: () => DEFAULT_SECURITY_SETTINGS,
    mayJump: () => false,
    changed: () => undefined,
    log,
    now,
  });
  const reports = new Reports({ sessions, store: failover.pairStore, recordingsDir: config.paths.recordings });
  return reportRoutes({ reports, policy, verifyTool: config.verifyTool }).map((each) => ({
    ...each,
    handle: (call) => {
      if (!failover.settings().backupOperations) throw notFound();
      return each.handle(call);
    },
  }));
}
