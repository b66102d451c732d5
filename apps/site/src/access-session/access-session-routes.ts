import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import {
  activeAccessSessions,
  attachTicket,
  openAccessSessionBody,
  openedAccessSession,
} from '@bascule/protocol/api/access-sessions.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { id } from '@bascule/protocol/text.ts';
import type { AccessGrant, Policy } from '../policy/policy.ts';
import type { AccessSessions, SessionTarget } from './access-session.ts';

export interface AccessSessionRoutesOptions {
  sessions: AccessSessions;
  policy: Policy;
  /** The Jump Item `id`, or undefined (Jump.target). */
  target(id: string): SessionTarget | undefined;
}

const sessionParams = z.object({ id: id('accessSession') });

/** protocol/api/access-sessions.ts: open, attach, end, list of active ones. */
export function accessSessionRoutes({ sessions, policy, target }: AccessSessionRoutesOptions): AnyRoute[] {
  /** The same answer for an item that is missing and one that the user may not jump to. */
  function grantFor(principal: Principal, itemId: string): AccessGrant<SessionTarget> {
    const grant = policy.authorizeItem(principal, 'jump-items.jump', target(itemId));
    if (grant === undefined) throw notFound();
    return grant;
  }

  return [
    route({
      method: 'POST',
      url: '/access-sessions',
      action: 'access-sessions.open',
      body: openAccessSessionBody,
      answer: openedAccessSession,
      async handle({ principal, body, context }) {
        return { session: await sessions.open(grantFor(principal, body.jumpItemId), body.size, context) };
      },
    }),
    route({
      method: 'POST',
      url: '/access-sessions/:id/attach',
      action: 'access-sessions.open',
      params: sessionParams,
      answer: attachTicket,
      async handle({ principal, params }) {
        // Whoever lost the right to the Jump Item meanwhile does not come back in.
        const itemId = sessions.ownItem(principal.id, params.id);
        if (itemId !== undefined) grantFor(principal, itemId);
        return await sessions.attach({ id: principal.id, loginSession: principal.loginSession }, params.id);
      },
    }),
    route({
      method: 'POST',
      url: '/access-sessions/:id/end',
      action: 'access-sessions.end',
      params: sessionParams,
      answer: ok,
      handle({ principal, params, context }) {
        const isOwn = sessions.ownerOf(params.id) === principal.id;
        if (!isOwn && policy.authorize(principal, 'access-sessions.end-any') === undefined) throw notFound();
        sessions.end(context, params.id);
        return { ok: true };
      },
    }),
    route({
      method: 'GET',
      url: '/access-sessions/active',
      action: 'access-sessions.list',
      answer: activeAccessSessions,
      handle({ principal }) {
        const seesAll = policy.authorize(principal, 'access-sessions.list-any') !== undefined;
        return { sessions: sessions.active(seesAll ? undefined : principal.id) };
      },
    }),
  ];
}
