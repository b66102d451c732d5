/** The authorities that browsers and operating systems know, as Node brings them (Mozilla's list). */
import { X509Certificate } from 'node:crypto';
import { getCACertificates } from 'node:tls';

/** By subject; read once, when somebody asks. */
let bySubject: Map<string, X509Certificate[]> | undefined;

function roots(): Map<string, X509Certificate[]> {
  if (bySubject !== undefined) return bySubject;
  bySubject = new Map();
  for (const pem of getCACertificates('bundled')) {
    const root = new X509Certificate(pem);
    bySubject.set(root.subject, [...(bySubject.get(root.subject) ?? []), root]);
  }
  return bySubject;
}

/** Whether `certificate` is one of them. */
export function isKnownRoot(certificate: X509Certificate): boolean {
  return (roots().get(certificate.subject) ?? []).some((root) => root.fingerprint256 === certificate.fingerprint256);
}

/** Whether one of them has signed `certificate`. */
export function leadsToKnownRoot(certificate: X509Certificate): boolean {
  return (roots().get(certificate.issuer) ?? []).some(
    (root) => certificate.checkIssued(root) && certificate.verify(root.publicKey),
  );
}
