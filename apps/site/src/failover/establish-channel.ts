import { createCipheriv, createDecipheriv, createHash, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { PreSharedKey } from './pre-shared-key.ts';

const EXPORTER_LABEL = 'EXPORTER-Bascule-establish-1';
const EXPORTER_BYTES = 32;
const SEAL_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export type EstablishRole = 'dialler' | 'answerer';

/** One connection, as both of its ends see it, and nobody between them can make it look (docs/spec/pair.md, 4.2). */
export interface ConnectionView {
  version: number;
  /** SHA-256 of the keys that were shown in the handshake. */
  diallerKey: string;
  answererKey: string;
  diallerNonce: Buffer;
  answererNonce: Buffer;
  /** Of this TLS connection alone (RFC 8446, 7.5). */
  exporter: Buffer;
}

/** The exporter's value of `socket`: the same at both ends of one TLS connection, another for each connection. */
export function exporterOf(socket: TLSSocket): Buffer {
  return socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0));
}

/** What proofs and seals of a connection are made over. */
export function transcriptOf(view: ConnectionView): Buffer {
  const { version, diallerKey, answererKey, diallerNonce, answererNonce, exporter } = view;
  const text = JSON.stringify([
    'bascule-establish/1',
    version,
    diallerKey,
    answererKey,
    diallerNonce.toString('hex'),
    answererNonce.toString('hex'),
    exporter.toString('hex'),
  ]);
  return createHash('sha256').update(text).digest();
}

/** Proves the pre-shared key to the other end. The roles differ in it, so that nobody can be answered with his own proof. */
export function proofOf(preSharedKey: PreSharedKey, role: EstablishRole, transcript: Buffer): Buffer {
  return preSharedKey.hmac(Buffer.concat([Buffer.from(`bascule-establish/1 proof ${role}\n`), transcript]));
}

/** Whether `proof` (base64) is the one that `role` gives, in a time that tells nothing. False while no key is set. */
export function isProof(preSharedKey: PreSharedKey, role: EstablishRole, transcript: Buffer, proof: string): boolean {
  const given = Buffer.from(proof, 'base64');
  const expected = proofOf(preSharedKey, role, transcript);
  const fits = given.length === expected.length && timingSafeEqual(given, expected);
  return fits && preSharedKey.isSet;
}

/**
 * Seals what follows the proof: AES-256-GCM under keys that need the pre-shared key and this TLS connection both, one for each direction, counted, so that nothing can be
 * repeated, left out, or turned back.
 */
export class EstablishSeal {
  readonly #out: Buffer;
  readonly #in: Buffer;
  #sent = 0n;
  #received = 0n;

  constructor(preSharedKey: PreSharedKey, role: EstablishRole, view: ConnectionView) {
    const root = preSharedKey.hmac(Buffer.concat([Buffer.from('bascule-establish/1 seal\n'), transcriptOf(view)]));
    const key = (from: EstablishRole) =>
      Buffer.from(hkdfSync('sha256', root, view.exporter, `bascule-establish/1 from ${from}`, SEAL_KEY_BYTES));
    this.#out = key(role);
    this.#in = key(role === 'dialler' ? 'answerer' : 'dialler');
  }

  /** `value` as JSON, sealed, base64. */
  seal(value: unknown): string {
    const cipher = createCipheriv('aes-256-gcm', this.#out, counted(this.#sent++));
    const text = Buffer.concat([cipher.update(JSON.stringify(value), 'utf8'), cipher.final()]);
    return Buffer.concat([cipher.getAuthTag(), text]).toString('base64');
  }

  /** What the other end sealed as its next. Throws when it is anything else. */
  open(sealed: string): unknown {
    const bytes = Buffer.from(sealed, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', this.#in, counted(this.#received++), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(0, TAG_BYTES));
    return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(TAG_BYTES)), decipher.final()]).toString('utf8')) as unknown;
  }
}

function counted(count: bigint): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeBigUInt64BE(count, NONCE_BYTES - 8);
  return nonce;
}
