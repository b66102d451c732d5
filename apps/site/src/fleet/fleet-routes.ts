import { Readable } from 'node:stream';
import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import {
  fleetClient as fleetClientSchema,
  fleetClients,
  fleetClientsQuery,
  fleetExportQuery,
  fleetSettings,
  resumeRolloutBody,
  rollout,
  uninstallBody,
  uninstalled,
} from '@bascule/protocol/api/fleet.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Store } from '@bascule/store/store.ts';
import type { Jump } from '../jump/jump.ts';
import type { Policy } from '../policy/policy.ts';
import * as events from './fleet-events.ts';
import { csvLines, fleetClient, fleetPage, jsonPieces } from './fleet-list.ts';
import { proofPieces, type ProofSigner } from './fleet-proof.ts';
import type { Fleet } from './fleet.ts';

const clientParams = z.object({ id: id('jumpClient') });
const DONE = { ok: true as const };
/** Ten thousand ids. */
const UNINSTALL_BODY_MAX_BYTES = 1024 * 1024;

export interface FleetRoutesOptions {
  fleet: Fleet;
  jump: Jump;
  policy: Policy;
  store: Store;
  identity: ProofSigner;
  /** The address of the site, as in the proof. */
  siteUrl(): string;
  appliance: string;
  now(): number;
}

/** protocol/api/fleet.ts but for losses and identity. */
export function fleetRoutes(options: FleetRoutesOptions): AnyRoute[] {
  return [...rolloutRoutes(options), ...clientRoutes(options), ...reportRoutes(options)];
}

function rolloutRoutes({ fleet }: FleetRoutesOptions): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/fleet/settings',
      action: 'fleet.read',
      answer: fleetSettings,
      handle: () => fleet.settings(),
    }),
    route({
      method: 'PUT',
      url: '/fleet/settings',
      action: 'fleet.manage',
      body: fleetSettings,
      answer: fleetSettings,
      handle: ({ context, body }) => fleet.changeSettings(context, body),
    }),
    route({ method: 'GET', url: '/fleet/rollout', action: 'fleet.read', answer: rollout, handle: () => fleet.picture() }),
    route({
      method: 'POST',
      url: '/fleet/rollout/pause',
      action: 'fleet.manage',
      answer: rollout,
      handle: ({ context }) => fleet.pause(context),
    }),
    route({
      method: 'POST',
      url: '/fleet/rollout/resume',
      action: 'fleet.manage',
      body: resumeRolloutBody,
      answer: rollout,
      handle: ({ context, body }) => fleet.resume(context, body.retryFailed),
    }),
    route({
      method: 'POST',
      url: '/fleet/rollout/start',
      action: 'fleet.manage',
      answer: rollout,
      handle: ({ context }) => fleet.startCycle(context),
    }),
  ];
}

function clientRoutes({ fleet, jump, policy, store }: FleetRoutesOptions): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/fleet/clients',
      action: 'fleet.read',
      query: fleetClientsQuery,
      answer: fleetClients,
      handle: ({ query }) => fleetPage(store, fleet.view, query),
    }),
    route({
      method: 'GET',
      url: '/fleet/clients/:id',
      action: 'fleet.read-own',
      params: clientParams,
      answer: fleetClientSchema,
      handle({ principal, params }) {
        if (policy.authorizeItem(principal, 'jump-items.jump', jump.target(params.id)) === undefined) throw notFound();
        const client = fleetClient(store, fleet.view, params.id);
        if (client === undefined) throw notFound();
        return client;
      },
    }),
    route({
      method: 'POST',
      url: '/fleet/clients/:id/front',
      action: 'fleet.read-own',
      params: clientParams,
      answer: ok,
      handle({ principal, params, context }) {
        if (policy.authorizeItem(principal, 'jump-items.jump', jump.target(params.id)) === undefined) throw notFound();
        fleet.toFront(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'POST',
      url: '/fleet/clients/:id/retry',
      action: 'fleet.manage',
      params: clientParams,
      answer: ok,
      handle({ params, context }) {
        fleet.retry(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'POST',
      url: '/fleet/uninstall',
      action: 'fleet.manage',
      body: uninstallBody,
      bodyLimitBytes: UNINSTALL_BODY_MAX_BYTES,
      answer: uninstalled,
      handle: ({ context, body }) => fleet.uninstalls.order(context, body.clientIds),
    }),
  ];
}

function reportRoutes({ fleet, store, identity, siteUrl, appliance, now }: FleetRoutesOptions): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/fleet/export',
      action: 'fleet.read',
      query: fleetExportQuery,
      handle({ context, query, reply }) {
        store.transact(context, events.exported({ format: query.format }), () => undefined);
        reply
          .header('content-type', query.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8')
          .header('content-disposition', `attachment; filename="bascule-clients.${query.format}"`);
        return Readable.from(query.format === 'csv' ? csvLines(store, fleet.view) : jsonPieces(store, fleet.view, now()));
      },
    }),
    route({
      method: 'GET',
      url: '/fleet/proof',
      action: 'fleet.read',
      handle({ context, reply }) {
        store.transact(context, events.proved({ version: fleet.view.version.version }), () => undefined);
        reply
          .header('content-type', 'application/json; charset=utf-8')
          .header('content-disposition', 'attachment; filename="bascule-fleet-proof.json"');
        return Readable.from(proofPieces(fleet.view, { site: siteUrl(), appliance, nowMs: now() }, identity));
      },
    }),
  ];
}
