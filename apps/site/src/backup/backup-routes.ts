/** protocol/api/backup.ts. What scripts need (make, list, download, delete) takes API tokens and is in the OpenAPI document (B191). */
import { createReadStream } from 'node:fs';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import {
  backupBegun,
  backupChanges,
  backupChangesQuery,
  backupDestination,
  backupDestinationBody,
  backupDestinations,
  backupRecord,
  backups as backupsAnswer,
  backupSchedule,
  backupSizes,
  changeBackupScheduleBody,
  checkBackupBody,
  destinationTested,
  hostKeyAnswer,
  hostKeyBody,
  makeBackupBody,
} from '@bascule/protocol/api/backup.ts';
import { ok } from '@bascule/protocol/api/common.ts';
import { id } from '@bascule/protocol/text.ts';
import { passwordByToken } from './backup-errors.ts';
import type { Backups } from './backup.ts';

const backupParams = z.object({ id: id('backup') });
const destinationParams = z.object({ id: id('backupDestination') });
const DONE = { ok: true as const };
/** `bytes=100-`, `bytes=100-199`, `bytes=-100`: one range. */
const RANGE = /^bytes=(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/;

/** Everything of protocol/api/backup.ts; administrators only. */
export function backupRoutes(backups: Backups): AnyRoute[] {
  return [...publicRoutes(backups), ...pageRoutes(backups), ...scheduleRoutes(backups), ...destinationRoutes(backups)];
}

function publicRoutes(backups: Backups): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/backups',
      action: 'backup.read',
      answer: backupsAnswer,
      publicApi: { summary: 'All backups, and what is under way', takes: 'token' },
      handle: () => backups.list(),
    }),
    route({
      method: 'POST',
      url: '/backups',
      action: 'backup.manage',
      body: makeBackupBody,
      answer: backupBegun,
      publicApi: {
        summary: 'Begin a backup',
        description:
          'It answers at once; ask for its state until it is `restorable` or `failed`. An API token may not choose a password: what it makes never holds the identity of the site.',
        takes: 'token',
      },
      handle({ context, body, principal }) {
        if (principal.token !== undefined && body.password !== undefined) throw passwordByToken();
        return backups.make(context, body);
      },
    }),
    route({
      method: 'GET',
      url: '/backups/:id',
      action: 'backup.read',
      params: backupParams,
      answer: backupRecord,
      publicApi: { summary: 'The state of one backup', takes: 'token' },
      handle: ({ params }) => backups.get(params.id),
    }),
    route({
      method: 'DELETE',
      url: '/backups/:id',
      action: 'backup.manage',
      params: backupParams,
      answer: ok,
      publicApi: { summary: 'Delete a backup where it lies', takes: 'token' },
      async handle({ context, params }) {
        await backups.delete(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'GET',
      url: '/backups/:id/file',
      action: 'backup.download',
      params: backupParams,
      publicApi: {
        summary: 'Download a backup that lies on this appliance',
        description: 'Ranges are answered.',
        takes: 'token',
      },
      handle: async ({ context, params, request, reply }) => send(request, reply, await backups.file(context, params.id)),
    }),
  ];
}

function pageRoutes(backups: Backups): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/backups/:id/cancel',
      action: 'backup.manage',
      params: backupParams,
      answer: ok,
      async handle({ context, params }) {
        await backups.cancel(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'POST',
      url: '/backups/:id/check',
      action: 'backup.manage',
      params: backupParams,
      body: checkBackupBody,
      answer: ok,
      handle({ context, params, body }) {
        backups.check(context, params.id, body.password);
        return DONE;
      },
    }),
    route({
      method: 'GET',
      url: '/backup/sizes',
      action: 'backup.read',
      answer: backupSizes,
      handle: () => backups.sizes(),
    }),
    route({
      method: 'GET',
      url: '/backup/changes',
      action: 'backup.read',
      query: backupChangesQuery,
      answer: backupChanges,
      handle: ({ query }) => backups.changes(query.before),
    }),
  ];
}

function scheduleRoutes({ schedule }: Backups): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/backup/schedule',
      action: 'backup.read',
      answer: backupSchedule,
      handle: () => schedule.settings(),
    }),
    route({
      method: 'PUT',
      url: '/backup/schedule',
      action: 'backup.manage',
      body: changeBackupScheduleBody,
      answer: backupSchedule,
      handle: ({ context, body }) => schedule.change(context, body),
    }),
  ];
}

function destinationRoutes({ destinations }: Backups): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/backup/destinations',
      action: 'backup.read',
      answer: backupDestinations,
      handle: () => ({ here: destinations.here, destinations: destinations.list() }),
    }),
    route({
      method: 'POST',
      url: '/backup/destinations',
      action: 'backup.manage',
      rate: 'login',
      body: backupDestinationBody,
      answer: backupDestination,
      handle: ({ context, body }) => destinations.add(context, body),
    }),
    route({
      method: 'PUT',
      url: '/backup/destinations/:id',
      action: 'backup.manage',
      rate: 'login',
      params: destinationParams,
      body: backupDestinationBody,
      answer: backupDestination,
      handle: ({ context, params, body }) => destinations.change(context, params.id, body),
    }),
    route({
      method: 'DELETE',
      url: '/backup/destinations/:id',
      action: 'backup.manage',
      params: destinationParams,
      answer: ok,
      handle({ context, params }) {
        destinations.remove(context, params.id);
        return DONE;
      },
    }),
    route({
      method: 'POST',
      url: '/backup/destinations/:id/test',
      action: 'backup.manage',
      params: destinationParams,
      answer: destinationTested,
      async handle({ params }) {
        const startedMs = performance.now();
        await destinations.test(params.id);
        return { ...DONE, ms: Math.round(performance.now() - startedMs) };
      },
    }),
    route({
      method: 'POST',
      url: '/backup/host-key',
      action: 'backup.manage',
      rate: 'login',
      body: hostKeyBody,
      answer: hostKeyAnswer,
      handle: ({ context, body }) => destinations.hostKey(context, body.host, body.port),
    }),
  ];
}

/** The file, or the one part of it that was asked for; it does not change, so that a cut download goes on. */
function send(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  file: { path: string; bytes: number; fileName: string; sha256: string | null },
): unknown {
  reply
    .header('content-type', 'application/octet-stream')
    .header('content-disposition', `attachment; filename="${file.fileName}"`)
    .header('accept-ranges', 'bytes')
    .header('cache-control', 'no-store');
  const etag = file.sha256 === null ? undefined : `"${file.sha256}"`;
  if (etag !== undefined) reply.header('etag', etag);
  const isOther = headers['if-range'] !== undefined && headers['if-range'] !== etag;
  const range = headers.range === undefined || isOther ? undefined : rangeOf(headers.range, file.bytes);
  if (range === null) return reply.code(416).header('content-range', `bytes */${file.bytes}`).send('');
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  if (range !== undefined) reply.code(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`);
  reply.header('content-length', end - start + 1);
  return createReadStream(file.path, { start, end });
}

/** Undefined: all of it (a header of another form is passed over); null: nothing of it is there. */
function rangeOf(header: string, bytes: number): { start: number; end: number } | null | undefined {
  const found = RANGE.exec(header);
  if (found === null) return undefined;
  const [, from, to, last] = found;
  const start = from === undefined ? Math.max(0, bytes - Number(last)) : Number(from);
  const end = to === undefined ? bytes - 1 : Math.min(Number(to), bytes - 1);
  return start > end || start >= bytes ? null : { start, end };
}
