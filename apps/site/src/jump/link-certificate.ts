import type { TLSSocket } from 'node:tls';
import { idPattern } from '@bascule/core/ids.ts';
import type { LinkCertificate } from './link.ts';

/** What is kept, and written to the audit, of a certificate's subject. */
const SUBJECT_MAX_LENGTH = 200;
const CLIENT_ID = idPattern('jumpClient');

/** Read once for each link: making the certificate's object takes Node a tenth of a millisecond. */
export function readCertificate(socket: TLSSocket): LinkCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const { issuer, validToDate } = certificate;
  return { subject: certificate.subject.slice(0, SUBJECT_MAX_LENGTH), issuer, endMs: validToDate.getTime() };
}

/** The client that a certificate of ours names; undefined when it names none. */
export function clientIdOf(certificate: LinkCertificate | undefined): string | undefined {
  const clientId = certificate && /^CN=(\S+)$/m.exec(certificate.subject)?.[1];
  return clientId !== undefined && CLIENT_ID.test(clientId) ? clientId : undefined;
}
