/** TLS to a syslog server (RFC 5425), and what goes wrong with it in words. */
import { isIP } from 'node:net';
import tls from 'node:tls';

export const CONNECT_LIMIT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** RFC 5425, 4.2 wants TLS 1.2 at least. */
const LEAST_VERSION = 'TLSv1.2';

export interface SyslogServer {
  host: string;
  port: number;
  caPem: string | null;
  clientCertificatePem: string | null;
  clientKeyPem: string | undefined;
}

/** Connects and checks the server's certificate against `host`. Rejects with what went wrong within CONNECT_LIMIT_MS. */
export function connectSyslog(server: SyslogServer, signal: AbortSignal): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      host: server.host,
      port: server.port,
      ...(isIP(server.host) === 0 && { servername: server.host }),
      ...(server.caPem !== null && { ca: server.caPem }),
      ...(server.clientCertificatePem !== null && { cert: server.clientCertificatePem, key: server.clientKeyPem }),
      minVersion: LEAST_VERSION,
    });
    const fail = (error: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(new Error(`no connection within ${CONNECT_LIMIT_MS / 1000} s`)), CONNECT_LIMIT_MS);
    signal.addEventListener('abort', () => fail(new Error('stopped')), { once: true });
    socket.once('error', fail);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      // Whoever uses it hears of the end by 'close'.
      socket.on('error', () => undefined);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      resolve(socket);
    });
  });
}

const WORDS: Record<string, string> = {
  ECONNREFUSED: 'The server refuses connections at this port.',
  ENOTFOUND: 'There is no address for this name.',
  EAI_AGAIN: 'The name servers do not answer.',
  EHOSTUNREACH: 'There is no way to this server.',
  ENETUNREACH: 'There is no way to this server.',
  ETIMEDOUT: 'The server does not answer.',
  ECONNRESET: 'The server ended the connection: it may want a client certificate, or not speak TLS.',
  EPROTO: 'The server does not speak TLS at this port.',
  ERR_SSL_WRONG_VERSION_NUMBER: 'The server does not speak TLS at this port.',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'The server does not speak TLS at this port.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "The server's certificate is from an authority that is not trusted here: give the CA.",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "The server's certificate is from an authority that is not trusted here: give the CA.",
  SELF_SIGNED_CERT_IN_CHAIN: "The server's certificate is from an authority that is not trusted here: give the CA.",
  DEPTH_ZERO_SELF_SIGNED_CERT: "The server's certificate is signed by itself: give it as the CA.",
  CERT_HAS_EXPIRED: "The server's certificate has expired.",
  CERT_NOT_YET_VALID: "The server's certificate is not valid yet; or the clock here is wrong.",
  ERR_TLS_CERT_ALTNAME_INVALID: "The server's certificate is for another name.",
};

/** A sentence for a person, with the program's own words. */
export function inWords(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  const words = code === undefined ? undefined : WORDS[code];
  if (/alert (certificate required|handshake failure|bad certificate|unknown ca)/i.test(message ?? ''))
    return `The server refuses our client certificate, or wants one (${message}).`;
  return words === undefined ? `The connection failed: ${message ?? String(error)}.` : `${words} (${code})`;
}
