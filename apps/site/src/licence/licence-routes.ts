import { route, type AnyRoute } from '@bascule/http/route.ts';
import { licences, licensedEndpoints, licensedEndpointsQuery, moveLicenceBody } from '@bascule/protocol/api/licence.ts';
import type { Licences } from './licence.ts';

/** Below /api/licences: what is licensed, what is in use, and moving a licence to another endpoint (B208). */
export function licenceRoutes(parts: Licences): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/licences', action: 'licences.read', answer: licences, handle: () => parts.state() }),
    route({
      method: 'GET',
      url: '/licences/endpoints',
      action: 'licences.read',
      query: licensedEndpointsQuery,
      answer: licensedEndpoints,
      handle: ({ query }) => parts.endpoints(query),
    }),
    route({
      method: 'POST',
      url: '/licences/endpoints/move',
      action: 'licences.manage',
      body: moveLicenceBody,
      answer: licences,
      handle({ body, context }) {
        parts.move(context, body.from, body.to);
        return parts.state();
      },
    }),
  ];
}
