import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/http-server.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import * as api from '@bascule/protocol/api/restore.ts';
import { byteCount } from '@bascule/protocol/text.ts';
import { UPLOAD_CHUNK_MAX_BYTES } from '../software/software.ts';
import type { Restore } from './restore.ts';

const READ = 'box.restore.read';
const RESTORE = 'box.restore.restore';
const uploadId = z.object({ id: z.uuid() });
const started = z.object({ id: z.string() });

/** Routes below /appliance/api/restore (protocol/api/restore.ts): box administrators' only. */
export function restoreRoutes(restore: Restore): AnyRoute[] {
  return [...readRoutes(restore), ...uploadRoutes(restore), ...actRoutes(restore)];
}

function readRoutes(restore: Restore): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/restore/state', action: READ, answer: api.restoreState, handle: () => restore.state() }),
    route({
      method: 'GET',
      url: '/restore/log',
      action: READ,
      query: api.restorationId,
      handle: ({ query, reply }) => reply.type('text/plain; charset=utf-8').send(restore.logOf(query.id)),
    }),
  ];
}

function uploadRoutes({ uploads, look }: Restore): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/restore/uploads',
      action: RESTORE,
      body: api.startRestoreUpload,
      answer: api.restoreUpload,
      handle: ({ context, body }) => uploads.start(context, body),
    }),
    route({
      method: 'PUT',
      url: '/restore/uploads/:id',
      action: RESTORE,
      params: uploadId,
      query: z.object({ from: z.coerce.number().pipe(byteCount) }),
      bodyStream: true,
      bodyLimitBytes: UPLOAD_CHUNK_MAX_BYTES,
      answer: api.restoreUpload,
      handle: ({ params, query, request }) => uploads.append(params.id, query.from, request.raw),
    }),
    route({
      method: 'DELETE',
      url: '/restore/uploads/:id',
      action: RESTORE,
      params: uploadId,
      answer: ok,
      handle: ({ context, params }) => {
        uploads.remove(context, params.id);
        look.forget();
        return { ok: true };
      },
    }),
  ];
}

function actRoutes(restore: Restore): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/restore/inspect',
      action: RESTORE,
      body: api.inspectBackup,
      answer: ok,
      handle: async ({ context, body, reply }) => {
        await restore.look.begin(context, body.upload, body.password);
        reply.code(202);
        return { ok: true };
      },
    }),
    route({
      method: 'POST',
      url: '/restore/start',
      action: RESTORE,
      body: api.startRestore,
      answer: started,
      handle: ({ context, body }) => ({ id: restore.start(context, body) }),
    }),
    route({
      method: 'POST',
      url: '/restore/undo',
      action: RESTORE,
      body: api.undoRestore,
      answer: started,
      handle: ({ context, body }) => ({ id: restore.undo(context, body.id, body.confirm) }),
    }),
    ...(['cancel', 'acknowledge'] as const).map((verb) =>
      route({
        method: 'POST',
        url: `/restore/${verb}`,
        action: RESTORE,
        body: api.restorationId,
        answer: ok,
        handle: ({ context, body }) => {
          restore[verb](body.id, context);
          return { ok: true };
        },
      }),
    ),
  ];
}
