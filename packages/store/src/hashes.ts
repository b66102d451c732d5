import { Worker } from 'node:worker_threads';
import { AppError } from '@bascule/errors/app-error.ts';

/** Longer than this no comparison takes: reading a database of many gigabytes through. */
const HASHES_LIMIT_MS = 30 * 60_000;
/** How long this thread stands still until the worker has begun to read; it is a fraction of a millisecond when the machine is not overloaded. */
const BEGIN_LIMIT_MS = 250;
/** Places and values of the memory that both threads see. */
export const HashesSignal = { waiting: 0, begin: 1, begun: 2 } as const;

/** The content of every replicated table at exactly entry `seq`. */
export interface Hashes {
  seq: number;
  /** Hex. */
  hash: string;
  /** SHA-256 (hex) by table. */
  tables: Record<string, string>;
}

/**
 * Hashes every replicated table of the database at `path` in a worker, on one consistent read. The read begins while this thread stands still, so that it is at the newest entry
 * of this very moment; `onPoint` is called in it. Rejects with `STORE_BUSY` when the worker could not begin in time: try again later; and when the store is
 * `closed`, whose file may be replaced then.
 */
export async function readHashes(path: string, onPoint: () => void, closed: AbortSignal): Promise<Hashes> {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('./hashes-worker.ts', import.meta.url), { workerData: { path, signal } });
  const timer = setTimeout(() => void worker.terminate(), HASHES_LIMIT_MS);
  const { promise, resolve, reject } = Promise.withResolvers<Hashes>();
  worker.on('message', (message: 'ready' | Hashes) => {
    if (message !== 'ready') return resolve(message);
    try {
      begin(signal);
      onPoint();
    } catch (error) {
      reject(error as Error);
    }
  });
  worker.once('error', reject);
  worker.once('exit', () => reject(new Error(`the hashes of ${path} were not finished`)));
  const end = () => void worker.terminate();
  closed.addEventListener('abort', end);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    closed.removeEventListener('abort', end);
    await worker.terminate();
  }
}

function begin(signal: Int32Array): void {
  Atomics.store(signal, 0, HashesSignal.begin);
  Atomics.notify(signal, 0);
  Atomics.wait(signal, 0, HashesSignal.begin, BEGIN_LIMIT_MS);
  if (Atomics.load(signal, 0) !== HashesSignal.begun)
    throw new AppError('unavailable', 'STORE_BUSY', 'The machine is too busy to compare databases now. Try again later.');
}
