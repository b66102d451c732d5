import { existsSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ReadStream } from 'node:tty';
import { fileURLToPath } from 'node:url';
import type { TerminalSize } from '@bascule/protocol/text.ts';

/** Read at once at most: one stream frame's worth. */
const READ_LIMIT_BYTES = 64 * 1024;
/** After the shell's exit, background programs may hold the terminal; when nothing came for so long, reading ends. */
const AFTER_EXIT_QUIET_MS = 200;

/** The part of node-pty's native binding that is used (version pinned in package.json; docs/decisions/0052). */
interface PtyBinding {
  fork(
    file: string,
    args: string[],
    env: string[],
    directory: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    onExit: (code: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string };
  resize(descriptor: number, cols: number, rows: number): void;
}

let binding: PtyBinding | undefined;
function loadBinding(): PtyBinding {
  const require = createRequire(import.meta.url);
  // In an installed client the binary lies beside the bundle.
  const beside = fileURLToPath(new URL('./pty.node', import.meta.url));
  binding ??= require(
    existsSync(beside) ? beside : `@lydell/node-pty-${process.platform}-${process.arch}/pty.node`,
  ) as PtyBinding;
  return binding;
}

export interface TerminalOptions {
  file: string;
  args: string[];
  env: Record<string, string>;
  directory: string;
  size: TerminalSize;
  events: PtyEvents;
}

/** A process on a terminal of its own, whatever the system calls that. */
export interface TerminalProcess {
  readonly pid: number;
  /** Writes to the terminal; `done` is called when the system has the bytes (or never will). */
  write(bytes: Uint8Array, done: () => void): void;
  resize(size: TerminalSize): void;
  /** Stops reading: the system's buffer fills, and the process waits. */
  pause(): void;
  resume(): void;
  /** Sends `signal`, or what is next to it; a process that is gone is none of our concern. */
  kill(signal: 'SIGHUP' | 'SIGKILL' | 'SIGCONT'): void;
  /** Gives the terminal up: whoever still holds its other end is hung up on. */
  destroy(): void;
}

export interface PtyEvents {
  /** Bytes of the terminal; the buffer is the receiver's. */
  output(bytes: Buffer): void;
  /** After the last output: exit code (-1 when killed by a signal) and signal (0 when none). */
  exit(code: number, signal: number): void;
}

/**
 * A process on a pseudo-terminal. Unlike node-pty's own class it never drops output: after the process's exit it reads on, through pauses
 * of any length, until the terminal is empty.
 */
export class PtyProcess implements TerminalProcess {
  #binding: PtyBinding;
  #events: PtyEvents;
  #descriptor: number;
  #stream: ReadStream;
  #buffer = Buffer.allocUnsafe(READ_LIMIT_BYTES);
  #paused = false;
  #ended = false;
  #status: { code: number; signal: number } | undefined;
  #quietTimer: NodeJS.Timeout | undefined;
  readonly pid: number;

  /** Starts `file` with `args`. Throws when no process or terminal can be made; a missing file ends with exit code 1 and a message. */
  constructor(options: TerminalOptions) {
    this.#binding = loadBinding();
    this.#events = options.events;
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const forked = this.#binding.fork(
      options.file,
      options.args,
      env,
      options.directory,
      options.size.cols,
      options.size.rows,
      -1,
      -1,
      false,
      '',
      (code, signal) => this.#onExit(code, signal),
    );
    this.pid = forked.pid;
    this.#descriptor = forked.fd;
    this.#stream = new ReadStream(forked.fd);
    this.#stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    // EIO is how Linux says that the last holder of the terminal has closed it.
    this.#stream.on('error', () => this.#stream.destroy());
    this.#stream.on('close', () => this.#finish());
  }

  /** Writes to the terminal; `done` is called when the kernel has the bytes (or never will). */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.#ended || this.#stream.destroyed) done();
    else this.#stream.write(bytes, () => done());
  }

  resize(size: TerminalSize): void {
    if (!this.#ended && !this.#stream.destroyed) this.#binding.resize(this.#descriptor, size.cols, size.rows);
  }

  /** Stops reading: the kernel's buffer fills, and the process waits. */
  pause(): void {
    this.#paused = true;
    this.#stream.pause();
    clearTimeout(this.#quietTimer);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stream.resume();
    if (this.#status !== undefined) this.#awaitQuiet();
  }

  /** Sends `signal` to the process and its group; a process that is gone is none of our concern. */
  kill(signal: 'SIGHUP' | 'SIGKILL' | 'SIGCONT'): void {
    if (this.#status !== undefined) return;
    for (const pid of [-this.pid, this.pid]) {
      try {
        process.kill(pid, signal);
      } catch {
        // Gone already.
      }
    }
  }

  /** Gives the terminal up: whoever still holds its other end gets SIGHUP from the kernel. */
  destroy(): void {
    this.#stream.destroy();
  }

  #onData(chunk: Buffer): void {
    // The kernel gives 4 KiB at most per read: take what else is there, so that a flood makes few large frames. Not when chunks wait in the
    // stream: those come first.
    if (this.#stream.readableLength > 0) return this.#emit(chunk);
    let length = 0;
    while (length + chunk.length < READ_LIMIT_BYTES) {
      const read = this.#readMore(length, READ_LIMIT_BYTES - chunk.length - length);
      if (read === 0) break;
      length += read;
    }
    this.#emit(length === 0 ? chunk : Buffer.concat([chunk, this.#buffer.subarray(0, length)]));
  }

  /** One read without waiting; 0 when there is nothing, or the terminal is closed (which the stream finds out, too). */
  #readMore(offset: number, limit: number): number {
    try {
      return readSync(this.#descriptor, this.#buffer, offset, limit, null);
    } catch {
      return 0;
    }
  }

  #emit(bytes: Buffer): void {
    this.#events.output(bytes);
    if (this.#status !== undefined) this.#awaitQuiet();
  }

  #onExit(code: number, signal: number): void {
    this.#status = { code: signal > 0 ? -1 : code, signal };
    if (this.#stream.destroyed) this.#finish();
    else this.#awaitQuiet();
  }

  #awaitQuiet(): void {
    clearTimeout(this.#quietTimer);
    if (!this.#paused && !this.#ended) this.#quietTimer = setTimeout(() => this.#stream.destroy(), AFTER_EXIT_QUIET_MS);
  }

  /** The end: the terminal is empty and the exit status known, whichever came last. */
  #finish(): void {
    clearTimeout(this.#quietTimer);
    if (this.#ended || this.#status === undefined || !this.#stream.destroyed) return;
    this.#ended = true;
    this.#events.exit(this.#status.code, this.#status.signal);
  }
}
