/** Whether the backup would serve the shared name as people's browsers want it, looked at by asking its own front door (B133). */
import { X509Certificate, createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, getCACertificates, type TLSSocket } from 'node:tls';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import { sayWhy } from '../pair-dial-connection.ts';

const LOOK_LIMIT_MS = 5_000;

export interface NameLook {
  isFine: boolean;
  /** What was found, a sentence for a person. */
  text: string;
}

/** Dials `endpoint` as a browser would that asks for `sharedName`. `ownKeyPin`: SHA-256 of the key that this appliance serves it with, base64. Never throws. */
export async function lookAtName(endpoint: Endpoint, sharedName: string, ownKeyPin: string): Promise<NameLook> {
  let socket: TLSSocket;
  try {
    socket = await dial(endpoint, sharedName);
  } catch (error) {
    return {
      isFine: false,
      text: `The backup's web address does not answer at ${endpoint.host}, port ${endpoint.port}: ${sayWhy(error)}.`,
    };
  }
  try {
    const peer = socket.getPeerCertificate();
    const fault = checkServerIdentity(sharedName, peer);
    if (fault !== undefined)
      return {
        isFine: false,
        text: `The backup's certificate is not good for ${sharedName}: hand over the certificate too, or give the backup one.`,
      };
    const spki = new X509Certificate(peer.raw).publicKey.export({ type: 'spki', format: 'der' });
    const hasOwnKey = createHash('sha256').update(spki).digest('base64') === ownKeyPin;
    if (hasOwnKey) return { isFine: true, text: `The backup serves ${sharedName} with the same key as this appliance.` };
    if (socket.authorized)
      return { isFine: true, text: `The backup serves ${sharedName} with a certificate that the roots of this machine trust.` };
    return {
      isFine: false,
      text: `The backup serves ${sharedName} with another certificate, which the roots of this machine do not trust: browsers that trust the one of now would warn.`,
    };
  } finally {
    socket.destroy();
  }
}

function dial({ host, port }: Endpoint, sharedName: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      // SNI names no addresses (RFC 6066, 3).
      ...(isIP(sharedName) === 0 && { servername: sharedName }),
      ALPNProtocols: ['http/1.1'],
      minVersion: 'TLSv1.2',
      // What it shows is looked at, whoever signed it; an organisation's own roots are those of the machine.
      ca: [...getCACertificates('default'), ...getCACertificates('system')],
      rejectUnauthorized: false,
    });
    const fail = (error: Error) => {
      clearTimeout(limit);
      socket.destroy();
      reject(error);
    };
    const limit = setTimeout(() => fail(new Error('ETIMEDOUT')), LOOK_LIMIT_MS);
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('ECONNRESET')));
    socket.once('secureConnect', () => {
      clearTimeout(limit);
      resolve(socket);
    });
  });
}
