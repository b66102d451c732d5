import { Worker } from 'node:worker_threads';
import type { FromLeaseThread, LeaseThreadData } from './lease-messages.ts';

const THREAD_MAX_MB = 64;

/** Starts the thread that keeps the lease. It does not keep the program alive. */
export function startLeaseThread(
  workerData: LeaseThreadData,
  listener: { heard(message: FromLeaseThread): void; failed(error: unknown): void; ended(): void },
): Worker {
  const worker = new Worker(new URL('./lease-thread.ts', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: THREAD_MAX_MB },
  });
  worker.unref();
  worker.on('message', (message: FromLeaseThread) => listener.heard(message));
  worker.on('error', (error) => listener.failed(error));
  worker.once('exit', () => listener.ended());
  return worker;
}
