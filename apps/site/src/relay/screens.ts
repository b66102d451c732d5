import { Worker } from 'node:worker_threads';

/** A screen that is not there by then is given up, and the viewer comes back. */
const SCREEN_LIMIT_MS = 20_000;

export interface Screen {
  /** Where the output goes on: a record boundary (wire 5.5). */
  offset: number;
  cols: number;
  rows: number;
  text: string;
}

export interface ScreenRequest {
  id: number;
  session: string;
  file: string;
  /** Output that is in the file: the screen takes in all of it. */
  upTo: number;
  /** Where a new terminal begins: a frame's place in the file, a record boundary inside or behind it, and the size in force there. */
  start: { position: number; boundary: number; cols: number; rows: number };
}

export type ScreenAnswer = { id: number; screen: Screen } | { id: number; error: string };

/** The thread that makes screens; a new one takes its place when it dies. */
export class Screens {
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;
  readonly #waiting = new Map<number, { resolve(screen: Screen): void; reject(error: Error): void; timer: NodeJS.Timeout }>();

  constructor() {
    this.#worker = this.#start();
  }

  /** Rejects when the recording cannot be read or the thread does not answer. */
  request(request: Omit<ScreenRequest, 'id'>): Promise<Screen> {
    const id = this.#nextId++;
    this.#worker ??= this.#start();
    const worker = this.#worker;
    if (!worker) return Promise.reject(new Error('the relay stops'));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        // It hangs: everything that waits for it fails, and the next request starts another.
        void worker.terminate();
      }, SCREEN_LIMIT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      worker.postMessage({ ...request, id } satisfies ScreenRequest);
    });
  }

  forget(session: string): void {
    this.#worker?.postMessage({ forget: session });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker | undefined {
    if (this.#closed) return undefined;
    const worker = new Worker(new URL('./screen-worker.ts', import.meta.url));
    worker.unref();
    worker.on('message', (answer: ScreenAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      clearTimeout(waiting?.timer);
      if ('screen' in answer) waiting?.resolve(answer.screen);
      else waiting?.reject(new Error(answer.error));
    });
    worker.on('error', () => {});
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject, timer } of this.#waiting.values()) {
        clearTimeout(timer);
        reject(new Error('the thread that makes screens stopped'));
      }
      this.#waiting.clear();
    });
    return worker;
  }
}
