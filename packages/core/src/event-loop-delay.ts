/** How late the event loop of this program is. For servers: it uses the performance hooks. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const NANOSECONDS_PER_MS = 1e6;

/** Measures from when it is made until it is closed. */
export class EventLoopDelay {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** The 99th percentile since the last call, in milliseconds beyond what the timer itself takes. */
  takeMs(): number {
    const delayMs = this.#histogram.percentile(99) / NANOSECONDS_PER_MS - RESOLUTION_MS;
    this.#histogram.reset();
    return Math.max(0, Math.round(delayMs * 10) / 10);
  }

  close(): void {
    this.#histogram.disable();
  }
}
