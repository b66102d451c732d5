import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/http-server.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import * as api from '@bascule/protocol/api/plans.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Context } from '@bascule/store/store.ts';
import type { Plans } from './plans.ts';

const READ = 'box.updates.read';
const INSTALL = 'box.updates.install';
const planId = z.object({ id: id('upgradePlan') });

/** Routes below /appliance/api/plans (protocol/api/plans.ts): box administrators' only, as installations are. */
export function planRoutes(plans: Plans): AnyRoute[] {
  return [...readRoutes(plans), ...changeRoutes(plans)];
}

function readRoutes(plans: Plans): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/plans', action: READ, answer: api.plansState, handle: () => plans.state() }),
    route({
      method: 'GET',
      url: '/plans/:id',
      action: READ,
      params: planId,
      answer: api.plan,
      handle: ({ params }) => plans.plan(params.id),
    }),
    route({
      method: 'GET',
      url: '/plans/:id/report',
      action: READ,
      params: planId,
      handle: ({ params, reply }) => {
        const { report } = plans.plan(params.id);
        if (report === null) throw notFound();
        return reply
          .type('application/json')
          .header('content-disposition', `attachment; filename="plan-report-${params.id}.json"`)
          .send(`${JSON.stringify(report)}\n`);
      },
    }),
  ];
}

function changeRoutes(plans: Plans): AnyRoute[] {
  const simple = (verb: string, act: (context: Context, id: string) => void): AnyRoute =>
    route({
      method: 'POST',
      url: `/plans/:id/${verb}`,
      action: INSTALL,
      params: planId,
      answer: ok,
      handle: ({ context, params }) => {
        act(context, params.id);
        return { ok: true };
      },
    });
  return [
    route({
      method: 'POST',
      url: '/plans',
      action: INSTALL,
      body: api.newPlan,
      answer: api.plan,
      handle: ({ context, body }) => plans.make(context, body.kind, body.targets),
    }),
    route({
      method: 'POST',
      url: '/plans/:id/run',
      action: INSTALL,
      params: planId,
      body: api.runPlan,
      answer: ok,
      handle: async ({ context, params, body }) => {
        await plans.run(context, params.id, body);
        return { ok: true };
      },
    }),
    route({
      method: 'POST',
      url: '/plans/:id/confirm',
      action: INSTALL,
      params: planId,
      body: api.confirmStep,
      answer: ok,
      handle: ({ context, params, body }) => {
        plans.confirm(context, params.id, body.number);
        return { ok: true };
      },
    }),
    simple('pause', (context, plan) => plans.pause(context, plan)),
    simple('cancel', (context, plan) => plans.cancel(context, plan)),
    simple('give-up', (context, plan) => plans.giveUp(context, plan)),
  ];
}
