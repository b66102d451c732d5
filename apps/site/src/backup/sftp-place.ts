/** A folder behind SFTP (B191). Only the server whose host key a person has confirmed is spoken to. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { posix } from 'node:path';
import ssh2, { type Client, type ConnectConfig, type SFTPWrapper } from 'ssh2';
import { must } from '@bascule/core/must.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { hostKeyOther, placeFailed } from './backup-errors.ts';
import type { OpenPlace } from './backup-order.ts';
import { PART_SUFFIX, probeBy, type BackupPlace } from './place-parts.ts';

/** Until a server has let us in. */
const READY_LIMIT_MS = 20_000;
/** A server that says nothing for three of these is gone. */
const KEEPALIVE_MS = 15_000;
const KEEPALIVES_MISSED_MAX = 3;
/** What one request carries (OpenSSH takes 256 KiB, others 32), and how many are under way: a slow line stays full. */
const REQUEST_BYTES = 32 * 1024;
const REQUESTS_MAX = 32;
const FILE_MODE = 0o600;
/** SFTP status: there is no such file. */
const NO_SUCH_FILE = 2;
/** The server refuses the account with this level. */
const REFUSED = 'client-authentication';

type SftpTarget = Extract<OpenPlace, { kind: 'sftp' }>;

/** The fingerprint as OpenSSH shows it. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** Which key a server shows; nothing is sent to it. Throws `BACKUP_PLACE_FAILED`. */
export async function askHostKey(host: string, port: number): Promise<{ hostKey: string; kind: string }> {
  let shown: { hostKey: string; kind: string } | undefined;
  const look = (key: Buffer) => {
    const parsed = ssh2.utils.parseKey(key);
    shown = { hostKey: fingerprintOf(key), kind: parsed instanceof Error ? 'unknown' : parsed.type };
    return false;
  };
  try {
    (await connect({ host, port, username: 'bascule' }, look)).end();
  } catch (error) {
    if (shown === undefined) throw failed(host, error);
  }
  return must(shown, 'the host key of a server that answered');
}

/** Refuses a private key that cannot be used, before anything is stored. Throws `BACKUP_PRIVATE_KEY_INVALID`. */
export function checkPrivateKey(privateKey: string, passphrase: string | undefined): void {
  const parsed = ssh2.utils.parseKey(privateKey, passphrase);
  if (!(parsed instanceof Error) && (Array.isArray(parsed) ? parsed : [parsed]).every((key) => key.isPrivateKey())) return;
  throw new AppError(
    'invalid',
    'BACKUP_PRIVATE_KEY_INVALID',
    'This is not a private key that can be used: paste it in OpenSSH or PEM form, and its passphrase if it has one.',
    { field: 'body.place.secret.privateKey' },
  );
}

export class SftpPlace implements BackupPlace {
  readonly #client: Client;
  readonly #sftp: SFTPWrapper;
  readonly #folder: string;
  readonly #host: string;

  private constructor(client: Client, sftp: SFTPWrapper, { host, path }: SftpTarget) {
    this.#client = client;
    this.#sftp = sftp;
    this.#folder = path;
    this.#host = host;
  }

  /** Connects. Throws `BACKUP_HOST_KEY_OTHER` before anything secret is sent, and `BACKUP_PLACE_FAILED`. */
  static async open(target: SftpTarget): Promise<SftpPlace> {
    const { host, port, account, secret } = target;
    let found: string | undefined;
    const isConfirmed = (key: Buffer) => (found = fingerprintOf(key)) === target.hostKey;
    const credentials =
      secret.kind === 'password'
        ? { password: secret.password }
        : { privateKey: secret.privateKey, ...(secret.passphrase !== undefined && { passphrase: secret.passphrase }) };
    try {
      const client = await connect({ host, port, username: account, ...credentials }, isConfirmed);
      try {
        return new SftpPlace(client, await answerOf<SFTPWrapper>((done) => client.sftp(done)), target);
      } catch (error) {
        client.end();
        throw error;
      }
    } catch (error) {
      if (found !== undefined && found !== target.hostKey) throw hostKeyOther(host, found, target.hostKey);
      throw failed(host, error);
    }
  }

  async write(name: string, bytes: AsyncIterable<Buffer>, written?: () => Promise<void>): Promise<void> {
    const part = this.#at(`${name}${PART_SUFFIX}`);
    try {
      await this.#remove(part);
      const handle = await answerOf<Buffer>((done) => this.#sftp.open(part, 'w', { mode: FILE_MODE }, done));
      await this.#send(handle, bytes);
      await this.#sync(handle);
      await doneOf((done) => this.#sftp.close(handle, done));
      await written?.();
      await this.#remove(this.#at(name));
      await doneOf((done) => this.#sftp.rename(part, this.#at(name), done));
    } catch (error) {
      await this.#remove(part).catch(() => undefined);
      throw failed(this.#host, error);
    }
  }

  async *read(name: string): AsyncGenerator<Buffer> {
    try {
      yield* this.#sftp.createReadStream(this.#at(name), { highWaterMark: REQUEST_BYTES * 8 }) as AsyncIterable<Buffer>;
    } catch (error) {
      throw failed(this.#host, error);
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await this.#remove(this.#at(name));
      await this.#remove(this.#at(`${name}${PART_SUFFIX}`));
    } catch (error) {
      throw failed(this.#host, error);
    }
  }

  async probe(): Promise<void> {
    await probeBy(this);
  }

  /** Servers other than OpenSSH do not tell. */
  async freeBytes(): Promise<number | undefined> {
    type Space = { f_bavail: number | bigint; f_frsize: number | bigint };
    try {
      const space = await answerOf<Space>((done) => this.#sftp.ext_openssh_statvfs(this.#folder, done));
      const free = Number(space.f_bavail) * Number(space.f_frsize);
      return Number.isFinite(free) ? free : undefined;
    } catch {
      return undefined;
    }
  }

  close(): void {
    this.#client.end();
  }

  #at(name: string): string {
    return posix.join(this.#folder, name);
  }

  async #send(handle: Buffer, bytes: AsyncIterable<Buffer>): Promise<void> {
    const underWay = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    let position = 0;
    const send = (piece: Buffer, at: number) => {
      const sent: Promise<void> = doneOf((done) => this.#sftp.write(handle, piece, 0, piece.length, at, done))
        .catch((error: unknown) => void (failure ??= { error }))
        .finally(() => underWay.delete(sent));
      underWay.add(sent);
    };
    for await (const data of bytes)
      for (let at = 0; at < data.length; at += REQUEST_BYTES) {
        while (underWay.size >= REQUESTS_MAX) await Promise.race(underWay);
        if (failure !== undefined) throw failure.error;
        const piece = data.subarray(at, at + REQUEST_BYTES);
        send(piece, position);
        position += piece.length;
      }
    await Promise.all(underWay);
    if (failure !== undefined) throw failure.error;
  }

  /** Where the server can (OpenSSH). */
  async #sync(handle: Buffer): Promise<void> {
    try {
      await doneOf((done) => this.#sftp.ext_openssh_fsync(handle, done));
    } catch (error) {
      if (!/extended request|not supported/i.test((error as Error).message)) throw error;
    }
  }

  async #remove(path: string): Promise<void> {
    try {
      await doneOf((done) => this.#sftp.unlink(path, done));
    } catch (error) {
      if ((error as { code?: unknown }).code !== NO_SUCH_FILE) throw error;
    }
  }
}

async function connect(config: ConnectConfig, hostVerifier: (key: Buffer) => boolean): Promise<Client> {
  const client = new ssh2.Client();
  const limit = AbortSignal.timeout(READY_LIMIT_MS);
  client.connect({
    ...config,
    hostVerifier,
    readyTimeout: READY_LIMIT_MS,
    keepaliveInterval: KEEPALIVE_MS,
    keepaliveCountMax: KEEPALIVES_MISSED_MAX,
  });
  try {
    await once(client, 'ready', { signal: limit });
  } catch (error) {
    client.on('error', () => undefined);
    client.destroy();
    throw error;
  }
  // What breaks later fails the request that is under way.
  client.on('error', () => undefined);
  return client;
}

function answerOf<T>(ask: (done: (error: Error | undefined, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => ask((error, answer) => (error ? reject(error) : resolve(answer))));
}

function doneOf(ask: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => ask((error) => (error ? reject(error) : resolve())));
}

function failed(host: string, error: unknown): unknown {
  if (error instanceof AppError) return error;
  const { level, code, message, name } = error as { level?: string; code?: unknown; message: string; name: string };
  const where = `The SFTP server ${host}`;
  if (level === REFUSED) return placeFailed(where, 'it refuses the account, its password or its key', error);
  if (name === 'AbortError' || name === 'TimeoutError' || level === 'client-timeout')
    return placeFailed(where, 'it does not answer', error);
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH' || code === 'ETIMEDOUT')
    return placeFailed(where, `it cannot be reached (${code})`, error);
  if (code === NO_SUCH_FILE) return placeFailed(where, 'the folder or file does not exist there', error);
  if (code === 3) return placeFailed(where, 'the account may not write there', error);
  return typeof code === 'number' || level !== undefined ? placeFailed(where, message, error) : error;
}
