import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import * as api from '@bascule/protocol/api/file-store.ts';
import { byteCount, id } from '@bascule/protocol/text.ts';
import type { FileStore } from './file-store.ts';

const READ = 'file-store.read';
const MANAGE = 'file-store.manage';
const fileId = z.object({ id: id('storedFile') });
const uploadId = z.object({ id: z.uuid() });

/** Routes below /api/file-store (protocol/api/file-store.ts): administrators' only. */
export function fileStoreRoutes(files: FileStore): AnyRoute[] {
  return [...fileRoutes(files), ...uploadRoutes(files)];
}

function fileRoutes(files: FileStore): AnyRoute[] {
  return [
    route({ method: 'GET', url: '/file-store', action: READ, answer: api.fileStoreState, handle: () => files.state() }),
    route({
      method: 'PUT',
      url: '/file-store/settings',
      action: MANAGE,
      body: api.fileStoreSettings,
      answer: api.fileStoreSettings,
      handle: ({ context, body }) => files.changeSettings(context, body),
    }),
    route({
      method: 'GET',
      url: '/file-store/files/:id',
      action: READ,
      params: fileId,
      handle: async ({ context, params, reply }) => {
        const { name, bytes, handle } = await files.open(context, params.id);
        // Never shown by the browser, whatever is in it.
        void reply.headers({
          'content-type': 'application/octet-stream',
          'content-length': bytes,
          'content-disposition': attachment(name),
          'content-security-policy': 'sandbox',
          'x-content-type-options': 'nosniff',
          'cache-control': 'no-store',
        });
        return handle.createReadStream();
      },
    }),
    route({
      method: 'PATCH',
      url: '/file-store/files/:id',
      action: MANAGE,
      params: fileId,
      body: api.changeStoredFile,
      answer: api.storedFile,
      handle: ({ context, params, body }) => files.change(context, params.id, body),
    }),
    route({
      method: 'DELETE',
      url: '/file-store/files/:id',
      action: MANAGE,
      params: fileId,
      answer: api.deletedStoredFile,
      handle: ({ context, params }) => files.delete(context, params.id),
    }),
    route({
      method: 'POST',
      url: '/file-store/files/:id/undelete',
      action: MANAGE,
      params: fileId,
      answer: api.storedFile,
      handle: ({ context, params }) => files.undelete(context, params.id),
    }),
  ];
}

function uploadRoutes(files: FileStore): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/file-store/uploads',
      action: MANAGE,
      body: api.startStoredUpload,
      answer: api.storedUpload,
      handle: ({ context, body }) => files.uploads.start(context, body),
    }),
    route({
      method: 'PUT',
      url: '/file-store/uploads/:id',
      action: MANAGE,
      params: uploadId,
      query: z.object({ from: z.coerce.number().pipe(byteCount) }),
      bodyStream: true,
      bodyLimitBytes: api.STORED_PIECE_MAX_BYTES,
      answer: api.storedUpload,
      handle: ({ params, query, request }) => files.uploads.append(params.id, query.from, request.raw),
    }),
    route({
      method: 'POST',
      url: '/file-store/uploads/:id/finish',
      action: MANAGE,
      params: uploadId,
      answer: api.storedFile,
      handle: ({ context, params }) => files.finish(context, params.id),
    }),
    route({
      method: 'DELETE',
      url: '/file-store/uploads/:id',
      action: MANAGE,
      params: uploadId,
      answer: ok,
      handle: ({ context, params }) => {
        files.uploads.remove(context, params.id);
        return { ok: true };
      },
    }),
  ];
}

/** RFC 6266: a plain name for old programs, and the real one in UTF-8. */
export function attachment(name: string): string {
  const plain = name.replace(/[^\w. ()-]/g, '_');
  const exact = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
}
