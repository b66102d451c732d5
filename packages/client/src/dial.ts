import { X509Certificate } from 'node:crypto';
import { request } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from 'node:tls';
import { ENROL_SERVER_NAME, LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import { isOnlyDates } from './site-authority.ts';

export interface ProxyOptions {
  host: string;
  port: number;
  /** Value of `Proxy-Authorization`, or undefined. */
  authorization: string | undefined;
}

/** From the first packet to the end of the TLS handshake. */
export const DIAL_LIMIT_MS = 20_000;

/** Once the system has asked the other end in vain, it asks again this often, and then gives the connection up. */
const KEEP_ALIVE_EVERY_MS = 1000;
const KEEP_ALIVE_TRIES = 5;
/** Certificates looked at in the chain that the appliance shows, at most. */
const CHAIN_LIMIT = 16;

export interface DialTarget {
  host: string;
  port: number;
  proxy: ProxyOptions | undefined;
  /** The own address to dial from; the system's choice if absent. */
  localAddress?: string | undefined;
}

export interface DialTls {
  alpn: string;
  /** PEM of the site identity. Absent: nothing is trusted and nothing may be sent (only for reading the chain at enrolment). */
  authority?: string;
  /** Whether a certificate of that identity is taken although it has ended by this machine's clock (settings; docs/decisions/0161). One that has not begun always is. */
  toleratesDates?: boolean;
  key?: string;
  certificate?: string;
  /** A TLS session to resume. */
  session?: Buffer;
  onSession?(session: Buffer): void;
  /** At most so long, when less than DIAL_LIMIT_MS: there are other addresses. */
  limitMs?: number | undefined;
  /** The other end may go without a word, and another machine answer in its place: the system asks it after so long a silence. */
  aliveEveryMs?: number | undefined;
  /** No connection came about: a session that is not known any more must not keep us away. */
  onFailed?(): void;
}

/** Opens a TLS 1.3 connection to the appliance, through the proxy if there is one. Rejects with an Error whose message is a sentence. */
export async function dial(target: DialTarget, tls: DialTls, signal?: AbortSignal): Promise<TLSSocket> {
  const limit = AbortSignal.any([AbortSignal.timeout(tls.limitMs ?? DIAL_LIMIT_MS), ...(signal === undefined ? [] : [signal])]);
  try {
    const socket =
      target.proxy === undefined ? await dialDirectly(target, limit) : await dialThroughProxy(target, target.proxy, limit);
    if (tls.aliveEveryMs !== undefined) socket.setKeepAlive(true, tls.aliveEveryMs, KEEP_ALIVE_EVERY_MS, KEEP_ALIVE_TRIES);
    return await startTls(socket, tls, limit);
  } catch (error) {
    tls.onFailed?.();
    throw error;
  }
}

function aborted(limit: AbortSignal, what: string): Error {
  return limit.reason instanceof Error && limit.reason.name === 'TimeoutError'
    ? new Error(`${what} did not answer in time.`)
    : new Error('stopped');
}

function dialDirectly(target: DialTarget, limit: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: target.host, port: target.port, noDelay: true, localAddress: target.localAddress });
    const onAbort = () => socket.destroy(aborted(limit, 'The appliance'));
    limit.addEventListener('abort', onAbort, { once: true });
    socket.once('connect', () => {
      limit.removeEventListener('abort', onAbort);
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

function dialThroughProxy(target: DialTarget, proxy: ProxyOptions, limit: AbortSignal): Promise<Socket> {
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  return new Promise((resolve, reject) => {
    const path = `${host}:${target.port}`;
    const headers = { host: path, ...(proxy.authorization === undefined ? {} : { 'proxy-authorization': proxy.authorization }) };
    const connecting = request({
      host: proxy.host,
      port: proxy.port,
      method: 'CONNECT',
      path,
      headers,
      signal: limit,
      agent: false,
    });
    connecting.once('connect', (response, socket: Socket, head: Buffer) => {
      if (response.statusCode !== 200) {
        socket.destroy();
        reject(new Error(`The proxy refused the connection: ${response.statusCode} ${response.statusMessage}.`));
        return;
      }
      if (head.length > 0) socket.unshift(head);
      socket.setNoDelay(true);
      resolve(socket);
    });
    connecting.once('response', (response) => {
      response.resume();
      reject(new Error(`The proxy does not do CONNECT: ${response.statusCode}.`));
    });
    connecting.once('error', reject);
    connecting.end();
  });
}

function startTls(socket: Socket, tls: DialTls, limit: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const secure = connectTls({
      socket,
      servername: tls.authority === undefined ? ENROL_SERVER_NAME : LINK_SERVER_NAME,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [tls.alpn],
      // Looked at below: what TLS finds is final, but for dates.
      rejectUnauthorized: false,
      ...(tls.authority === undefined ? {} : { ca: tls.authority }),
      ...(tls.key === undefined ? {} : { key: tls.key, cert: tls.certificate }),
      ...(tls.session === undefined ? {} : { session: tls.session }),
    });
    // The ticket comes right after the handshake: listening later misses it.
    if (tls.onSession !== undefined) secure.on('session', tls.onSession);
    const onAbort = () => secure.destroy(aborted(limit, 'The appliance'));
    limit.addEventListener('abort', onAbort, { once: true });
    const onClose = () => reject(new Error('The appliance closed the connection.'));
    secure.once('close', onClose);
    secure.once('error', reject);
    socket.once('error', reject);
    secure.once('secureConnect', () => {
      limit.removeEventListener('abort', onAbort);
      secure.removeListener('error', reject);
      secure.removeListener('close', onClose);
      const fault = tls.authority === undefined ? undefined : faultOf(secure, tls.authority, tls.toleratesDates === true);
      if (fault !== undefined) {
        secure.destroy();
        reject(fault);
        return;
      }
      if (secure.alpnProtocol !== tls.alpn) {
        secure.destroy();
        reject(
          new Error(
            'What answers there is not a Bascule appliance, or something on the way opens TLS: only a CONNECT or TCP proxy may stand between.',
          ),
        );
        return;
      }
      resolve(secure);
    });
  });
}

/** Why the appliance that answers is not trusted; undefined when it is. */
function faultOf(secure: TLSSocket, authority: string, toleratesDates: boolean): Error | undefined {
  if (secure.authorized) return undefined;
  // In fact a string, or an Error with a code (of the name).
  const found = secure.authorizationError as Error | string | null;
  const code = found instanceof Error ? ((found as NodeJS.ErrnoException).code ?? found.message) : String(found);
  const check = { authority, serverName: LINK_SERVER_NAME, toleratesEnded: toleratesDates, nowMs: Date.now() };
  if (isOnlyDates(code, chainOf(secure), check)) return undefined;
  const isDates = isOnlyDates(code, chainOf(secure), { ...check, toleratesEnded: true });
  return new Error(
    isDates
      ? `The appliance's link certificate has ended by this machine's clock, which says ${new Date().toISOString().slice(0, 16)}Z: set the clock, or let clients tolerate dates in the settings.`
      : `The appliance that answers is not the one this client belongs to (${code}).`,
  );
}

/** What was shown, the leaf first. */
export function chainOf(secure: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let certificate: DetailedPeerCertificate | undefined = secure.getPeerCertificate(true);
  while (chain.length < CHAIN_LIMIT && certificate?.raw !== undefined) {
    chain.push(new X509Certificate(certificate.raw));
    certificate = certificate.issuerCertificate === certificate ? undefined : certificate.issuerCertificate;
  }
  return chain;
}
