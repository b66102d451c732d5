import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { PUBLIC_ACTION, route, type AnyRoute } from '@bascule/http/route.ts';
import {
  accountRulesChange,
  bannerChange,
  boxSecurity,
  loginBannerAnswer,
  networksChange,
  tlsChange,
  type BoxSecurity,
} from '@bascule/protocol/api/security.ts';
import type { Arrival } from '../changes/changes.ts';
import type { Security } from './security.ts';

const READ = 'box.security.read';
const CHANGE = 'box.security.change';

/** /appliance > Security, the rules of > Users, and the banner for everybody. */
export function securityRoutes(security: Security, arrivalOf: (request: IncomingMessage) => Arrival): AnyRoute[] {
  const state = (request: IncomingMessage): BoxSecurity => {
    const { socket } = request;
    return security.look(arrivalOf(request), socket instanceof TLSSocket ? socket.getProtocol() : null);
  };
  return [
    route({
      method: 'GET',
      url: '/login-banner',
      action: PUBLIC_ACTION,
      answer: loginBannerAnswer,
      handle: () => ({ text: security.banner() }),
    }),
    route({
      method: 'GET',
      url: '/security',
      action: READ,
      answer: boxSecurity,
      handle: ({ request }) => state(request.raw),
    }),
    route({
      method: 'PUT',
      url: '/security/tls',
      action: CHANGE,
      body: tlsChange,
      answer: boxSecurity,
      async handle({ body: { acceptCut, ...tls }, context, request }) {
        await security.changeTls(context, tls, acceptCut === true);
        return state(request.raw);
      },
    }),
    route({
      method: 'PUT',
      url: '/security/banner',
      action: CHANGE,
      body: bannerChange,
      answer: boxSecurity,
      async handle({ body, context, request }) {
        await security.changeBanner(context, body.text);
        return state(request.raw);
      },
    }),
    route({
      method: 'PUT',
      url: '/security/accounts',
      action: CHANGE,
      body: accountRulesChange,
      answer: boxSecurity,
      async handle({ body, context, request }) {
        await security.changeRules(context, body);
        return state(request.raw);
      },
    }),
    route({
      method: 'PUT',
      url: '/security/networks',
      action: CHANGE,
      body: networksChange,
      answer: boxSecurity,
      async handle({ body, context, request }) {
        await security.changeNetworks(context, body.networks, body.acceptCut === true, arrivalOf(request.raw));
        return state(request.raw);
      },
    }),
  ];
}
