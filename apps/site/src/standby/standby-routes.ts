import type { Accounts } from '@bascule/accounts/accounts.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { siteStatus } from '@bascule/protocol/api/site.ts';
import type { Failover } from '../failover/failover.ts';
import { accountRoutes } from '../identity/identity.ts';

/** What a login needs, and its end, which change nothing that the primary decides. */
const CHANGES_OF_LOGINS = ['/auth/login', '/auth/logout', '/auth/sessions'];
const METHODS_OF_CHANGES = ['POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Login and My Account on a backup: what reads works, what changes the account is refused with a link to the primary. */
export function standbyAccountRoutes(accounts: Accounts, failover: Failover): AnyRoute[] {
  const isAllowed = ({ method, url }: AnyRoute) =>
    (method === 'GET' && url !== '/users') || CHANGES_OF_LOGINS.some((start) => url === start || url.startsWith(`${start}/`));
  return accountRoutes(accounts).filter(isAllowed).concat(refusedChanges(failover));
}

/** Every other change: refused, and led to the primary (B151). */
function refusedChanges(failover: Failover): AnyRoute[] {
  return METHODS_OF_CHANGES.map((method) =>
    route({
      method,
      url: '/*',
      action: 'account.own',
      states: ['second-factor', 'change-password', 'set-up-factor', 'ok'],
      handle: () => {
        throw failover.changeRefused();
      },
    }),
  );
}

/** The status that every page of the site asks for. */
export function standbyStatusRoutes(options: {
  applianceName: string;
  version: string;
  space: { read(): Promise<{ freeBytes: number; usedBytes: number }> };
  now(): number;
}): AnyRoute[] {
  const { applianceName, version, space, now } = options;
  return [
    route({
      method: 'GET',
      url: '/status',
      action: 'status.read',
      answer: siteStatus,
      async handle() {
        const { freeBytes, usedBytes } = await space.read();
        return {
          applianceName,
          version,
          nowMs: now(),
          jumpClients: { online: 0, total: 0, waiting: 0, conflicts: 0 },
          activeSessions: 0,
          recordings: { ok: true, freeBytes, usedBytes },
          restored: null,
        };
      },
    }),
  ];
}
