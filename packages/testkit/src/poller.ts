import { Agent, request } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';

const ANSWER_LIMIT_MS = 30_000;

/** What a client that asks all the time has met. */
export interface PollerFigures {
  requests: number;
  /** The connection was refused, reset or ended, or the answer was 5xx. */
  failed: number;
  failures: string[];
  longestMs: number;
}

/** Asks for a page every few milliseconds, without waiting for the answer before, on kept or on fresh connections. */
export class Poller {
  readonly #url: URL;
  readonly #agent: Agent;
  readonly #open = new Set<Promise<void>>();
  #figures: PollerFigures = { requests: 0, failed: 0, failures: [], longestMs: 0 };
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(url: string, certificate: string, everyMs = 5, keepAlive = false) {
    this.#url = new URL(url);
    this.#agent = new Agent({ ca: certificate, keepAlive, maxSockets: 64 });
    this.#running = this.#run(everyMs);
  }

  /** The figures since the last call. */
  take(): PollerFigures {
    const figures = this.#figures;
    this.#figures = { requests: 0, failed: 0, failures: [], longestMs: 0 };
    return figures;
  }

  async stop(): Promise<PollerFigures> {
    this.#stopping = true;
    await this.#running;
    await Promise.all(this.#open);
    this.#agent.destroy();
    return this.take();
  }

  async #run(everyMs: number): Promise<void> {
    while (!this.#stopping) {
      const asked = this.#ask().finally(() => this.#open.delete(asked));
      this.#open.add(asked);
      await delay(everyMs);
    }
  }

  async #ask(): Promise<void> {
    const startedAtMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    const call = request(
      this.#url,
      {
        agent: this.#agent,
        timeout: ANSWER_LIMIT_MS,
        lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
      },
      (response) => {
        response.resume();
        response.on('error', (error) => resolve(error.message));
        response.on('end', () => resolve((response.statusCode ?? 0) >= 500 ? `answered ${response.statusCode}` : undefined));
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', (error) => resolve(error.message));
    call.end();
    const failure = await promise;
    this.#figures.requests++;
    this.#figures.longestMs = Math.max(this.#figures.longestMs, performance.now() - startedAtMs);
    if (failure === undefined) return;
    this.#figures.failed++;
    if (this.#figures.failures.length < 20) this.#figures.failures.push(failure);
  }
}
