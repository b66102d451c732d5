import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import {
  bulkJumpItemsBody,
  bulkJumpItemsDone,
  changeJumpGroupBody,
  changeJumpItemBody,
  conflicts,
  createJumpGroupBody,
  decideConflictBody,
  jumpGroups,
  jumpItem,
  jumpItems,
  jumpItemsPage,
  searchJumpItemsQuery,
} from '@bascule/protocol/api/jump.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Policy } from '../policy/policy.ts';
import type { Jump } from './jump.ts';

const clientParams = z.object({ id: id('jumpClient') });
const groupParams = z.object({ id: id('jumpGroup') });
const conflictParams = z.object({ clientId: id('jumpClient') });
const sinceQuery = z.object({ since: z.coerce.number().int().nonnegative().optional() });
const DONE = { ok: true as const };

/** Everything of protocol/api/jump.ts but installer tokens, which are the installers' domain's. */
export function jumpRoutes(parts: { jump: Jump; policy: Policy }): AnyRoute[] {
  return [...itemRoutes(parts.jump, parts.policy), ...groupRoutes(parts.jump, parts.policy), ...conflictRoutes(parts.jump)];
}

function itemRoutes(jump: Jump, policy: Policy): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/jump/items',
      action: 'jump-items.list',
      query: sinceQuery,
      answer: jumpItems,
      handle: ({ principal, query }) => jump.items(query.since, policy.itemFilter(principal)),
    }),
    route({
      method: 'GET',
      url: '/jump/items/search',
      action: 'jump-items.list',
      query: searchJumpItemsQuery,
      answer: jumpItemsPage,
      handle: ({ principal, query }) => jump.search(query, policy.itemFilter(principal)),
    }),
    route({
      method: 'POST',
      url: '/jump/items/bulk',
      action: 'jump-items.manage',
      body: bulkJumpItemsBody,
      answer: bulkJumpItemsDone,
      handle: ({ context, body }) => jump.bulk(context, body),
    }),
    route({
      method: 'GET',
      url: '/jump/items/:id',
      action: 'jump-items.list',
      params: clientParams,
      answer: jumpItem,
      handle: ({ principal, params }) => {
        const item = jump.item(params.id);
        // Whoever may not see it is not told that it exists.
        if (item === undefined || !policy.itemFilter(principal)(item)) throw notFound();
        return item;
      },
    }),
    route({
      method: 'PATCH',
      url: '/jump/items/:id',
      action: 'jump-items.manage',
      params: clientParams,
      body: changeJumpItemBody,
      answer: jumpItem,
      handle: ({ context, params, body }) => jump.changeItem(context, params.id, body),
    }),
    ...(['approve', 'confirm', 'revoke'] as const).map((verb) =>
      route({
        method: 'POST',
        url: `/jump/items/:id/${verb}`,
        action: 'jump-items.manage',
        params: clientParams,
        answer: jumpItem,
        handle: ({ context, params }) => jump[verb](context, params.id),
      }),
    ),
    route({
      method: 'POST',
      url: '/jump/items/:id/delete',
      action: 'jump-items.manage',
      params: clientParams,
      answer: ok,
      handle: ({ context, params }) => {
        jump.delete(context, params.id);
        return DONE;
      },
    }),
  ];
}

function groupRoutes(jump: Jump, policy: Policy): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/jump/groups',
      action: 'jump-groups.list',
      answer: jumpGroups,
      // Users see the names of their groups; who else is in them is the administrators' business.
      handle: ({ principal }) => {
        if (principal.role === 'administrator') return { groups: jump.groups.list() };
        const mine = policy.itemFilter(principal);
        return {
          groups: jump.groups
            .list()
            .filter((group) => mine({ groupId: group.id }))
            .map((group) => ({ ...group, members: [] })),
        };
      },
    }),
    route({
      method: 'POST',
      url: '/jump/groups',
      action: 'jump-groups.manage',
      body: createJumpGroupBody,
      answer: jumpGroups,
      handle: ({ context, body }) => {
        jump.groups.create(context, body.name);
        return { groups: jump.groups.list() };
      },
    }),
    route({
      method: 'PATCH',
      url: '/jump/groups/:id',
      action: 'jump-groups.manage',
      params: groupParams,
      body: changeJumpGroupBody,
      answer: jumpGroups,
      handle: ({ context, params, body }) => {
        jump.groups.change(context, params.id, body);
        return { groups: jump.groups.list() };
      },
    }),
    route({
      method: 'DELETE',
      url: '/jump/groups/:id',
      action: 'jump-groups.manage',
      params: groupParams,
      answer: ok,
      handle: ({ context, params }) => {
        jump.groups.delete(context, params.id);
        return DONE;
      },
    }),
  ];
}

function conflictRoutes(jump: Jump): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/jump/conflicts',
      action: 'jump-items.manage',
      answer: conflicts,
      handle: () => ({ conflicts: jump.conflicts() }),
    }),
    route({
      method: 'POST',
      url: '/jump/conflicts/:clientId/decide',
      action: 'jump-items.manage',
      params: conflictParams,
      body: decideConflictBody,
      answer: ok,
      handle: ({ context, params, body }) => {
        jump.decideConflict(context, params.clientId, body.keep);
        return DONE;
      },
    }),
  ];
}
