import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { hostNameChange, hostState, resolverChange, routesState, staticRouteChange } from '@bascule/protocol/api/network.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Arrival } from '../changes/changes.ts';
import type { HostSettings } from './host-settings.ts';
import type { StaticRoutes } from './static-routes.ts';

const READ = 'box.network.read';
const CHANGE = 'box.network.change';
const params = z.strictObject({ id: id('staticRoute') });
const removal = z.strictObject({ acceptCut: z.boolean().optional() });

/** Networking > Static routes, and > Host name and DNS. */
export function routingRoutes(
  routes: StaticRoutes,
  host: HostSettings,
  arrivalOf: (request: IncomingMessage) => Arrival,
): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/network/routes', action: READ, answer: routesState, handle: () => routes.look() }),
    route({
      method: 'POST',
      url: '/network/routes',
      action: CHANGE,
      body: staticRouteChange,
      answer: routesState,
      async handle({ body, context, request }) {
        await routes.add(context, body, arrivalOf(request.raw));
        return await routes.look();
      },
    }),
    route({
      method: 'PUT',
      url: '/network/routes/:id',
      action: CHANGE,
      params,
      body: staticRouteChange,
      answer: routesState,
      async handle({ body, params: { id: row }, context, request }) {
        await routes.change(context, row, body, arrivalOf(request.raw));
        return await routes.look();
      },
    }),
    route({
      method: 'POST',
      url: '/network/routes/:id/remove',
      action: CHANGE,
      params,
      body: removal,
      answer: routesState,
      async handle({ body, params: { id: row }, context, request }) {
        await routes.remove(context, row, body.acceptCut === true, arrivalOf(request.raw));
        return await routes.look();
      },
    }),
    route({ method: 'GET', url: '/network/host', action: READ, answer: hostState, handle: () => host.look() }),
    route({
      method: 'PUT',
      url: '/network/host/name',
      action: CHANGE,
      body: hostNameChange,
      answer: hostState,
      async handle({ body, context }) {
        await host.changeName(context, body.hostName);
        return await host.look();
      },
    }),
    route({
      method: 'PUT',
      url: '/network/host/resolver',
      action: CHANGE,
      body: resolverChange,
      answer: hostState,
      async handle({ body, context }) {
        await host.changeResolver(context, body.resolver, body.acceptCut === true);
        return await host.look();
      },
    }),
  ];
}
