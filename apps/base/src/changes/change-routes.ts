import type { IncomingMessage } from 'node:http';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { pendingChangeState } from '@bascule/protocol/api/changes.ts';
import type { Arrival, Changes } from './changes.ts';

/** The change that waits for being confirmed: what every page of /appliance shows above all else. */
export function changeRoutes(changes: Changes, arrivalOf: (request: IncomingMessage) => Arrival): AnyRoute[] {
  const state = () => ({ pending: changes.pending() });
  return [
    route({
      method: 'GET',
      url: '/changes/pending',
      action: 'box.status.read',
      answer: pendingChangeState,
      handle: state,
    }),
    route({
      method: 'POST',
      url: '/changes/confirm',
      action: 'box.changes.decide',
      answer: pendingChangeState,
      handle({ context, request }) {
        changes.confirm(context, arrivalOf(request.raw));
        return state();
      },
    }),
    route({
      method: 'POST',
      url: '/changes/undo',
      action: 'box.changes.decide',
      answer: pendingChangeState,
      async handle({ context }) {
        await changes.undo(context);
        return state();
      },
    }),
  ];
}
