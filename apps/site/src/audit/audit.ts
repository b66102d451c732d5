import { Readable } from 'node:stream';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import { auditFilter, auditPage } from '@bascule/protocol/api/site.ts';
import { defineAuditEvent, exportAudit, readAudit, type ExportedIdentity } from '@bascule/store/audit.ts';
import type { Store } from '@bascule/store/store.ts';

/** How often the heads of the chains are signed with the site identity. */
export const SIGN_INTERVAL_MS = 60 * 60_000;

const exported = defineAuditEvent<Record<string, never>>('AUDIT_EXPORTED', 'Took an export of the audit');

/** The audit's page and its export (JSON lines for `npm run verify`); `identity` is the site's, with which heads are signed, and those before it. */
export function auditRoutes(
  store: Store,
  identity: { readonly certificatePem: string; readonly former: readonly ExportedIdentity[] },
): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/audit',
      action: 'audit.read',
      query: auditFilter,
      answer: auditPage,
      handle({ query }) {
        const rows = readAudit(store, query);
        return {
          events: rows.map(({ actorName, details, ...row }) => ({
            ...row,
            actor: actorName,
            details: JSON.parse(details) as Record<string, unknown>,
          })),
          more: rows.length === query.limit,
        };
      },
    }),
    route({
      method: 'GET',
      url: '/reports/audit/export',
      action: 'audit.read',
      handle({ context, reply }) {
        store.transact(context, exported({}), () => undefined);
        reply.headers({ 'content-type': 'application/jsonl', 'content-disposition': 'attachment; filename="audit.jsonl"' });
        return Readable.from(exportAudit(store, identity.certificatePem, identity.former), { objectMode: false });
      },
    }),
  ];
}

/** Signs the heads now and every hour, so that a history cannot be rewritten behind a signature. Returns what ends it. */
export function signHeadsHourly(store: Store, sign: (bytes: Uint8Array) => Uint8Array, log: Log): () => void {
  const signNow = (): void => {
    try {
      store.signHead(sign);
    } catch (error) {
      log.error({ err: error }, 'audit.head-not-signed');
    }
  };
  signNow();
  const timer = setInterval(signNow, SIGN_INTERVAL_MS).unref();
  return () => clearInterval(timer);
}
