import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { accountRoutes, type Accounts } from '@bascule/accounts/accounts.ts';
import { createHttpServer, type AnyRoute, type HttpServer } from '@bascule/http/http-server.ts';
import type { Log } from '@bascule/log/log.ts';
import type { BaseConfig } from '../config/config.ts';
import type { Certificates } from '../certificates/certificates.ts';
import type { Peer } from '../front/front.ts';
import { changeRoutes } from '../changes/changes.ts';
import { boxRoutes } from '../box/box-routes.ts';
import { authorizeBox, BOX_COOKIE } from '../identity/identity.ts';
import { networkRoutes, type Routing } from '../network/network.ts';
import type { Security } from '../security/security.ts';
import type { Traffic } from '../traffic/traffic.ts';
import type { Move } from '../move/move.ts';
import type { Plans } from '../plans/plans.ts';
import type { Restore } from '../restore/restore.ts';
import type { Software } from '../software/software.ts';
import { boxMailRoutes } from '../support/support.ts';

export { openControlSocket, type ControlHandlers } from './control-socket.ts';

/** What the routes of the box work on. */
export interface BoxParts {
  changes: Parameters<typeof changeRoutes>;
  sources: Parameters<typeof boxRoutes>[0];
  state: Parameters<typeof boxRoutes>[1];
  clock: Parameters<typeof networkRoutes>[0];
  routing: Pick<Routing, 'routes'>;
  security: Pick<Security, 'routes'>;
  certificates: Pick<Certificates, 'routes'>;
  mailer: Parameters<typeof boxMailRoutes>[0];
  software: Pick<Software, 'routes'>;
  traffic: Pick<Traffic, 'routes'>;
  plans: Pick<Plans, 'routes'>;
  /** Health, storage, syslog, support, power and reset. */
  care: { routes(): AnyRoute[] };
  move: Pick<Move, 'routes'>;
  restore: Pick<Restore, 'routes'>;
}

/** Every route below /appliance/api but those of accounts: one list, which base serves and the authorization test walks. */
export function routesOfBox({
  changes,
  sources,
  state,
  clock,
  routing,
  security,
  certificates,
  mailer,
  software,
  traffic,
  plans,
  care,
  move,
  restore,
}: BoxParts): AnyRoute[] {
  return [
    ...boxRoutes(sources, state),
    ...changeRoutes(...changes),
    ...networkRoutes(clock),
    ...routing.routes(),
    ...security.routes(),
    ...certificates.routes(),
    ...boxMailRoutes(mailer),
    ...software.routes(),
    ...traffic.routes(),
    ...plans.routes(),
    ...care.routes(),
    ...move.routes(),
    ...restore.routes(),
  ];
}

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
