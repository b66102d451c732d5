import type { Accounts } from '@bascule/accounts/accounts.ts';
import { createHttpServer, type AnyRoute, type HttpServer, type RequestDoor } from '@bascule/http/http-server.ts';
import { PUBLIC_ACTION, route } from '@bascule/http/route.ts';
import { loginBannerAnswer } from '@bascule/protocol/api/security.ts';
import { openApiRoute } from '@bascule/http/open-api.ts';
import type { Log } from '@bascule/log/log.ts';
import type { SiteConfig } from '../config/config.ts';
import { SITE_COOKIE } from '../identity/identity.ts';
import type { Policy } from '../policy/policy.ts';

export { Events, type Topic } from './events.ts';
export { RecordingsSpace } from './recordings-space.ts';
export { siteRoutes } from './site-routes.ts';

/** The site's interface: /login, /console and /api. `/` leads to /login until there is a portal (B3). */
export function openSiteInterface(options: {
  config: SiteConfig;
  accounts: Accounts;
  policy: Policy;
  routes: AnyRoute[];
  log: Log;
  now?: (() => number) | undefined;
  /** Of a failover pair: awaited before the reply to a change. */
  beforeReply?: () => Promise<void>;
  /** Of a primary: whoever is in a test of the standby is answered by that. */
  door?: RequestDoor;
}): Promise<HttpServer> {
  const { config, accounts, policy, routes, log, now, beforeReply, door } = options;
  return createHttpServer({
    prefix: '/api',
    cookieName: SITE_COOKIE,
    accounts,
    authorize: (principal, action) => policy.authorize(principal, action),
    routes: [...routes, bannerRoute(config), openApiRoute(routes, { prefix: '/api', cookieName: SITE_COOKIE })],
    log,
    hosts: () => [config.publicHost, ...config.hosts],
    staticRoot: config.webDir,
    pages: { '/login': 'login.html', '/login/*': 'login.html', '/console': 'console.html', '/console/*': 'console.html' },
    redirects: { '/': '/login' },
    now,
    ...(beforeReply !== undefined && { beforeReply }),
    door,
  });
}

/** What people read before they log in (/appliance > Security). */
function bannerRoute({ loginBanner }: SiteConfig): AnyRoute {
  return route({
    method: 'GET',
    url: '/login-banner',
    action: PUBLIC_ACTION,
    answer: loginBannerAnswer,
    handle: () => loginBanner,
  });
}
