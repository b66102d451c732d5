import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/http-server.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import * as api from '@bascule/protocol/api/updates.ts';
import { byteCount } from '@bascule/protocol/text.ts';
import { UPLOAD_CHUNK_MAX_BYTES } from './uploads.ts';
import type { Software } from './software.ts';

/** Installations that the page shows. */
export const HISTORY_MAX = 200;
const READ = 'box.updates.read';
const CHANGE = 'box.updates.change';
const INSTALL = 'box.updates.install';
const installationId = z.object({ id: z.string().min(1).max(100) });
const uploadId = z.object({ id: z.uuid() });
const started = z.object({ id: z.string() });
const targetName = z.object({ target: z.string().max(200) });

/** Routes below /appliance/api/updates (protocol/api/updates.ts): box administrators' only. */
export function softwareRoutes(software: Software): AnyRoute[] {
  return [...readRoutes(software), ...settingsRoutes(software), ...installationRoutes(software), ...fileRoutes(software)];
}

function readRoutes(software: Software): AnyRoute[] {
  const { updates, engine } = software;
  return [
    route({ method: 'GET', url: '/updates/state', action: READ, answer: api.updatesState, handle: () => software.state() }),
    route({
      method: 'GET',
      url: '/updates/eula',
      action: READ,
      query: targetName,
      answer: api.eulaText,
      handle: ({ query }) => updates.eula(query.target),
    }),
    route({
      method: 'GET',
      url: '/updates/history',
      action: READ,
      answer: api.history,
      handle: () => ({ installations: engine.history(HISTORY_MAX) }),
    }),
    route({
      method: 'GET',
      url: '/updates/history/:id/log',
      action: READ,
      params: installationId,
      handle: ({ params, reply }) => reply.type('text/plain; charset=utf-8').send(engine.logOf(params.id)),
    }),
  ];
}

function settingsRoutes({ updates }: Software): AnyRoute[] {
  return [
    route({
      method: 'PUT',
      url: '/updates/settings',
      action: CHANGE,
      body: api.updateSettings,
      answer: api.updateSettings,
      handle: ({ context, body }) => updates.changeSettings(context, body),
    }),
    route({
      method: 'POST',
      url: '/updates/trust/fetch',
      action: CHANGE,
      answer: api.foundTrust,
      handle: () => updates.foundTrust(),
    }),
    route({
      method: 'POST',
      url: '/updates/trust',
      action: CHANGE,
      body: api.confirmTrust,
      answer: ok,
      handle: async ({ context, body }) => {
        await updates.confirmTrust(context, body.rootSha256);
        return { ok: true };
      },
    }),
    route({
      method: 'POST',
      url: '/updates/check',
      action: CHANGE,
      answer: ok,
      handle: ({ context, reply }) => {
        updates.beginCheck(context);
        reply.code(202);
        return { ok: true };
      },
    }),
    route({
      method: 'POST',
      url: '/updates/eula',
      action: INSTALL,
      body: api.acceptEula,
      answer: ok,
      handle: ({ context, body }) => {
        updates.acceptEula(context, body);
        return { ok: true };
      },
    }),
    route({
      method: 'POST',
      url: '/updates/download-key',
      action: CHANGE,
      answer: api.downloadKey,
      handle: ({ context }) => updates.makeDownloadKey(context),
    }),
  ];
}

function installationRoutes(software: Software): AnyRoute[] {
  const { engine } = software;
  const start = (verb: 'install' | 'download' | 'trial'): AnyRoute =>
    route({
      method: 'POST',
      url: `/updates/${verb}`,
      action: INSTALL,
      body: api.startInstallation,
      answer: started,
      handle: ({ context, body: { target, overrule } }) => ({ id: software[verb](context, target, overrule) }),
    });
  return [
    start('install'),
    start('download'),
    start('trial'),
    route({
      method: 'POST',
      url: '/updates/preflight',
      action: READ,
      body: targetName,
      answer: api.preflightAnswer,
      handle: async ({ body }) => ({ lines: await software.preflight(body.target) }),
    }),
    route({
      method: 'POST',
      url: '/updates/roll-back',
      action: INSTALL,
      body: api.rollBack,
      answer: started,
      handle: ({ context, body }) => ({ id: engine.rollBack(body.kind, context) }),
    }),
    ...(['cancel', 'acknowledge'] as const).map((verb) =>
      route({
        method: 'POST',
        url: `/updates/${verb}`,
        action: INSTALL,
        body: installationId,
        answer: ok,
        handle: ({ context, body }) => {
          engine[verb](body.id, context);
          return { ok: true };
        },
      }),
    ),
    route({
      method: 'POST',
      url: '/updates/verify',
      action: INSTALL,
      answer: ok,
      handle: ({ context }) => {
        engine.verifyAgain(context);
        return { ok: true };
      },
    }),
  ];
}

function fileRoutes({ updates }: Software): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/updates/uploads',
      action: INSTALL,
      body: api.startUpload,
      answer: api.uploadState,
      handle: ({ context, body }) => updates.uploads.start(context, body),
    }),
    route({
      method: 'PUT',
      url: '/updates/uploads/:id',
      action: INSTALL,
      params: uploadId,
      query: z.object({ from: z.coerce.number().pipe(byteCount) }),
      bodyStream: true,
      bodyLimitBytes: UPLOAD_CHUNK_MAX_BYTES,
      answer: api.uploadState,
      handle: ({ params, query, request }) => updates.uploads.append(params.id, query.from, request.raw),
    }),
    route({
      method: 'POST',
      url: '/updates/uploads/:id/finish',
      action: INSTALL,
      params: uploadId,
      answer: api.finishedUpload,
      handle: async ({ context, params }) => ({ targets: await updates.imports.finishUpload(context, params.id) }),
    }),
    route({
      method: 'DELETE',
      url: '/updates/uploads/:id',
      action: INSTALL,
      params: uploadId,
      answer: ok,
      handle: ({ context, params }) => {
        updates.uploads.remove(context, params.id);
        return { ok: true };
      },
    }),
  ];
}
