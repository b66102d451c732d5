import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { notFound } from '@bascule/errors/app-error.ts';
import { PUBLIC_ACTION, route, type AnyRoute } from '@bascule/http/route.ts';
import type { StreamLimit } from '@bascule/http/stream-limit.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import {
  createdInstaller,
  createInstallerBody,
  downloads,
  installerFormat,
  installers as installersAnswer,
} from '@bascule/protocol/api/installers.ts';
import { createdInstallerToken, createInstallerTokenBody, installerTokens } from '@bascule/protocol/api/jump.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Jump } from '../jump/jump.ts';
import type { FileToSend } from './installer-files.ts';
import type { Installers } from './installers.ts';

const HOUR_MS = 60 * 60_000;
const installerParams = z.object({ id: id('installer') });
const fileParams = z.object({ id: id('installer'), format: installerFormat });
const tokenParams = z.object({ id: id('installerToken') });
const downloadParams = z.object({ name: z.string().regex(/^[a-z0-9][A-Za-z0-9._-]{0,99}$/) });
const publicParams = z.object({
  file: z.string().regex(/^((runtime|program)-[0-9a-f]{64}\.tar|(jump-client|jumpoint)(-\d{1,6}\.\d{1,6}\.\d{1,6})?\.sh)$/),
});
const DONE = { ok: true as const };

export interface InstallerRoutesOptions {
  installers: Installers;
  jump: Jump;
  /** Of all that anybody may fetch without a login. */
  publicStreams: StreamLimit;
}

/** Everything of protocol/api/installers.ts, plain installer tokens, and what endpoints install from (public: no secret, pinned by hash). */
export function installerRoutes({ installers, jump, publicStreams }: InstallerRoutesOptions): AnyRoute[] {
  return [
    ...managingRoutes(installers),
    ...downloadRoutes(installers),
    ...tokenRoutes(installers, jump),
    publicRoute(installers, publicStreams),
  ];
}

function managingRoutes(installers: Installers): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/installers',
      action: 'installers.manage',
      answer: installersAnswer,
      handle: () => installers.list(),
    }),
    route({
      method: 'POST',
      url: '/installers',
      action: 'installers.manage',
      body: createInstallerBody,
      answer: createdInstaller,
      handle: ({ context, body }) => installers.create(context, body),
    }),
    route({
      method: 'POST',
      url: '/installers/:id/revoke',
      action: 'installers.manage',
      params: installerParams,
      answer: ok,
      handle: ({ context, params }) => {
        installers.revoke(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'GET',
      url: '/installers/:id/files/:format',
      action: 'installers.manage',
      params: fileParams,
      handle: async ({ context, params, reply }) => send(reply, await installers.file(context, params.id, params.format)),
    }),
  ];
}

function downloadRoutes(installers: Installers): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/downloads',
      action: 'downloads.list',
      answer: downloads,
      handle: () => installers.downloads(),
    }),
    route({
      method: 'GET',
      url: '/downloads/:name',
      action: 'downloads.list',
      params: downloadParams,
      handle: async ({ params, reply }) => send(reply, await installers.download(params.name)),
    }),
  ];
}

function tokenRoutes(installers: Installers, jump: Jump): AnyRoute[] {
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
        await installers.prepare();
        const { token, text } = jump.tokens.create(context, { ...body, validForMs: body.validForHours * HOUR_MS });
        return { token, secret: text, ...(await installers.commands(text)) };
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

function publicRoute(installers: Installers, publicStreams: StreamLimit): AnyRoute {
  return route({
    method: 'GET',
    url: '/install/:file',
    absolute: true,
    action: PUBLIC_ACTION,
    params: publicParams,
    handle: async ({ params, context, request, reply }) => {
      const takesGzip = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
      const file = await installers.publicFile(params.file, takesGzip);
      if (file === undefined) throw notFound();
      publicStreams.enter(context.address, reply.raw);
      reply.headers({
        'content-length': file.bytes,
        vary: 'accept-encoding',
        ...(file.isGzip && { 'content-encoding': 'gzip' }),
      });
      return reply.type(file.type).send(file.stream());
    },
  });
}

/** As a file to be saved, which no cache may keep: it may hold a key. */
function send(reply: FastifyReply, file: FileToSend): FastifyReply {
  reply.headers({
    'content-length': file.bytes,
    'content-disposition': `attachment; filename="${file.name}"`,
    'cache-control': 'no-store',
  });
  return reply.type(file.type).send(file.stream());
}
