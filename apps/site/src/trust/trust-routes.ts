import { route, type AnyRoute } from '@bascule/http/route.ts';
import { identityState, losses, lossesBody } from '@bascule/protocol/api/fleet.ts';
import type { Trust } from './trust.ts';

/** Below /api/fleet: the site identity, its rotation, and 'who would I lose?' (I6). */
export function trustRoutes(trust: Trust): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/fleet/identity',
      action: 'fleet.read',
      answer: identityState,
      handle: () => trust.identityState(),
    }),
    route({
      method: 'POST',
      url: '/fleet/identity/rotate',
      action: 'identity.manage',
      answer: identityState,
      async handle({ context }) {
        await trust.rotate(context);
        return trust.identityState();
      },
    }),
    route({
      method: 'POST',
      url: '/fleet/identity/restored/dismiss',
      action: 'identity.manage',
      answer: identityState,
      handle({ context }) {
        trust.dismissRestored(context);
        return trust.identityState();
      },
    }),
    route({
      method: 'POST',
      url: '/fleet/losses',
      action: 'fleet.read',
      body: lossesBody,
      answer: losses,
      handle: ({ body }) => trust.losses(body.change),
    }),
  ];
}
