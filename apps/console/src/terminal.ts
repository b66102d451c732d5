import { spawnSync } from 'node:child_process';
import type { ReadStream, WriteStream } from 'node:tty';
import { ConsoleError, ExitCode } from './exit-code.ts';

/** What far programs may have switched on and a shell does not expect: alternate screen, mouse, pasting, keypad, hidden cursor, colours. */
const CALM =
  '\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b[r\x1b[0m';
const CLEAR = '\x1b[H\x1b[2J';
const PUSH_TITLE = '\x1b[22;2t';
const POP_TITLE = '\x1b[23;2t';
const TITLE_MAX_CHARACTERS = 200;
/** When a terminal does not say. */
const ORDINARY_SIZE = { cols: 80, rows: 24 };
/** What the site takes. */
const SIZE_LIMITS = { cols: { least: 2, most: 1000 }, rows: { least: 1, most: 500 } };

export interface Size {
  cols: number;
  rows: number;
}

/** The person's own terminal: bytes as they are typed (raw mode), its size and its title line. */
export class Terminal {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #listeners: (() => void)[] = [];
  #isRaw = false;
  #hasTitle = false;

  constructor(input: ReadStream, output: WriteStream) {
    this.#input = input;
    this.#output = output;
  }

  /** Throws ConsoleError when input or output is no terminal. */
  static ofProcess(): Terminal {
    const { stdin, stdout } = process;
    if (stdin.isTTY && stdout.isTTY) return new Terminal(stdin, stdout);
    throw new ConsoleError(ExitCode.usage, 'A shell needs a terminal for its input and output: run this without pipes.');
  }

  size(): Size {
    const within = (value: number | undefined, { least, most }: { least: number; most: number }) =>
      value === undefined || value === 0 ? undefined : Math.min(most, Math.max(least, value));
    return {
      cols: within(this.#output.columns, SIZE_LIMITS.cols) ?? ORDINARY_SIZE.cols,
      rows: within(this.#output.rows, SIZE_LIMITS.rows) ?? ORDINARY_SIZE.rows,
    };
  }

  /** From now on keys come as bytes, one by one, the interrupt key too. `gone`: the terminal was closed. */
  start(handlers: { typed(bytes: Buffer): void; resized(): void; gone(): void }): void {
    this.#input.setRawMode(true);
    this.#isRaw = true;
    passOutputUnchanged();
    this.#listen('data', handlers.typed);
    this.#listen('end', handlers.gone);
    this.#listen('error', handlers.gone);
    this.#output.on('resize', handlers.resized);
    this.#output.on('error', handlers.gone);
    this.#listeners.push(() => this.#output.off('resize', handlers.resized));
    this.#input.resume();
  }

  /** No more keys are read until `resume`: what is typed waits in the operating system. */
  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  /** Calls `shown` when the terminal has taken the bytes. */
  write(bytes: Uint8Array | string, shown?: () => void): void {
    this.#output.write(bytes, shown);
  }

  /** A whole screen in place of whatever is there. */
  showScreen(text: string, shown: () => void): void {
    this.#output.write(`${CALM}${CLEAR}${text}`, shown);
  }

  /** The title line of the terminal's window: the one place that no far program's screen is disturbed by. */
  setTitle(text: string): void {
    if (!this.#hasTitle) this.#output.write(PUSH_TITLE);
    this.#hasTitle = true;
    this.#output.write(`\x1b]2;${text.replaceAll(/\p{Cc}/gu, ' ').slice(0, TITLE_MAX_CHARACTERS)}\x07`);
  }

  /** Gives the terminal back as it was; `calm`: also what far programs may have switched on is switched off. */
  stop({ calm }: { calm: boolean }): void {
    for (const stopListening of this.#listeners.splice(0)) stopListening();
    if (this.#hasTitle) this.#output.write(POP_TITLE);
    this.#hasTitle = false;
    if (calm) this.#output.write(`${CALM}\r\n`);
    if (this.#isRaw) this.#input.setRawMode(false);
    this.#isRaw = false;
    this.#input.pause();
  }

  #listen<A extends unknown[]>(event: string, listener: (...values: A) => void): void {
    this.#input.on(event, listener as (...values: unknown[]) => void);
    this.#listeners.push(() => this.#input.off(event, listener as (...values: unknown[]) => void));
  }
}

/**
 * Node's raw mode still turns each line feed that is written into a return and a line feed; the far terminal has done that already, and full-screen programs mean a
 * bare one. `setRawMode(false)` brings back what was.
 */
function passOutputUnchanged(): void {
  if (process.platform !== 'win32') spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}
