/** The witness' port: TLS 1.3 with ALPN `bascule-witness/1`, JSON lines, every key pinned (packages/protocol/src/witness-link.ts). */
import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { toWitness, WITNESS_ALPN, WITNESS_LINE_MAX_BYTES } from '@bascule/protocol/witness-link.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { keySha256Of, type WitnessKey } from './witness-key.ts';
import type { Witness } from './witness.ts';

export const CONNECTIONS_MAX = 512;
/** Two appliances may stand behind one address, each with an old and a new connection. */
export const CONNECTIONS_PER_ADDRESS_MAX = 16;
const HANDSHAKE_LIMIT_MS = 5_000;
/** Appliances say something twice a second. */
export const SILENCE_LIMIT_MS = 30_000;
/** Lines in one second that one connection may send. */
export const LINES_PER_SECOND_MAX = 40;
const UNSENT_MAX_BYTES = 64 * 1024;

export interface WitnessServerOptions {
  key: WitnessKey;
  witness: Witness;
  host: string;
  port: number;
  log: Log;
  /** Nothing may be answered any more: another process has the folder, or the disk takes nothing. */
  onUnfit(error: unknown): void;
}

export class WitnessServer {
  readonly #options: WitnessServerOptions;
  readonly #server: Server;
  readonly #byAddress = new Map<string, number>();
  /** The newest connection of each key: an older one is closed, so that nothing it still carries counts (docs/decisions/0180). */
  readonly #byKey = new Map<string, TLSSocket>();
  #connections = 0;

  private constructor(options: WitnessServerOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        key: options.key.keyPem,
        cert: options.key.certificatePem,
        minVersion: 'TLSv1.3',
        ALPNProtocols: [WITNESS_ALPN],
        requestCert: true,
        // Self-signed on purpose: keys are compared with those on record.
        rejectUnauthorized: false,
        handshakeTimeout: HANDSHAKE_LIMIT_MS,
        // Every connection proves its key.
        secureOptions: constants.SSL_OP_NO_TICKET,
      },
      (socket) => this.#accept(socket),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('connection', (socket: Socket) => this.#count(socket));
    this.#server.on('tlsClientError', (_error, socket) => socket.destroy());
  }

  static async start(options: WitnessServerOptions): Promise<WitnessServer> {
    const server = new WitnessServer(options);
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject);
      server.#server.listen({ host: options.host, port: options.port }, resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#byKey.values()) socket.destroy();
  }

  #count(socket: Socket): void {
    const address = addressKey(socket.remoteAddress ?? '');
    const open = (this.#byAddress.get(address) ?? 0) + 1;
    if (open > CONNECTIONS_PER_ADDRESS_MAX) return void socket.destroy();
    this.#byAddress.set(address, open);
    socket.once('close', () => {
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
  }

  #accept(socket: TLSSocket): void {
    socket.on('error', () => socket.destroy());
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined || socket.alpnProtocol !== WITNESS_ALPN) return void socket.destroy();
    const key = keySha256Of(certificate);
    this.#connections += 1;
    const connection = this.#connections;
    this.#byKey.get(key)?.destroy();
    this.#byKey.set(key, socket);
    socket.once('close', () => {
      if (this.#byKey.get(key) === socket) this.#byKey.delete(key);
    });
    socket.setNoDelay(true);
    socket.setTimeout(SILENCE_LIMIT_MS, () => socket.destroy());
    const lines = { sinceMs: performance.now(), count: 0 };
    readJsonLines(socket, WITNESS_LINE_MAX_BYTES, (value) => {
      if (socket.destroyed) return;
      if (performance.now() - lines.sinceMs >= 1000) Object.assign(lines, { sinceMs: performance.now(), count: 0 });
      lines.count += 1;
      if (lines.count > LINES_PER_SECOND_MAX) return void socket.destroy();
      this.#answer(socket, key, connection, value);
    });
  }

  #answer(socket: TLSSocket, key: string, connection: number, value: unknown): void {
    const { data: message } = toWitness.safeParse(value);
    if (message === undefined) return void socket.end(`${JSON.stringify({ nonce: 0, outcome: 'malformed', record: null })}\n`);
    try {
      const answer = this.#options.witness.answer(key, connection, message);
      if (answer === undefined) return void socket.destroy();
      writeJsonLine(socket, answer);
      if (socket.writableLength > UNSENT_MAX_BYTES) socket.destroy();
      // It learns that much, and has to come back for more.
      if (answer.outcome === 'not-enrolled') socket.end();
    } catch (error) {
      socket.destroy();
      if (error instanceof AppError && error.code === 'WITNESS_REPLACED') return this.#options.onUnfit(error);
      this.#options.log.error({ err: error }, 'witness.not-written');
    }
  }
}
