/** The new box's questions to the old one, over TLS to the key that the transfer code names, whatever certificate stands around it. */
import { createHash, type X509Certificate } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';
import {
  oldBoxAnswer,
  TRANSFER_HEADER,
  type OldBoxAnswer,
  type OldBoxQuestion,
  type TransferCodeContent,
} from '@bascule/protocol/api/move.ts';
import { oldIsAnother, oldRefusedCode, oldSaidNo, oldUnreachable } from './move-errors.ts';

const CONNECT_LIMIT_MS = 5000;
/** The old box may be asking its site. */
const ANSWER_LIMIT_MS = 40_000;
const ANSWER_MAX_BYTES = 6 * 1024 * 1024;

type Endpoint = TransferCodeContent['endpoints'][number];

export class OldBoxClient {
  readonly #code: TransferCodeContent;
  #good: Endpoint | undefined;

  constructor(code: TransferCodeContent) {
    this.#code = code;
  }

  /** The address at which it answered last. */
  get endpoint(): Endpoint {
    return this.#good ?? this.#code.endpoints[0]!;
  }

  /** Asks at the address that answered last, then at the others. Throws what move-errors.ts has. */
  async ask<K extends OldBoxQuestion['kind']>(question: Extract<OldBoxQuestion, { kind: K }>): Promise<OldBoxAnswer> {
    const others = this.#code.endpoints.filter((one) => one !== this.#good);
    let last: unknown;
    for (const endpoint of this.#good === undefined ? others : [this.#good, ...others]) {
      let socket: TLSSocket;
      try {
        socket = await this.#connect(endpoint);
      } catch (error) {
        // Somebody else at an address of the code (a private one that exists here, too) does not end the search.
        if (!(last instanceof AppError)) last = error;
        continue;
      }
      this.#good = endpoint;
      return await this.#exchange(socket, endpoint, question);
    }
    throw last instanceof AppError ? last : oldUnreachable(last instanceof Error ? last.message : String(last));
  }

  #connect({ host, port }: Endpoint): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      // The name in the certificate says nothing here; the pinned key does.
      const socket = connect({
        host,
        port,
        ...(isIP(this.#code.name) === 0 && { servername: this.#code.name }),
        ALPNProtocols: ['http/1.1'],
        minVersion: 'TLSv1.3',
        rejectUnauthorized: false,
        timeout: CONNECT_LIMIT_MS,
      });
      const fail = (error: Error): void => {
        socket.destroy();
        reject(error);
      };
      socket.once('error', fail);
      socket.once('timeout', () => fail(new Error(`no answer within ${CONNECT_LIMIT_MS / 1000} s`)));
      socket.once('secureConnect', () => {
        socket.off('error', fail);
        socket.on('error', () => socket.destroy());
        socket.setTimeout(0);
        if (pinOf(socket.getPeerX509Certificate()) !== this.#code.pin) return fail(oldIsAnother());
        resolve(socket);
      });
    });
  }

  #exchange(socket: TLSSocket, { host, port }: Endpoint, question: OldBoxQuestion): Promise<OldBoxAnswer> {
    return new Promise((resolve, reject) => {
      const body = JSON.stringify(question);
      const name = host.includes(':') ? `[${host}]` : host;
      const sent = httpsRequest({
        createConnection: () => socket,
        method: 'POST',
        path: '/appliance/api/move/old',
        headers: {
          host: `${name}:${port}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          [TRANSFER_HEADER]: this.#code.secret,
          connection: 'close',
        },
        signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      });
      sent.once('error', (error) => reject(oldUnreachable(error.message)));
      sent.once('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_MAX_BYTES) response.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.once('error', (error) => reject(oldUnreachable(error.message)));
        response.once('end', () => {
          try {
            resolve(read(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
          } catch (error) {
            reject(error instanceof AppError ? error : oldUnreachable('its answer cannot be read'));
          }
        });
      });
      sent.end(body);
    });
  }
}

function read(status: number, text: string): OldBoxAnswer {
  if (status === 404) throw oldRefusedCode();
  const value: unknown = JSON.parse(text);
  if (status === 200) return oldBoxAnswer.parse(value);
  const { error } = value as { error?: { code?: unknown; message?: unknown } };
  throw oldSaidNo(
    typeof error?.code === 'string' ? error.code : 'MOVE_OLD_FAILED',
    typeof error?.message === 'string' ? error.message.slice(0, 500) : `it answered with status ${status}`,
  );
}

function pinOf(certificate: X509Certificate | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  return createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}
