import { connect as connectTls, type TLSSocket } from 'node:tls';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import { WITNESS_ALPN } from '@bascule/protocol/witness-link.ts';
import { isPinnedKey, provenKeySha256 } from '@bascule/wire/pinned-key.ts';

/** In the ClientHello: the key alone says who answers. */
const WITNESS_SERVER_NAME = 'witness.bascule.internal';
/** TCP and TLS together. */
const CONNECT_LIMIT_MS = 2_000;

/** What it takes to reach a witness: where it is, which key it must prove, and this appliance's pair key. */
export interface WitnessAccess {
  endpoint: Endpoint;
  witnessKeySha256: string;
  keyPem: string;
  certificatePem: string;
}

/**
 * A TLS 1.3 connection to the witness, whose key was compared with the pinned one before anything was sent. Rejects with `WITNESS_UNREACHABLE` or `WITNESS_OTHER_KEY`.
 */
export function dialWitness({ endpoint, witnessKeySha256, keyPem, certificatePem }: WitnessAccess): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      host: endpoint.host,
      port: endpoint.port,
      servername: WITNESS_SERVER_NAME,
      key: keyPem,
      cert: certificatePem,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [WITNESS_ALPN],
      // Self-signed on purpose: the key is compared below.
      rejectUnauthorized: false,
    });
    socket.setNoDelay(true);
    const limit = setTimeout(() => failed(), CONNECT_LIMIT_MS);
    const failed = (error: AppError = unreachable(endpoint)) => {
      clearTimeout(limit);
      socket.destroy();
      reject(error);
    };
    socket.on('error', () => failed());
    socket.once('close', () => failed());
    socket.once('secureConnect', () => {
      const isPinned = isPinnedKey(provenKeySha256(socket), witnessKeySha256);
      if (socket.alpnProtocol !== WITNESS_ALPN || !isPinned) return failed(otherKey(endpoint));
      clearTimeout(limit);
      resolve(socket);
    });
  });
}

function unreachable({ host, port }: Endpoint): AppError {
  return new AppError('unavailable', 'WITNESS_UNREACHABLE', `The witness at ${host}, port ${port}, cannot be reached.`, {
    params: { host, port },
  });
}

function otherKey({ host, port }: Endpoint): AppError {
  return new AppError(
    'conflict',
    'WITNESS_OTHER_KEY',
    `What answers at ${host}, port ${port}, is not the witness that the code belongs to: compare address and code.`,
    { params: { host, port } },
  );
}
