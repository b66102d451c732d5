import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { accountRoutes, type Accounts } from '@bascule/accounts/accounts.ts';
import { createHttpServer, type AnyRoute, type HttpServer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BaseConfig } from '../config/config.ts';
import type { Peer } from '../front/front.ts';
import { authorizeBox, BOX_COOKIE } from '../identity/identity.ts';

export { openControlSocket, type ControlHandlers } from './control-socket.ts';

/** The box interface: /appliance, its pages and its API. */
export function openBoxInterface(options: {
  config: BaseConfig;
  accounts: Accounts;
  routes: AnyRoute[];
  peerOf(request: IncomingMessage): Peer;
  log: Log;
}): Promise<HttpServer> {
  const { config, accounts, routes, peerOf, log } = options;
  return createHttpServer({
    prefix: '/appliance/api',
    cookieName: BOX_COOKIE,
    accounts,
    authorize: authorizeBox,
    routes: [...accountRoutes(accounts), ...routes],
    log,
    hosts: () => config.hosts,
    peerOf,
    staticRoot: join(config.baseDir, 'apps', 'web', 'dist', 'appliance'),
    pages: { '/appliance': 'appliance.html', '/appliance/*': 'appliance.html' },
  });
}
