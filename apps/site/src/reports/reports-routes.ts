import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Principal } from '@bascule/http/principal.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import { accessSessionDetail, accessSessionFilter, accessSessionReport } from '@bascule/protocol/api/access-sessions.ts';
import { id } from '@bascule/protocol/text.ts';
import type { Policy } from '../policy/policy.ts';
import type { Reports } from './reports.ts';

export interface ReportRoutesOptions {
  reports: Reports;
  policy: Policy;
  /** tools/verify/verify.mjs of the running version. */
  verifyTool: string;
}

const sessionParams = z.object({ id: id('accessSession') });

/** protocol/api/access-sessions.ts: reports, details, recordings. Users see their own sessions, administrators all. */
export function reportRoutes({ reports, policy, verifyTool }: ReportRoutesOptions): AnyRoute[] {
  /** Undefined: of everybody. */
  const ownerSeenBy = (principal: Principal) =>
    policy.authorize(principal, 'reports.read-all') === undefined ? principal.id : undefined;

  return [
    route({
      method: 'GET',
      url: '/reports/access-sessions',
      action: 'reports.read',
      query: accessSessionFilter,
      answer: accessSessionReport,
      handle: ({ principal, query }) => reports.page({ ...query, ownerId: ownerSeenBy(principal) }),
    }),
    route({
      method: 'GET',
      url: '/reports/access-sessions/:id',
      action: 'reports.read',
      params: sessionParams,
      answer: accessSessionDetail,
      handle: ({ principal, params }) => reports.detail(params.id, ownerSeenBy(principal), principal.id),
    }),
    route({
      method: 'GET',
      url: '/reports/access-sessions/:id/recording',
      action: 'reports.read',
      params: sessionParams,
      async handle({ principal, params, context, reply }) {
        const { file, sizeBytes, name } = await reports.download(context, params.id, ownerSeenBy(principal), 'recording');
        reply.header('content-type', 'application/octet-stream').header('content-disposition', `attachment; filename="${name}"`);
        // A running recording grows meanwhile: what was there at the start is served, and its length is known.
        reply.header('content-length', sizeBytes);
        return sizeBytes === 0 ? reply.send('') : createReadStream(file, { start: 0, end: sizeBytes - 1 });
      },
    }),
    route({
      method: 'GET',
      url: '/reports/access-sessions/:id/asciicast',
      action: 'reports.read',
      params: sessionParams,
      async handle({ principal, params, context, reply }) {
        const { file, name } = await reports.download(context, params.id, ownerSeenBy(principal), 'asciicast');
        reply.header('content-type', 'application/x-asciicast').header('content-disposition', `attachment; filename="${name}"`);
        return Readable.from(await opened(reports.castLines(file, principal.id)));
      },
    }),
    route({
      method: 'GET',
      url: '/reports/verify.mjs',
      action: 'reports.read',
      handle({ reply }) {
        reply
          .header('content-type', 'text/javascript; charset=utf-8')
          .header('content-disposition', 'attachment; filename="verify.mjs"');
        return createReadStream(verifyTool);
      },
    }),
  ];
}

/** Reads the first line before anything is answered, so that what fails at the start is an error answer and not a torn file. */
async function opened(lines: AsyncGenerator<string>): Promise<AsyncGenerator<string>> {
  const first = await lines.next();
  return (async function* () {
    if (first.done) return;
    try {
      yield first.value;
      yield* lines;
    } finally {
      await lines.return(undefined);
    }
  })();
}
