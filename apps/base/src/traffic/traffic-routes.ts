import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { boxHeader } from '@bascule/protocol/api/appliance.ts';
import { connectedNow, ipAddressChange, ipConfiguration, trafficChange, trafficState } from '@bascule/protocol/api/network.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Addresses } from '../network/network.ts';
import type { Traffic } from './traffic.ts';

const READ = 'box.network.read';
const CHANGE = 'box.network.change';
const params = z.strictObject({ id: id('ipAddress') });
const removal = z.strictObject({ acceptCut: z.boolean().optional() });

/** Networking > IP configuration and > Traffic, and the header of every page. */
export function trafficRoutes(traffic: Traffic, network: Addresses, localAddressOf: (socket: object) => string): AnyRoute[] {
  const from = (request: { raw: { socket: object } }): string => localAddressOf(request.raw.socket);
  return [
    route({
      method: 'GET',
      url: '/whoami/appliance',
      action: 'box.status.read',
      answer: boxHeader,
      handle: () => traffic.header(),
    }),
    route({
      method: 'GET',
      url: '/network/addresses',
      action: READ,
      answer: ipConfiguration,
      handle: ({ request }) => traffic.configuration(from(request)),
    }),
    route({
      method: 'POST',
      url: '/network/addresses',
      action: CHANGE,
      body: ipAddressChange,
      answer: ipConfiguration,
      async handle({ body, context, request }) {
        await network.add(context, body, from(request));
        return await traffic.configuration(from(request));
      },
    }),
    route({
      method: 'PUT',
      url: '/network/addresses/:id',
      action: CHANGE,
      params,
      body: ipAddressChange,
      answer: ipConfiguration,
      async handle({ body, params: { id: row }, context, request }) {
        await network.change(context, row, body, from(request));
        return await traffic.configuration(from(request));
      },
    }),
    route({
      method: 'POST',
      url: '/network/addresses/:id/remove',
      action: CHANGE,
      params,
      body: removal,
      answer: ipConfiguration,
      async handle({ body, params: { id: row }, context, request }) {
        await network.remove(context, row, body.acceptCut === true, from(request));
        return await traffic.configuration(from(request));
      },
    }),
    route({
      method: 'GET',
      url: '/network/connected',
      action: READ,
      answer: connectedNow,
      handle: () => traffic.connected(),
    }),
    route({ method: 'GET', url: '/network/traffic', action: READ, answer: trafficState, handle: () => traffic.state() }),
    route({
      method: 'PUT',
      url: '/network/traffic',
      action: CHANGE,
      body: trafficChange,
      answer: trafficState,
      async handle({ body, context }) {
        traffic.change(context, body);
        return await traffic.state();
      },
    }),
    route({
      method: 'POST',
      url: '/network/traffic/move',
      action: CHANGE,
      answer: trafficState,
      async handle({ context }) {
        traffic.moveAgain(context);
        return await traffic.state();
      },
    }),
  ];
}
