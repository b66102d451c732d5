/** For tests: a witness as a process of its own, and appliances that speak to it by hand. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { signStatement } from '@bascule/pair/epoch-statement.ts';
import type { SignedStatement } from '@bascule/protocol/pair-link.ts';
import {
  fromWitness,
  WITNESS_ALPN,
  WITNESS_LINE_MAX_BYTES,
  type FromWitness,
  type ToWitness,
} from '@bascule/protocol/witness-link.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { makeWitnessKey, type WitnessKey } from './witness-key.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

export class WitnessProcess {
  readonly state: string;
  #process: ChildProcess | undefined;
  port = 0;

  constructor() {
    this.state = mkdtempSync(join(tmpdir(), 'bascule-witness-'));
  }

  /** Runs a command to its end. */
  async command(...words: string[]): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [MAIN, ...words, '--state', this.state], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (output += piece.toString()));
    await once(child, 'close');
    return { code: child.exitCode, output };
  }

  /** Starts it, at the port of before if there was one. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [MAIN, 'run', '--state', this.state, '--port', String(this.port), '--listen', '127.0.0.1'],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, BASCULE_LOG_LEVEL: 'silent' },
      },
    );
    this.#process = child;
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^Witness at port (\d+)/.exec(line)?.[1];
      if (port === undefined) continue;
      this.port = Number(port);
      return;
    }
    throw new Error('the witness did not start');
  }

  get exitCode(): number | null | undefined {
    return this.#process?.exitCode;
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.state, { recursive: true, force: true });
  }
}

/** The key of a site identity: both appliances of a site have it. */
export function newIdentity(): { pem: string; key: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    key: createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

/** A key with its certificate, as an appliance has it. */
export async function newPairKey(): Promise<WitnessKey> {
  const folder = mkdtempSync(join(tmpdir(), 'bascule-pair-key-'));
  try {
    return await makeWitnessKey(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function statementFor(holder: string, epoch: number, identity: KeyObject, history = 'h'): SignedStatement {
  const content = { history, epoch, holder, holderName: 'test', predecessor: null, atMs: 0 };
  return signStatement(content, (bytes) => sign('sha256', bytes, identity));
}

/** A message without its number. */
type Unnumbered = ToWitness extends infer M ? (M extends ToWitness ? Omit<M, 'nonce'> : never) : never;

/** One connection to a witness. */
export class WitnessClient {
  readonly socket: TLSSocket;
  #nonce = 0;
  readonly #waiting = new Map<number, (answer: FromWitness | undefined) => void>();

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const resolve of this.#waiting.values()) resolve(undefined);
    });
    readJsonLines(socket, WITNESS_LINE_MAX_BYTES, (value) => {
      const answer = fromWitness.parse(value);
      this.#waiting.get(answer.nonce)?.(answer);
      this.#waiting.delete(answer.nonce);
    });
  }

  /** Rejects when the handshake fails. */
  static async connect(port: number, key: WitnessKey | undefined, options: ConnectionOptions = {}): Promise<WitnessClient> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ALPNProtocols: [WITNESS_ALPN],
      rejectUnauthorized: false,
      ...(key && { key: key.keyPem, cert: key.certificatePem }),
      ...options,
    });
    await once(socket, 'secureConnect');
    return new WitnessClient(socket);
  }

  /** The answer; undefined when the connection closes without one. */
  ask(message: Unnumbered): Promise<FromWitness | undefined> {
    this.#nonce += 1;
    const nonce = this.#nonce;
    if (this.socket.destroyed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting.set(nonce, resolve);
      writeJsonLine(this.socket, { ...message, nonce });
    });
  }

  get isClosed(): Promise<unknown> {
    return this.socket.destroyed ? Promise.resolve() : once(this.socket, 'close');
  }

  close(): void {
    this.socket.destroy();
  }
}
