/** Fetches parcels over the client's own mutual TLS (`GET /parcels/<sha256>`, ALPN bascule-link/1), resumed where a cut left off. */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { LINK_SERVER_NAME } from '@bascule/protocol/control-link.ts';
import type { Parcel } from '@bascule/protocol/client-program.ts';
import { BackOff } from '@bascule/wire/back-off.ts';
import { UpgradeError } from './upgrade-error.ts';

/** No parcel of ours comes near: a runtime has some 40 MB. */
export const PARCEL_LIMIT_BYTES = 512 * 1024 * 1024;
/** Without a byte for this long the connection counts as cut; the site paces all downloads, so that pauses are usual. */
const STALL_LIMIT_MS = 60_000;
/** Connections in a row that brought no byte. While the appliance cannot be reached at all, it is not the download that fails: the site decides how long it waits. */
const IDLE_TRIES_LIMIT = 6;
const TRIES_LIMIT = 500;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 20_000;
/** What must stay free beside what is fetched and unpacked. */
export const SPARE_BYTES = 16 * 1024 * 1024;

export interface DownloadContext {
  /** A folder of this client's own, for parcels. */
  directory: string;
  /** Opens mutual TLS to the site. Rejects when there is no connection. */
  dial(signal: AbortSignal): Promise<TLSSocket>;
  signal: AbortSignal;
  onProgress(receivedBytes: number): void;
}

/**
 * Gives the file of `parcel`, fetching what is missing of it. What came stays when it fails. Throws UpgradeError: `download-cut`, `wrong-bytes`, `disk-full`,
 * `refused`; or the reason of `signal`.
 */
export async function downloadParcel(parcel: Parcel, context: DownloadContext): Promise<string> {
  if (parcel.bytes > PARCEL_LIMIT_BYTES)
    throw new UpgradeError('refused', `A parcel of ${parcel.bytes} bytes is more than this client takes.`);
  const file = join(context.directory, parcel.sha256);
  const part = `${file}.part`;
  try {
    await mkdir(context.directory, { recursive: true, mode: 0o700 });
    if ((await sizeOf(file)) === parcel.bytes && (await hashOf(file)) === parcel.sha256) return file;
    await removeOthers(context.directory, parcel.sha256);
    const isResumed = (await sizeOf(part)) > 0;
    await receiveAll(part, parcel, context);
    if ((await hashOf(part)) !== parcel.sha256) {
      await rm(part, { force: true });
      if (!isResumed) throw wrongBytes();
      // What lay here from before may be what is wrong: once more, from the beginning.
      await receiveAll(part, parcel, context);
      if ((await hashOf(part)) !== parcel.sha256) {
        await rm(part, { force: true });
        throw wrongBytes();
      }
    }
    await rename(part, file);
    return file;
  } catch (error) {
    context.signal.throwIfAborted();
    throw UpgradeError.from(error, 'other');
  }
}

/** Throws UpgradeError `disk-full` unless `bytes` and some more are free where `directory` lies. */
export async function needSpace(directory: string, bytes: number): Promise<void> {
  const free = await freeBytes(directory);
  if (free === null || free >= bytes + SPARE_BYTES) return;
  const megabytes = (count: number) => `${Math.ceil(count / 1_000_000)} MB`;
  throw new UpgradeError(
    'disk-full',
    `${megabytes(bytes + SPARE_BYTES)} must be free in ${directory}, and ${megabytes(free)} are: make room there.`,
  );
}

/** Free for this user where `directory` lies; null when the system does not say. */
export async function freeBytes(directory: string): Promise<number | null> {
  return statfs(directory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  );
}

async function receiveAll(part: string, parcel: Parcel, context: DownloadContext): Promise<void> {
  const pauses = new BackOff(RETRY_FIRST_MS, RETRY_MAX_MS);
  let idleTries = 0;
  for (let tries = 1; ; tries += 1) {
    const before = await sizeOf(part);
    if (before > parcel.bytes) await rm(part);
    else if (before === parcel.bytes) return;
    const failure = await receiveOnce(part, parcel, context).then(
      () => undefined,
      (error: unknown) => error,
    );
    context.signal.throwIfAborted();
    if (failure instanceof UpgradeError && failure.failure !== 'download-cut') throw failure;
    if (isDiskFault(failure)) throw failure;
    const after = await sizeOf(part);
    if (after === parcel.bytes) return;
    if (after > before) pauses.reset();
    if (after > before) idleTries = 0;
    else if (!(failure instanceof NotReached)) idleTries += 1;
    if (idleTries >= IDLE_TRIES_LIMIT || tries >= TRIES_LIMIT) {
      const words = failure instanceof Error ? failure.message : 'the connection was closed';
      throw new UpgradeError('download-cut', `The download was cut off after ${after} of ${parcel.bytes} bytes: ${words}`);
    }
    await delay(pauses.next(), undefined, { signal: context.signal });
  }
}

/** There was no connection. */
class NotReached extends Error {}

/** One connection. */
async function receiveOnce(part: string, parcel: Parcel, context: DownloadContext): Promise<void> {
  const from = await sizeOf(part);
  const socket = await context.dial(context.signal).catch((error: unknown) => {
    throw new NotReached(error instanceof Error ? error.message : String(error), { cause: error });
  });
  const abort = () => socket.destroy();
  context.signal.addEventListener('abort', abort, { once: true });
  try {
    const response = await answerOf(socket, parcel, from);
    checkAnswer(response, parcel, from);
    const handle = await open(part, 'a', 0o600);
    try {
      let received = from;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        // Never more than was ordered, however much comes.
        const piece = chunk.subarray(0, parcel.bytes - received);
        await handle.appendFile(piece);
        received += piece.length;
        context.onProgress(received);
        if (received === parcel.bytes) break;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } finally {
    context.signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

function answerOf(socket: TLSSocket, parcel: Parcel, from: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asking = request({
      createConnection: () => socket,
      path: `/parcels/${parcel.sha256}`,
      headers: { host: LINK_SERVER_NAME, connection: 'close', ...(from > 0 && { range: `bytes=${from}-` }) },
    });
    const stalled = () => socket.destroy(new Error(`nothing came for ${STALL_LIMIT_MS / 1000} s.`));
    socket.setTimeout(STALL_LIMIT_MS, stalled);
    asking.once('response', resolve);
    asking.once('error', reject);
    asking.end();
  });
}

function checkAnswer(response: IncomingMessage, parcel: Parcel, from: number): void {
  const { statusCode = 0, headers } = response;
  if (statusCode === 404) throw new UpgradeError('refused', 'The appliance does not have the parcel that it ordered.');
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '');
  const isWhole = from === 0 && statusCode === 200;
  const isRest = statusCode === 206 && Number(range?.[1]) === from && Number(range?.[2]) === parcel.bytes;
  if (!isWhole && !isRest) throw new UpgradeError('download-cut', `the appliance answered ${statusCode}.`);
}

async function removeOthers(directory: string, sha256: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(sha256)) await rm(join(directory, name), { force: true });
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

function isDiskFault(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EACCES'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

function wrongBytes(): UpgradeError {
  return new UpgradeError('wrong-bytes', 'What was downloaded is not what was ordered: it was damaged or altered on the way.');
}
