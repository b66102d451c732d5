/** Certificates as a person could put them before the appliance's web pages: key and certificate in one PEM file, with a new key each time. */
import 'reflect-metadata';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const DAY_MS = 24 * 60 * 60_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Signed by itself, or by an authority that nobody knows; valid for a year, or ended. */
export async function makeWebCertificate(options: {
  names: string[];
  byAuthority?: boolean;
  endedDaysAgo?: number;
}): Promise<string> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const authority = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const nowMs = Date.now();
  const endMs = options.endedDaysAgo === undefined ? nowMs + 365 * DAY_MS : nowMs - options.endedDaysAgo * DAY_MS;
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${options.names[0]}`,
    issuer: options.byAuthority === true ? 'CN=Some authority' : `CN=${options.names[0]}`,
    notBefore: new Date(endMs - 366 * DAY_MS),
    notAfter: new Date(endMs),
    publicKey: keys.publicKey,
    signingKey: options.byAuthority === true ? authority.privateKey : keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension(
        options.names.map((name) => ({ type: isIP(name) === 0 ? ('dns' as const) : ('ip' as const), value: name })),
      ),
    ],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return `${key}\n${certificate.toString('pem')}\n`;
}
