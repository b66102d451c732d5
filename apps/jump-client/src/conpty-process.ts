import { randomBytes } from 'node:crypto';
import { openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { TerminalSize } from '@bascule/protocol/text.ts';
import { commandLineOf } from './command-line.ts';
import type { PtyEvents, TerminalOptions, TerminalProcess } from './pty-process.ts';

/** After the shell's exit the console may still write; when nothing came for so long, reading ends. */
const AFTER_EXIT_QUIET_MS = 1000;
const KILLED_CODE = -1;

/** The part of node-pty's native binding for Windows that is used (tools/windows/package.json pins it; docs/decisions/0157). */
interface ConptyBinding {
  startProcess(
    file: string,
    cols: number,
    rows: number,
    debug: boolean,
    pipeName: string,
    inheritCursor: boolean,
  ): { pty: number; conin: string; conout: string };
  connect(pty: number, commandLine: string, directory: string, env: string[], onExit: (code: number) => void): { pid: number };
  resize(pty: number, cols: number, rows: number): void;
  kill(pty: number): void;
}

/**
 * The console's output is read on a thread of its own: `connect` and `kill` wait, in the thread that calls them, for somebody who reads. It comes back through a second pipe,
 * whose buffer is what holds the console back when nobody reads that.
 */
const READER = `
const { parentPort, workerData } = require('node:worker_threads');
const { connect, createServer } = require('node:net');
const console = connect(workerData.from, () => {
  const server = createServer((reader) => {
    server.close();
    reader.on('error', () => console.destroy());
    console.pipe(reader);
  }).listen(workerData.to, () => parentPort.postMessage('ready'));
});
console.on('error', () => process.exit());
`;

/** A process on a pseudo-console. As `PtyProcess`, it reads on after the process's exit until the console is quiet. */
export class ConptyProcess implements TerminalProcess {
  readonly #binding: ConptyBinding;
  readonly #events: PtyEvents;
  readonly #pty: number;
  readonly #input: Socket;
  readonly #output = new Socket();
  readonly #reader: Worker;
  #paused = false;
  #isClosed = false;
  #wasKilled = false;
  #ended = false;
  #code: number | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  readonly pid: number;

  /** Starts `file` with `args`. Throws when no process or console can be made. */
  constructor({ file, args, env, directory, size, events }: TerminalOptions) {
    // It lies beside the bundle.
    this.#binding = createRequire(import.meta.url)(fileURLToPath(new URL('./conpty.node', import.meta.url))) as ConptyBinding;
    this.#events = events;
    // Nobody may guess the name and be first.
    const name = `bascule-${randomBytes(16).toString('hex')}`;
    const console = this.#binding.startProcess(file, size.cols, size.rows, false, name, false);
    this.#pty = console.pty;
    const to = `\\\\.\\pipe\\${name}-read`;
    this.#reader = new Worker(READER, { eval: true, workerData: { from: console.conout, to } });
    this.#reader.on('error', () => this.#output.destroy());
    this.#reader.once('message', () => this.#output.connect(to));
    this.#output.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#output.on('error', () => this.#output.destroy());
    this.#output.on('close', () => this.#finish());
    this.#input = new Socket({ fd: openSync(console.conin, 'w'), readable: false, writable: true });
    this.#input.on('error', () => this.#input.destroy());
    const variables = Object.entries(env).map(([variable, value]) => `${variable}=${value}`);
    const line = commandLineOf([file, ...args]);
    this.pid = this.#binding.connect(this.#pty, line, directory, variables, (code) => this.#onExit(code)).pid;
  }

  write(bytes: Uint8Array, done: () => void): void {
    if (this.#ended || this.#input.destroyed) done();
    else this.#input.write(bytes, () => done());
  }

  resize(size: TerminalSize): void {
    if (this.#code === undefined && !this.#isClosed) this.#binding.resize(this.#pty, size.cols, size.rows);
  }

  pause(): void {
    this.#paused = true;
    this.#output.pause();
    clearTimeout(this.#quietTimer);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#output.resume();
    if (this.#code !== undefined) this.#awaitQuiet();
  }

  /** SIGHUP closes the console, which tells everything on it to end; SIGKILL ends the process. There is nothing to continue. */
  kill(signal: 'SIGHUP' | 'SIGKILL' | 'SIGCONT'): void {
    if (this.#code !== undefined || signal === 'SIGCONT') return;
    this.#wasKilled = true;
    if (signal === 'SIGHUP') return this.#close();
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }

  destroy(): void {
    this.#close();
    this.#output.destroy();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#binding.kill(this.#pty);
  }

  #onData(bytes: Buffer): void {
    this.#events.output(bytes);
    if (this.#code !== undefined) this.#awaitQuiet();
  }

  #onExit(code: number): void {
    this.#code = this.#wasKilled ? KILLED_CODE : code;
    if (this.#output.destroyed) this.#finish();
    else this.#awaitQuiet();
  }

  #awaitQuiet(): void {
    clearTimeout(this.#quietTimer);
    if (!this.#paused && !this.#ended) this.#quietTimer = setTimeout(() => this.#output.destroy(), AFTER_EXIT_QUIET_MS);
  }

  /** The end: the console is quiet and the exit code known, whichever came last. */
  #finish(): void {
    clearTimeout(this.#quietTimer);
    if (this.#ended || this.#code === undefined || !this.#output.destroyed) return;
    this.#ended = true;
    this.#close();
    this.#input.destroy();
    void this.#reader.terminate();
    this.#events.exit(this.#code, 0);
  }
}
