import { existsSync, rmSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** Longer than this no snapshot takes; then it is given up and its file removed. */
const SNAPSHOT_TIMEOUT_MS = 30 * 60_000;

/**
 * Copies the database `source` into the new file `target` by VACUUM INTO in a worker: consistent and compact, while writing goes on
 * (`backup()` never ends under writes, a copied file is corrupt). Resolves when the copy is on disk; on failure `target` is removed.
 */
export async function takeSnapshot(source: string, target: string): Promise<void> {
  if (existsSync(target)) throw new Error(`the file ${target} exists already; a snapshot needs a new one`);
  const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url), { workerData: { source, target } });
  const timer = setTimeout(() => void worker.terminate(), SNAPSHOT_TIMEOUT_MS);
  try {
    await new Promise<void>((resolve, reject) => {
      let done = false;
      worker.once('message', () => (done = true));
      worker.once('error', reject);
      worker.once('exit', () => (done ? resolve() : reject(new Error(`the snapshot of ${source} was not finished`))));
    });
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
