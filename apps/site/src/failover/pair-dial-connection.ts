import { connect as connectTls, type TLSSocket } from 'node:tls';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import { PAIR_ALPN } from '@bascule/protocol/pair-link.ts';
import type { PairKey } from './pair-key.ts';

/** In the ClientHello, and in `Host`: the address that was dialled is nobody's business, and the key alone says who answers. */
export const PAIR_SERVER_NAME = 'pair.bascule.internal';
/** TCP and TLS together. */
const CONNECT_LIMIT_MS = 5_000;

/**
 * A TLS 1.3 connection to whatever speaks `bascule-pair/1` at `endpoint`, with this appliance's pair key shown. Who it is has not been compared with anything yet
 * (`provenKeySha256`). Throws `PAIR_UNREACHABLE` with the reason in `params.why`.
 */
export function connectPair(options: { key: PairKey; endpoint: Endpoint; timeoutMs?: number }): Promise<TLSSocket> {
  const { key, endpoint, timeoutMs = CONNECT_LIMIT_MS } = options;
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: endpoint.host,
      port: endpoint.port,
      servername: PAIR_SERVER_NAME,
      key: key.keyPem,
      cert: key.certificatePem,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [PAIR_ALPN],
      // Self-signed on purpose: whoever calls this compares the key.
      rejectUnauthorized: false,
    });
    const limit = setTimeout(() => socket.destroy(new Error('ETIMEDOUT')), timeoutMs);
    socket.setNoDelay(true);
    const failed = (error: Error) => {
      clearTimeout(limit);
      socket.destroy();
      reject(unreachable(endpoint, error));
    };
    socket.once('error', failed);
    const closed = () => failed(new Error('ECONNRESET'));
    socket.once('close', closed);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol !== PAIR_ALPN) return failed(new Error('NO_PAIR_PROTOCOL'));
      clearTimeout(limit);
      socket.off('error', failed);
      socket.off('close', closed);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

const REASONS: readonly (readonly [pattern: RegExp, why: string, text: string])[] = [
  [/ENOTFOUND|EAI_AGAIN|EAI_NODATA/, 'name', 'the name is not known here'],
  [/ECONNREFUSED/, 'refused', 'nothing listens on that port'],
  [/ETIMEDOUT|TimeoutError|aborted due to timeout/, 'timeout', 'no answer came in time'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, 'route', 'there is no way to that address'],
  [
    /NO_PAIR_PROTOCOL|EPROTO|ERR_SSL|wrong version number|no application protocol/i,
    'other-program',
    'what answers is not an appliance that knows this protocol',
  ],
  [/ECONNRESET|socket hang up|EPIPE|closed/, 'closed', 'the connection was closed by the other side'],
];

/** One of a few reasons, without what the system or the other side wrote. */
function reasonOf(error: unknown): readonly [why: string, text: string] {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // A limit of time that was reached is the cause of an abort.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.name : '';
  const said = `${code} ${error instanceof Error ? `${error.name} ${error.message}` : ''} ${cause}`;
  const found = REASONS.find(([pattern]) => pattern.test(said));
  return found === undefined ? ['failed', 'the connection failed'] : [found[1], found[2]];
}

/** The reason in a few words. */
export function sayWhy(error: unknown): string {
  return reasonOf(error)[1];
}

function unreachable(endpoint: Endpoint, error: Error): AppError {
  const [why, text] = reasonOf(error);
  return new AppError('unavailable', 'PAIR_UNREACHABLE', `${endpoint.host}, port ${endpoint.port}, cannot be reached: ${text}.`, {
    params: { host: endpoint.host, port: endpoint.port, why },
    cause: error,
  });
}
