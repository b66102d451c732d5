import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestViewer } from './viewer.ts';

/** What it writes first. */
const BEGINNING = 'START';

/**
 * A program on the far machine that keeps account: it writes down every byte it got from the terminal (`received`) and every byte it wrote to it
 * (`produced`). It echoes what it gets and, in between, writes `lines` lines of its own. It ends after `count` bytes of input.
 */
export class FarProgram implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-far-'));
  readonly count: number;
  #script = join(this.directory, 'account.sh');

  constructor(count: number, lines: number) {
    this.count = count;
    writeFileSync(
      this.#script,
      `stty raw -echo
cd ${this.directory}
{
  printf '${BEGINNING}'
  ( i=0; while [ $i -lt ${lines} ]; do printf '<%08d of the far machine, to have something under way>' $i; i=$((i + 1)); sleep 0.005; done ) &
  dd bs=1 count=${count} status=none | tee received
  wait
  printf 'DONE'
} | tee produced
`,
    );
  }

  /** Has the shell of the session replaced by the program, and waits until it runs. */
  async run(viewer: TestViewer): Promise<void> {
    viewer.type(`exec sh ${this.#script}\r`);
    await viewer.untilText(BEGINNING);
  }

  received(): Buffer {
    return readFileSync(join(this.directory, 'received'));
  }

  produced(): Buffer {
    return readFileSync(join(this.directory, 'produced'));
  }

  /**
   * All that it wrote to the terminal when it had got `typedBytes` and echoed them; undefined while either is not written down. It writes to the terminal first, and both files by programs of
   * their own: what was produced may be written down after what was received. For a program without lines of its own.
   */
  account(typedBytes: number): Buffer | undefined {
    if (this.received().length < typedBytes) return undefined;
    const produced = this.produced();
    return produced.length < BEGINNING.length + typedBytes ? undefined : produced;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Text in which every position can be told from every other: a doubled, lost or swapped piece shows. */
export function numberedText(bytes: number): string {
  let text = '';
  for (let index = 0; text.length < bytes; index += 1) text += `${index.toString(36)}.`;
  return text.slice(0, bytes);
}
