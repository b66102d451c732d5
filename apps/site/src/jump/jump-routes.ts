import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import { PUBLIC_ACTION, route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import {
  bulkJumpItemsBody,
  bulkJumpItemsDone,
  changeJumpGroupBody,
  changeJumpItemBody,
  conflicts,
  createInstallerTokenBody,
  createJumpGroupBody,
  createdInstallerToken,
  decideConflictBody,
  installerTokens,
  jumpGroups,
  jumpItem,
  jumpItems,
  jumpItemsPage,
  searchJumpItemsQuery,
} from '@bascule/protocol/api/jump.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Policy } from '../policy/policy.ts';
import type { Installer } from './installer.ts';
import type { Jump } from './jump.ts';

const HOUR_MS = 60 * 60_000;
const clientParams = z.object({ id: id('jumpClient') });
const groupParams = z.object({ id: id('jumpGroup') });
const tokenParams = z.object({ id: id('installerToken') });
const conflictParams = z.object({ clientId: id('jumpClient') });
const archiveParams = z.object({ file: z.string().regex(/^(runtime|client)-[0-9a-f]{64}\.tar$/) });
const sinceQuery = z.object({ since: z.coerce.number().int().nonnegative().optional() });
const DONE = { ok: true as const };

/** Everything of protocol/api/jump.ts, and the files that endpoints install from (public: they hold no secret, and are pinned by hash). */
export function jumpRoutes(parts: { jump: Jump; policy: Policy; installer: Installer }): AnyRoute[] {
  return [
    ...itemRoutes(parts.jump, parts.policy),
    ...groupRoutes(parts.jump, parts.policy),
    ...tokenRoutes(parts.jump, parts.installer),
    ...conflictRoutes(parts.jump),
    ...installerRoutes(parts.installer),
  ];
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

function tokenRoutes(jump: Jump, installer: Installer): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/jump/tokens',
      action: 'installer-tokens.manage',
      answer: installerTokens,
      handle: () => ({ tokens: jump.tokens.list() }),
    }),
    route({
      method: 'POST',
      url: '/jump/tokens',
      action: 'installer-tokens.manage',
      body: createInstallerTokenBody,
      answer: createdInstallerToken,
      handle: async ({ context, body }) => {
        // First, for a token whose commands cannot be shown would be lost.
        await installer.prepare();
        const { token, text } = jump.tokens.create(context, { ...body, validForMs: body.validForHours * HOUR_MS });
        return { token, secret: text, ...(await installer.commands(text)) };
      },
    }),
    route({
      method: 'POST',
      url: '/jump/tokens/:id/revoke',
      action: 'installer-tokens.manage',
      params: tokenParams,
      answer: ok,
      handle: ({ context, params }) => {
        jump.tokens.revoke(context, params.id);
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

function installerRoutes(installer: Installer): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/install/jump-client.sh',
      absolute: true,
      action: PUBLIC_ACTION,
      handle: ({ reply }) => reply.type('text/x-shellscript; charset=utf-8').send(installer.script()),
    }),
    route({
      method: 'GET',
      url: '/install/:file',
      absolute: true,
      action: PUBLIC_ACTION,
      params: archiveParams,
      handle: async ({ params, request, reply }) => {
        const archive = await installer.archive(params.file, /\bgzip\b/.test(request.headers['accept-encoding'] ?? ''));
        if (archive === undefined) throw notFound();
        reply.headers({
          'content-length': archive.bytes,
          vary: 'accept-encoding',
          ...(archive.gzip && { 'content-encoding': 'gzip' }),
        });
        return reply.type('application/x-tar').send(archive.stream);
      },
    }),
  ];
}
