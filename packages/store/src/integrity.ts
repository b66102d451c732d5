import { Worker } from 'node:worker_threads';

/** Longer than this no check takes: reading a database of many gigabytes through. */
const INTEGRITY_LIMIT_MS = 10 * 60_000;

/** Reads the database at `path` through in a worker; sentences of SQLite about what is wrong, none when it is sound. Rejects when it cannot be read or takes too long. */
export async function findProblems(path: string): Promise<string[]> {
  const worker = new Worker(new URL('./integrity-worker.ts', import.meta.url), { workerData: { path } });
  const timer = setTimeout(() => void worker.terminate(), INTEGRITY_LIMIT_MS);
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error(`the check of ${path} was not finished`)));
    });
  } finally {
    clearTimeout(timer);
  }
}
