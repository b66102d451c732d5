import type { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/http-server.ts';
import { basics, publicState } from '@bascule/protocol/api/appliance.ts';
import { readBasics, type BoxSources } from './box.ts';

/** Routes below /appliance/api: Status > Basics, and the state that every page's header shows. */
export function boxRoutes(sources: BoxSources, state: () => z.infer<typeof publicState>): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/state', action: 'public', answer: publicState, handle: () => state() }),
    route({ method: 'GET', url: '/status/basics', action: 'box.status.read', answer: basics, handle: () => readBasics(sources) }),
  ];
}
