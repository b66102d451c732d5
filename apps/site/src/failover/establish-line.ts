import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { ZodType } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Endpoint } from '@bascule/protocol/api/failover.ts';
import {
  ESTABLISH_CALL_MAX_BYTES,
  ESTABLISH_VERSIONS,
  establishAnswer,
  establishHelloAnswer,
  establishProof,
  establishSealed,
  type EstablishAnswer,
  type EstablishCall,
} from '@bascule/protocol/pair-establish.ts';
import { isPinnedKey, provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { EstablishSeal, exporterOf, isProof, proofOf, transcriptOf, type ConnectionView } from './establish-channel.ts';
import { connectPair, PAIR_SERVER_NAME } from './pair-dial-connection.ts';
import { ESTABLISH_PREFIX } from './pair-door.ts';
import type { PairKey } from './pair-key.ts';
import type { PreSharedKey } from './pre-shared-key.ts';

const NONCE_BYTES = 32;
const HELLO_LIMIT_MS = 5_000;
export const CALL_LIMIT_MS = 10_000;

export interface LineOptions {
  key: PairKey;
  preSharedKey: PreSharedKey;
  endpoint: Endpoint;
  /** SHA-256 of the key that must answer, when it is known already. */
  expected?: string | undefined;
}

/** The dialling end of `/establish/*`: one connection on which both ends have proved the pre-shared key, and everything is sealed. */
export class EstablishLine {
  /** SHA-256 of the pair key that the other end has proved. */
  readonly peerKey: string;
  readonly #seal: EstablishSeal;
  readonly #wire: LineWire;
  /** Calls are made one after the other: sealed messages are counted. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(peerKey: string, seal: EstablishSeal, wire: LineWire) {
    this.peerKey = peerKey;
    this.#seal = seal;
    this.#wire = wire;
  }

  /**
   * Dials and proves. Throws `PAIR_UNREACHABLE`, `FAILOVER_OWN_ADDRESS` (this very appliance answers), `PAIR_KEY_DIFFERS` (another one than `expected`), and
   * `FAILOVER_KEY_REFUSED`: the pre-shared keys differ, none is set there, or there were too many attempts; nobody is told which.
   */
  static async open(options: LineOptions): Promise<EstablishLine> {
    const { key, preSharedKey, endpoint, expected } = options;
    const socket = await connectPair({ key, endpoint });
    const wire = new LineWire(socket);
    try {
      const peerKey = provenKeySha256(socket);
      if (peerKey === undefined) throw unusable();
      if (isPinnedKey(peerKey, key.sha256)) throw ownAddress(endpoint);
      if (expected !== undefined && !isPinnedKey(peerKey, expected)) throw otherKey(endpoint);
      const diallerNonce = randomBytes(NONCE_BYTES);
      const hello = { versions: [...ESTABLISH_VERSIONS], nonce: diallerNonce.toString('base64') };
      const { version, nonce } = await wire.post('hello', hello, establishHelloAnswer, HELLO_LIMIT_MS);
      if (!ESTABLISH_VERSIONS.some((known) => known === version)) throw unusable();
      const view: ConnectionView = {
        version,
        diallerKey: key.sha256,
        answererKey: peerKey,
        diallerNonce,
        answererNonce: Buffer.from(nonce, 'base64'),
        exporter: exporterOf(socket),
      };
      const transcript = transcriptOf(view);
      const mine = proofOf(preSharedKey, 'dialler', transcript).toString('base64');
      const { proof } = await wire.post('prove', { proof: mine }, establishProof, HELLO_LIMIT_MS);
      if (!isProof(preSharedKey, 'answerer', transcript, proof)) throw refused();
      return new EstablishLine(peerKey, new EstablishSeal(preSharedKey, 'dialler', view), wire);
    } catch (error) {
      wire.close();
      throw error;
    }
  }

  /** One call, sealed both ways. Throws `PAIR_UNREACHABLE` when the connection breaks or `timeoutMs` is over, and `PAIR_ANSWER_INVALID`. */
  call(call: EstablishCall, { timeoutMs = CALL_LIMIT_MS }: { timeoutMs?: number } = {}): Promise<EstablishAnswer> {
    const next = this.#last.then(async () => {
      const { sealed } = await this.#wire.post('call', { sealed: this.#seal.seal(call) }, establishSealed, timeoutMs);
      try {
        return establishAnswer.parse(this.#seal.open(sealed));
      } catch {
        this.close();
        throw unusable();
      }
    });
    this.#last = next.catch(() => undefined);
    return next;
  }

  close(): void {
    this.#wire.close();
  }
}

/** HTTP on one TLS connection that is there already, and on no other. */
class LineWire {
  readonly #socket: TLSSocket;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    let given = false;
    this.#agent.createConnection = (_options, done) => {
      if (given || socket.destroyed) done?.(closed(), undefined as never);
      given = true;
      return socket;
    };
  }

  close(): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }

  post<T>(path: string, body: unknown, answer: ZodType<T>, timeoutMs: number): Promise<T> {
    const text = Buffer.from(JSON.stringify(body));
    const headers = { host: PAIR_SERVER_NAME, 'content-type': 'application/json', 'content-length': text.length };
    return new Promise<T>((resolve, reject) => {
      const limit = setTimeout(() => request.destroy(late()), timeoutMs);
      const failed = (error: unknown) => {
        clearTimeout(limit);
        reject(error instanceof AppError ? error : closed(error));
      };
      const request = httpRequest({ agent: this.#agent, method: 'POST', path: `${ESTABLISH_PREFIX}${path}`, headers });
      request.on('error', failed);
      request.once('response', (response) => {
        if (response.statusCode !== 200) {
          this.close();
          return failed(refused());
        }
        const pieces: Buffer[] = [];
        let bytes = 0;
        response.on('data', (piece: Buffer) => {
          pieces.push(piece);
          bytes += piece.length;
          if (bytes > ESTABLISH_CALL_MAX_BYTES) request.destroy(unusable());
        });
        response.once('error', failed);
        response.once('end', () => {
          clearTimeout(limit);
          try {
            resolve(answer.parse(JSON.parse(Buffer.concat(pieces).toString('utf8'))));
          } catch {
            this.close();
            reject(unusable());
          }
        });
      });
      request.end(text);
    });
  }
}

function refused(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_KEY_REFUSED',
    'The other appliance does not accept the pre-shared key: the keys differ, none is set there, or there were too many attempts. Compare the check values on Management > Security of both, and try again in a minute.',
  );
}

function ownAddress({ host, port }: Endpoint): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_OWN_ADDRESS',
    `${host}, port ${port}, leads to this very appliance: enter the address of the other one.`,
    { params: { host, port } },
  );
}

function otherKey({ host, port }: Endpoint): AppError {
  return new AppError('unavailable', 'PAIR_KEY_DIFFERS', `Another appliance than the peer answers at ${host}, port ${port}.`, {
    params: { host, port },
  });
}

function closed(cause?: unknown): AppError {
  return new AppError('unavailable', 'PAIR_UNREACHABLE', 'The other appliance closed the connection: try again.', {
    params: { why: 'closed' },
    cause,
  });
}

function late(): AppError {
  return new AppError('unavailable', 'PAIR_UNREACHABLE', 'The other appliance did not answer in time: try again.', {
    params: { why: 'timeout' },
  });
}

function unusable(): AppError {
  return new AppError('unavailable', 'PAIR_ANSWER_INVALID', 'What the other appliance answered cannot be used.');
}
