import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';
import { takeHomeLock, type HomeLock } from './home-lock.ts';
import { followAuthority } from './site-authority.ts';
import { UsageError } from './usage-error.ts';

/** As the protocol has it. */
const RECORD_MAX_LENGTH = 4096;

export interface StoredIdentity {
  client: string;
  /** PEM. */
  certificate: string;
  /** PEM of the site identity that this client was enrolled with: the only thing it trusts (wire 3.1). */
  authority: string;
}

/** The directory that holds the client's key, certificate and trust. The key never leaves it. One program at a time. */
export class ClientHome {
  #directory: string;
  #lock: HomeLock | undefined;
  readonly key: KeyObject;
  readonly keyPem: string;

  private constructor(directory: string, keyPem: string) {
    this.#directory = directory;
    this.keyPem = keyPem;
    this.key = createPrivateKey(keyPem);
  }

  /** Opens (or makes) the home and takes its lock. Throws UsageError when it cannot be used or another client runs on it. */
  static async open(directory: string): Promise<ClientHome> {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      chmodSync(directory, 0o700);
    } catch (error) {
      throw new UsageError(
        `The directory ${directory} cannot be used (${(error as NodeJS.ErrnoException).code}): choose another with --home.`,
      );
    }
    const lock = await takeHomeLock(directory);
    if (lock === undefined)
      throw new UsageError(
        `A Jump Client already runs with the home ${directory}: stop it first, or choose another with --home.`,
      );
    try {
      const keyFile = join(directory, 'client.key');
      if (!existsSync(keyFile)) {
        const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        writeFileDurablySync(keyFile, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
      }
      const home = new ClientHome(directory, readFileSync(keyFile, 'utf8'));
      home.#lock = lock;
      return home;
    } catch (error) {
      lock.release();
      throw new UsageError(`The key in ${directory} cannot be read or written (${(error as Error).message}).`);
    }
  }

  /** What enrolment stored, or undefined. Throws UsageError when the files do not belong together. */
  identity(): StoredIdentity | undefined {
    const file = join(this.#directory, 'identity.json');
    if (!existsSync(file)) return undefined;
    try {
      const stored = JSON.parse(readFileSync(file, 'utf8')) as StoredIdentity;
      if (!new X509Certificate(stored.certificate).checkPrivateKey(this.key)) throw new Error('certificate and key do not fit');
      return { client: stored.client, certificate: stored.certificate, authority: stored.authority };
    } catch (error) {
      throw new UsageError(`${file} is damaged (${(error as Error).message}): remove it and enrol anew with a token.`);
    }
  }

  /** Stores the outcome of enrolment or renewal; after a power cut either the old or the new one is there. */
  store(identity: StoredIdentity): void {
    writeFileDurablySync(join(this.#directory, 'identity.json'), `${JSON.stringify(identity, null, 2)}\n`);
  }

  /** What the site last signed about this client, to be borne in `hello`; undefined when it never did. */
  record(): string | undefined {
    const file = join(this.#directory, 'record');
    return existsSync(file) ? readFileSync(file, 'utf8').slice(0, RECORD_MAX_LENGTH) : undefined;
  }

  /**
   * Keeps, durably, what the site gives a client with `accepted` (or, the record alone, with `refused`): a newer authority, if it is the successor of the one trusted
   * (docs/decisions/0158); another certificate for this key; the record. Returns the identity in force; TLS sessions of before are to be forgotten when it is another object.
   */
  take(
    identity: StoredIdentity,
    given: { authority?: string | undefined; certificate?: string | undefined; record?: string | undefined },
  ): StoredIdentity {
    if (given.record !== undefined && given.record !== this.record())
      writeFileDurablySync(join(this.#directory, 'record'), given.record);
    const authority = given.authority === undefined ? undefined : followAuthority(identity.authority, given.authority);
    const certificate =
      given.certificate !== undefined && new X509Certificate(given.certificate).checkPrivateKey(this.key)
        ? given.certificate
        : undefined;
    if (authority === undefined && certificate === undefined) return identity;
    const next = {
      ...identity,
      ...(authority !== undefined && { authority }),
      ...(certificate !== undefined && { certificate }),
    };
    this.store(next);
    return next;
  }

  close(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }
}

/** SHA-256 of the DER of a certificate, hex. */
export function fingerprintOf(certificate: Uint8Array): string {
  return createHash('sha256').update(certificate).digest('hex');
}
