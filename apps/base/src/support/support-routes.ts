import { route, type AnyRoute } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/support.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { bundleContents, bundleStream, type BundleSources } from './bundle.ts';
import { Utilities } from './utilities.ts';

const bundleTaken = defineAuditEvent('SUPPORT_BUNDLE_TAKEN', 'Took a support bundle');

/** Support > Utilities and Support > Bundle. */
export function supportRoutes({ bundle, applianceName }: { bundle: BundleSources; applianceName: string }): AnyRoute[] {
  const utilities = new Utilities(bundle.store);
  return [
    route({
      method: 'POST',
      url: '/support/utilities',
      action: 'box.support.use',
      rate: 'ordinary',
      body: api.utility,
      answer: api.utilityAnswer,
      changesHereAlone: true,
      handle({ body, context, reply }) {
        const gone = new AbortController();
        reply.raw.once('close', () => gone.abort());
        return utilities.run(context, body, gone.signal);
      },
    }),
    route({
      method: 'GET',
      url: '/support/bundle/contents',
      action: 'box.support.use',
      answer: api.bundleContents,
      handle: () => bundleContents(bundle),
    }),
    route({
      method: 'GET',
      url: '/support/bundle',
      action: 'box.support.use',
      async handle({ context, reply }) {
        bundle.store.transact(context, bundleTaken({}), () => undefined);
        const at = new Date((bundle.now ?? Date.now)()).toISOString().slice(0, 16).replace(':', '');
        const folder = `bascule-support-${applianceName.replace(/[^A-Za-z0-9.]+/g, '-').slice(0, 60)}-${at}Z`;
        reply
          .header('content-type', 'application/zstd')
          .header('content-disposition', `attachment; filename="${folder}.tar.zst"`);
        return await bundleStream(bundle, folder);
      },
    }),
  ];
}
