import { z } from 'zod';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import * as api from '@bascule/protocol/api/certificates.ts';
import type { Certificates } from './certificates-of-box.ts';

const READ = 'box.certificates.read';
const CHANGE = 'box.certificates.change';
const params = z.strictObject({ id: api.certificateId });
/** The files in base64, and what is around them. */
const IMPORT_BODY_MAX_BYTES = Math.ceil((api.IMPORT_MAX_BYTES * 4) / 3) + 16 * 1024;

/** Security > Certificates, below /appliance/api/certificates. */
export function certificateRoutes(certificates: Certificates): AnyRoute[] {
  return [...listRoutes(certificates), ...importRoutes(certificates), ...useRoutes(certificates)];
}

function listRoutes(certificates: Certificates): AnyRoute[] {
  return [
    route({
      method: 'GET',
      url: '/certificates',
      action: READ,
      answer: api.certificatesState,
      handle: () => certificates.state(),
    }),
    route({
      method: 'GET',
      url: '/certificates/pair',
      action: READ,
      answer: api.pairComparison,
      handle: () => certificates.compare(),
    }),
    route({
      method: 'GET',
      url: '/certificates/:id/request',
      action: READ,
      params,
      handle: ({ params: { id }, reply }) =>
        reply
          .type('application/pkcs10')
          .header('content-disposition', 'attachment; filename="request.csr"')
          .send(certificates.requestPem(id)),
    }),
    route({
      method: 'POST',
      url: '/certificates/:id/export',
      action: CHANGE,
      params,
      body: api.certificateExport,
      answer: api.exportedFile,
      handle: ({ context, params: { id }, body }) => certificates.export(context, id, body),
    }),
    route({
      method: 'POST',
      url: '/certificates/:id/remove',
      action: CHANGE,
      params,
      answer: api.certificatesState,
      handle({ context, params: { id } }) {
        certificates.remove(context, id);
        return certificates.state();
      },
    }),
  ];
}

function importRoutes(certificates: Certificates): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/certificates/inspect',
      action: CHANGE,
      body: api.importFiles,
      bodyLimitBytes: IMPORT_BODY_MAX_BYTES,
      answer: api.importPreview,
      handle: ({ body }) => certificates.inspect(body),
    }),
    route({
      method: 'POST',
      url: '/certificates/import',
      action: CHANGE,
      body: api.importFiles,
      bodyLimitBytes: IMPORT_BODY_MAX_BYTES,
      answer: api.certificatesState,
      handle: ({ context, body }) => certificates.import(context, body),
    }),
    route({
      method: 'POST',
      url: '/certificates/requests',
      action: CHANGE,
      body: api.certificateRequest,
      answer: api.requestMade,
      handle: ({ context, body }) => certificates.request(context, body),
    }),
  ];
}

function useRoutes(certificates: Certificates): AnyRoute[] {
  return [
    route({
      method: 'POST',
      url: '/certificates/use/preview',
      action: READ,
      body: api.certificateUse,
      answer: api.usePreview,
      handle: ({ body }) => certificates.previewUse(body),
    }),
    route({
      method: 'PUT',
      url: '/certificates/use',
      action: CHANGE,
      body: api.certificateUse,
      answer: api.certificatesState,
      handle({ context, body }) {
        certificates.changeUse(context, body);
        return certificates.state();
      },
    }),
    route({
      method: 'PUT',
      url: '/certificates/acme',
      action: CHANGE,
      body: api.acmeChange,
      answer: api.certificatesState,
      handle({ context, body }) {
        certificates.changeAcme(context, body);
        return certificates.state();
      },
    }),
    route({
      method: 'POST',
      url: '/certificates/acme/order',
      action: CHANGE,
      answer: api.certificatesState,
      handle({ context }) {
        certificates.acme.orderNow(context);
        return certificates.state();
      },
    }),
  ];
}
