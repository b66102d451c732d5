/** 'Test the standby' (B133): begun and ended on the page of either side; entered and left by the chosen people at the primary. */
import { route, type AnyRoute } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/failover.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { LEAVE_REHEARSAL_PATH } from '@bascule/protocol/rehearsal.ts';
import { z } from 'zod';
import type { Failover } from '../failover.ts';
import { CLEARED_REHEARSAL_COOKIE } from './rehearsal-guide-people.ts';

const MANAGE = 'failover.manage';
const OK = { ok: true } as const;

export function rehearsalGuideRoutes(failover: Failover): AnyRoute[] {
  const { guide } = failover;
  return [
    route({
      method: 'POST',
      url: '/failover/rehearsal',
      action: MANAGE,
      body: api.rehearsalRequest,
      answer: ok,
      async handle({ body, context }) {
        await failover.pair();
        await guide.begin(context, body);
        return OK;
      },
    }),
    route({
      method: 'DELETE',
      url: '/failover/rehearsal',
      action: MANAGE,
      answer: ok,
      async handle({ context }) {
        await guide.end(context);
        return OK;
      },
    }),
    route({
      method: 'GET',
      url: '/failover/rehearsal/choices',
      action: MANAGE,
      answer: api.rehearsalChoices,
      handle: async () => await guide.choices(),
    }),
    route({
      method: 'POST',
      url: '/failover/rehearsal/enter',
      action: 'rehearsal.enter',
      body: z.strictObject({}).optional(),
      answer: ok,
      handle({ principal, context, reply }) {
        reply.header('set-cookie', guide.enter(context, principal));
        return OK;
      },
    }),
    route({
      method: 'GET',
      url: LEAVE_REHEARSAL_PATH,
      absolute: true,
      action: 'public',
      handle({ request, context, reply }) {
        guide.leave(request.raw, context.address);
        return reply.header('set-cookie', CLEARED_REHEARSAL_COOKIE).redirect('/login', 302);
      },
    }),
  ];
}
