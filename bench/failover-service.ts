import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { NetworkScene } from '@bascule/testkit/network-scene.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

/** Times of two processes of one machine are told by the clock that they share. */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** How long an address gave no answer, as seen from another machine: failover-poller.ts there. */
export class ServiceWatch implements Disposable {
  readonly #poller: ChildProcess;
  #answersMs: number[] = [];

  constructor(network: NetworkScene, machine: string, words: readonly string[]) {
    const command = [process.execPath, join(import.meta.dirname, 'failover-poller.ts'), ...words];
    this.#poller = network.spawn(machine, command, { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: this.#poller.stdout! }).on('line', (line) => this.#answersMs.push(Number(line)));
  }

  /** Until there was an answer after `fromMs`. */
  async answered(fromMs: number, limitMs: number): Promise<void> {
    await waitUntil('the address answers', () => (this.#answersMs.at(-1) ?? 0) > fromMs, limitMs);
  }

  /** From the last answer before `fromMs` on: the longest time between two answers that follow each other. */
  longestGapMs(fromMs: number): number {
    const first = Math.max(
      0,
      this.#answersMs.findLastIndex((atMs) => atMs <= fromMs),
    );
    const answers = this.#answersMs.slice(first).toSorted((one, other) => one - other);
    return answers.reduce((longest, atMs, index) => Math.max(longest, atMs - (answers[index - 1] ?? atMs)), 0);
  }

  [Symbol.dispose](): void {
    this.#poller.kill('SIGKILL');
  }
}
