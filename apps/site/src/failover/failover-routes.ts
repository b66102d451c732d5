/** protocol/api/failover.ts, the same at site and standby. Actions that change roles begin and answer at once: what serves the request may be swapped meanwhile. */
import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/failover.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import type { Context } from '@bascule/store/store.ts';
import type { Failover } from './failover.ts';
import { noPair, witnessSilent } from './failover-errors.ts';
import { copyOf } from './pair-figures.ts';
import type { Pair } from './pair.ts';
import { generatePreSharedKey } from './pre-shared-key.ts';
import { rehearsalGuideRoutes } from './rehearsal/rehearsal-guide-routes.ts';

const READ = 'failover.read';
const MANAGE = 'failover.manage';
const OK = { ok: true } as const;
const NOTHING = z.strictObject({}).optional();

export function failoverRoutes(failover: Failover): AnyRoute[] {
  const ofPairDatabase = [
    ...stateRoutes(failover),
    ...roleRoutes(failover),
    ...relationshipRoutes(failover),
    ...witnessRoutes(failover),
    ...keyRoutes(failover),
  ];
  // A side that has lost the lease, or its peer, still says what became of an order that may be the way out.
  return [...ofPairDatabase.map((route) => ({ ...route, changesHereAlone: true })), ...rehearsalGuideRoutes(failover)];
}

function stateRoutes(failover: Failover): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/whoami/appliance',
      action: 'account.own',
      answer: api.applianceHeader,
      handle({ principal, request }) {
        const rehearsal = failover.guide.headerOf(principal, request.raw);
        return { ...failover.header(), ...(rehearsal !== undefined && { rehearsal }) };
      },
    }),
    route({ method: 'GET', url: '/failover', action: READ, answer: api.failoverState, handle: () => failover.state() }),
    route({
      method: 'POST',
      url: '/failover/refresh',
      action: READ,
      body: NOTHING,
      answer: api.failoverState,
      async handle() {
        await (await failover.pair()).parts.watch.ask();
        return await failover.state();
      },
    }),
    route({
      method: 'GET',
      url: '/failover/health',
      action: READ,
      answer: api.failoverHealth,
      publicApi: {
        summary: 'Health of this appliance in its failover pair',
        description: 'For load balancers: 200 when this appliance serves people and clients, otherwise 503 with the same body.',
        takes: 'token',
        alsoAnswers: { 503: 'This appliance does not serve people and clients now.' },
      },
      handle({ reply }) {
        const health = healthOf(failover);
        if (!health.ready) reply.code(503);
        return health;
      },
    }),
    route({
      method: 'PUT',
      url: '/failover/settings',
      action: MANAGE,
      body: api.pairSettingsChange,
      answer: api.pairSettings,
      async handle({ body, context }) {
        const pair = await failover.pair();
        const { regardless = false, ...change } = body;
        const wasOn = pair.parts.records.settings.automatic;
        const settings = pair.changeSettings(context, change);
        if (regardless && change.automatic === false) await pair.lease.leaveRegardless();
        if (change.automatic === true && !wasOn && !(await pair.lease.whenWriting())) {
          pair.changeSettings(context, { automatic: false });
          throw witnessSilent();
        }
        return settings;
      },
    }),
  ];
}

function roleRoutes(failover: Failover): AnyRoute[] {
  /** What is refused is said; the rest shows on the page as `busy`, and then as what it has come to. */
  const begin = (work: Promise<void>) => {
    work.catch((error: unknown) => failover.log.warn({ err: error }, 'failover.change-failed'));
    return OK;
  };
  const become = async (pair: Pair, context: Context, request: z.infer<typeof api.becomePrimary>) => {
    await pair.roles.checkBecomePrimary(request);
    return begin(pair.roles.becomePrimary(context, request));
  };
  return [
    route({
      method: 'POST',
      url: '/failover/become-primary',
      action: MANAGE,
      body: api.becomePrimary,
      answer: ok,
      handle: async ({ body, context }) => become(await failover.pair(), context, body),
    }),
    route({
      method: 'POST',
      url: '/failover/become-backup',
      action: MANAGE,
      body: api.becomeBackup,
      answer: ok,
      async handle({ body, context }) {
        const { roles } = await failover.pair();
        await roles.checkBecomeBackup(body);
        return begin(roles.becomeBackup(context, body));
      },
    }),
    route({
      method: 'PUT',
      url: '/failover/role',
      action: MANAGE,
      body: api.setRole,
      answer: api.failoverHealth,
      publicApi: {
        summary: 'Makes this appliance primary or backup',
        description:
          'Begins the change, and answers with the health of now; ask for the health until the role is what was wanted. `force`: also when the other appliance cannot be reached, whatever is lost.',
        takes: 'token',
      },
      async handle({ body: { role, pullFirst, force }, context }) {
        const pair = await failover.pair();
        const serves = failover.serves;
        if (role === 'primary' && !serves) await become(pair, context, { pullFirst, acceptedLoss: pair.lossAccepted(force) });
        if (role === 'backup' && serves) {
          await pair.roles.checkBecomeBackup({ evenIfUnreachable: force });
          begin(pair.roles.becomeBackup(context, { evenIfUnreachable: force }));
        }
        return healthOf(failover);
      },
    }),
    route({
      method: 'POST',
      url: '/failover/fix',
      action: MANAGE,
      body: api.fixRequest,
      answer: ok,
      async handle({ body, context }) {
        const { done } = await (await failover.pair()).fix(context, body.keep);
        return begin(done);
      },
    }),
  ];
}

function relationshipRoutes(failover: Failover): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/failover/preview',
      action: MANAGE,
      body: api.establishRequest,
      answer: api.establishPreview,
      handle: async ({ body }) => (await failover.pair()).establishing.preview(body),
    }),
    route({
      method: 'POST',
      url: '/failover/establish',
      action: MANAGE,
      body: api.establishRequest,
      answer: ok,
      async handle({ body, context }) {
        await (await failover.pair()).establish(context, body);
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/failover/sync',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      async handle() {
        await (await failover.pair()).syncNow();
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/failover/break',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      async handle({ context }) {
        const { roles, parts } = await failover.pair();
        if (!parts.records.isActive) throw noPair();
        roles.breakUp(context).catch((error: unknown) => failover.log.warn({ err: error }, 'failover.change-failed'));
        return OK;
      },
    }),
    route({
      method: 'POST',
      url: '/failover/split',
      action: MANAGE,
      body: NOTHING,
      answer: ok,
      async handle({ context }) {
        const { roles } = await failover.pair();
        roles.checkSplit();
        roles.split(context).catch((error: unknown) => failover.log.warn({ err: error }, 'failover.change-failed'));
        return OK;
      },
    }),
  ];
}

function witnessRoutes(failover: Failover): AnyRoute[] {
  return [
    route({
      method: 'PUT',
      url: '/failover/witness',
      action: MANAGE,
      body: api.witnessRequest,
      answer: ok,
      async handle({ body: { endpoint, code }, context }) {
        await (await failover.pair()).enrolAtWitness(context, endpoint, code);
        return OK;
      },
    }),
    route({
      method: 'DELETE',
      url: '/failover/witness',
      action: MANAGE,
      answer: ok,
      async handle({ context }) {
        (await failover.pair()).lease.remove(context);
        return OK;
      },
    }),
  ];
}

function keyRoutes(failover: Failover): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/security/pre-shared-key',
      action: READ,
      answer: api.preSharedKeyState,
      handle: async () => (await failover.pair()).preSharedKey.state(),
    }),
    route({
      method: 'PUT',
      url: '/security/pre-shared-key',
      action: MANAGE,
      rate: 'login',
      body: api.preSharedKeyChange,
      answer: api.preSharedKeyState,
      handle: async ({ body, context }) => (await failover.pair()).preSharedKey.set(context, body.key),
    }),
    route({
      method: 'POST',
      url: '/security/pre-shared-key/generate',
      action: MANAGE,
      body: NOTHING,
      answer: api.generatedPreSharedKey,
      handle: () => ({ key: generatePreSharedKey() }),
    }),
  ];
}

/** For load balancers: ready is whoever serves people and clients now. */
function healthOf(failover: Failover): api.FailoverHealth {
  const pair = failover.openedPair;
  const copy = pair === undefined ? null : copyOf(pair);
  const { peer } = failover.header();
  return {
    appliance: failover.config.applianceName,
    role: failover.role,
    ready: failover.serves && (pair?.isWriting ?? true),
    epoch: failover.store?.head().epoch ?? 0,
    lagChanges: copy?.lagChanges ?? null,
    lagSeconds: copy?.lagSeconds ?? null,
    peer: peer?.state ?? 'none',
  };
}
