import { connect as connectTcp } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PAIR_DATA_ALPN } from '@bascule/protocol/pair-link.ts';
import { isPinnedKey, provenKeySha256 } from '@bascule/wire/pinned-key.ts';

/** From the first packet to the end of the handshake. */
export const PAIR_DIAL_LIMIT_MS = 10_000;

/** The pair key of this appliance with its certificate (PEM), and the SHA-256 of the peer's key: nobody else is let in or believed. */
export interface PairTls {
  key: string;
  certificate: string;
  peerKeySha256: string;
}

/** What both sides of the data link agree on; the other's certificate is compared after the handshake, by its key alone. */
export function pairTlsOptions({ key, certificate }: PairTls) {
  return { key, cert: certificate, minVersion: 'TLSv1.3', ALPNProtocols: [PAIR_DATA_ALPN], rejectUnauthorized: false } as const;
}

/** Whether the other side has proved to hold the pinned key. */
export function isPeer(socket: TLSSocket, peerKeySha256: string): boolean {
  return socket.alpnProtocol === PAIR_DATA_ALPN && isPinnedKey(provenKeySha256(socket), peerKeySha256);
}

/** Dials the other relay. Rejects with an Error whose message is a sentence. */
export async function dialPeer(peer: { host: string; port: number }, tls: PairTls, signal: AbortSignal): Promise<TLSSocket> {
  const limit = AbortSignal.any([AbortSignal.timeout(PAIR_DIAL_LIMIT_MS), signal]);
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connectTcp({ host: peer.host, port: peer.port, noDelay: true });
  const secure = connectTls({ ...pairTlsOptions(tls), socket, checkServerIdentity: () => undefined });
  const onAbort = () => secure.destroy(new Error(signal.aborted ? 'stopped' : 'The other appliance did not answer in time.'));
  limit.addEventListener('abort', onAbort, { once: true });
  socket.once('error', reject);
  secure.once('error', reject);
  secure.once('close', () => reject(new Error('The other appliance closed the connection.')));
  secure.once('secureConnect', () => resolve(secure));
  try {
    await promise;
    if (!isPeer(secure, tls.peerKeySha256)) throw new Error('What answers there is not the appliance of this relationship.');
    // Errors from here on come to whoever uses it.
    secure.on('error', () => {});
    return secure;
  } catch (error) {
    secure.destroy();
    socket.destroy();
    throw error;
  } finally {
    limit.removeEventListener('abort', onAbort);
  }
}
