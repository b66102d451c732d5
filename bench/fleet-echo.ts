import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from '@bascule/testkit/api-client.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';

/** A key is pressed this often, whether or not the one before has come back. */
const KEY_EVERY_MS = 40;
const LAST_ECHO_LIMIT_MS = 60_000;

/** One person at one shell who types all the time, and the times from each key to its echo. */
export class EchoMeter implements Disposable {
  readonly #viewer: TestViewer;
  readonly #sentAtMs: number[] = [];
  readonly #tookMs: number[] = [];
  #begin = 0;
  #isOver = false;

  private constructor(viewer: TestViewer) {
    this.#viewer = viewer;
  }

  /** Opens a session to the Jump Item; the far end gives back every byte once. */
  static async start(api: ApiClient, item: string): Promise<EchoMeter> {
    const viewer = new TestViewer(api, await api.openSession(item));
    viewer.type('exec sh -c "stty raw -echo; echo READY-$((6*7)); exec cat"\n');
    await viewer.untilText('READY-42\n');
    const meter = new EchoMeter(viewer);
    await delay(500);
    const { screens } = viewer;
    viewer.onBytes = (bytes) => meter.#heard(bytes.length, screens);
    void meter.#type();
    return meter;
  }

  /** From here on what is pressed counts. */
  begin(): void {
    this.#begin = this.#sentAtMs.length;
  }

  /** The 99th percentile in milliseconds of all keys since `begin`; waits for the echo of the last one. */
  async p99(): Promise<number> {
    const end = this.#sentAtMs.length;
    await this.#viewer.until('every key has its echo', () => this.#tookMs.length >= end, LAST_ECHO_LIMIT_MS);
    const times = this.#tookMs.slice(this.#begin, end).toSorted((one, other) => one - other);
    return times[Math.ceil(times.length * 0.99) - 1]!;
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#viewer[Symbol.dispose]();
  }

  #heard(count: number, screens: number): void {
    if (this.#viewer.screens !== screens) throw new Error('a whole screen came: echoes cannot be counted');
    const nowMs = performance.now();
    for (let index = 0; index < count; index += 1) this.#tookMs.push(nowMs - (this.#sentAtMs[this.#tookMs.length] ?? nowMs));
  }

  async #type(): Promise<void> {
    for (;;) {
      await delay(KEY_EVERY_MS);
      if (this.#isOver) return;
      this.#sentAtMs.push(performance.now());
      this.#viewer.type('k');
    }
  }
}
