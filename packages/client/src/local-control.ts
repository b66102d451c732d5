/** `bascule-client status | check-in | uninstall`: a person on the machine asks the program that runs there. One JSON line each way. */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileDurablySync } from '@bascule/core/durable-file.ts';

const LINE_MAX_BYTES = 16 * 1024;
const ANSWER_LIMIT_MS = 10_000;
/** Questions that are answered at the same time. */
const CONNECTIONS_LIMIT = 16;
/** A program that cannot be asked works all the same, and tries again after this time. */
const LISTEN_AGAIN_MS = 60_000;
/** On Windows: the name of the pipe, in the folder that is closed to others. */
const PIPE_FILE = 'control-pipe';
const PIPE_NAME = /^bascule-[0-9a-f]{32}$/;

export const LOCAL_COMMANDS = ['status', 'check-in', 'uninstall'] as const;
export type LocalCommand = (typeof LOCAL_COMMANDS)[number];

const question = z.object({ command: z.enum(LOCAL_COMMANDS) });
const answer = z.object({
  /** The exit code of the command. */
  code: z.number().int().min(0).max(255),
  /** For a person. */
  lines: z.array(z.string()).max(50),
  /** Whether a supervisor keeps the program running; absent from programs that do not say. */
  supervised: z.boolean().optional(),
});
export type LocalAnswer = z.infer<typeof answer>;

/** Answers questions until it is closed. Only the user that the program runs as (and root) may ask: the folder is closed to others. */
export class LocalControl {
  readonly #stateDirectory: string;
  readonly #server: Server;
  readonly #onFailure: (error: unknown) => void;
  #descriptor: number | undefined;
  #again: NodeJS.Timeout | undefined;

  private constructor(
    stateDirectory: string,
    handle: (command: LocalCommand) => Promise<LocalAnswer>,
    onFailure: (error: unknown) => void,
  ) {
    this.#stateDirectory = stateDirectory;
    this.#onFailure = onFailure;
    this.#server = createServer((socket) => serve(socket, handle));
    this.#server.maxConnections = CONNECTIONS_LIMIT;
    this.#server.unref();
    this.#server.on('error', () => undefined);
  }

  /** When it cannot listen (a full disk, a name that is taken) it says so to `onFailure`, and tries again later: nobody may keep the program from its work so. */
  static async open(
    stateDirectory: string,
    handle: (command: LocalCommand) => Promise<LocalAnswer>,
    onFailure: (error: unknown) => void = () => undefined,
  ): Promise<LocalControl> {
    const control = new LocalControl(stateDirectory, handle, onFailure);
    await control.#listen();
    return control;
  }

  close(): void {
    clearTimeout(this.#again);
    this.#server.close();
    this.#release();
  }

  async #listen(): Promise<void> {
    try {
      const path = this.#newAddress();
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      this.#release();
      this.#again = setTimeout(() => void this.#listen(), LISTEN_AGAIN_MS).unref();
      this.#onFailure(error);
    }
  }

  #newAddress(): string {
    if (process.platform === 'win32') return newPipe(this.#stateDirectory);
    // The home's lock is ours: whatever lies there is of a program that is gone.
    rmSync(join(this.#stateDirectory, 'control.sock'), { force: true });
    this.#descriptor = openSync(this.#stateDirectory, 'r');
    return socketPath(this.#descriptor);
  }

  #release(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}

/** Asks the program whose home is `stateDirectory`; undefined when none runs there. Rejects when this user may not ask, or no answer comes. */
export async function askLocally(stateDirectory: string, command: LocalCommand): Promise<LocalAnswer | undefined> {
  if (process.platform !== 'win32' && !existsSync(stateDirectory)) return undefined;
  const descriptor = process.platform === 'win32' ? undefined : openSync(stateDirectory, 'r');
  try {
    const path = descriptor === undefined ? knownPipe(stateDirectory) : socketPath(descriptor);
    const socket = path === undefined ? undefined : await connected(path);
    if (socket === undefined) return undefined;
    socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error('The program does not answer.')));
    socket.write(`${JSON.stringify({ command })}\n`);
    return answer.parse(JSON.parse(await lineOf(socket)));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The path of a socket may have 107 bytes only, so it is named through the folder's descriptor. */
const socketPath = (descriptor: number) => `/proc/self/fd/${descriptor}/control.sock`;

/** A pipe of a name that nobody can know, and take, before; for Windows, whose pipes lie in no folder. Throws what the file system says. */
export function newPipe(stateDirectory: string): string {
  const name = `bascule-${randomBytes(16).toString('hex')}`;
  writeFileDurablySync(join(stateDirectory, PIPE_FILE), name);
  return `\\\\.\\pipe\\${name}`;
}

/** The pipe of the program that runs, or ran last; undefined when there is none. Throws when this user may not know. */
export function knownPipe(stateDirectory: string): string | undefined {
  const file = join(stateDirectory, PIPE_FILE);
  const name = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return PIPE_NAME.test(name) ? `\\\\.\\pipe\\${name}` : undefined;
}

function connected(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.off('error', onError);
      resolve(socket);
    });
    const onError = (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? resolve(undefined) : reject(error);
    socket.once('error', onError);
  });
}

function serve(socket: Socket, handle: (command: LocalCommand) => Promise<LocalAnswer>): void {
  socket.on('error', () => socket.destroy());
  socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy());
  lineOf(socket)
    .then((line) => handle(question.parse(JSON.parse(line)).command))
    .then(
      (reply) => socket.end(`${JSON.stringify(reply)}\n`),
      () => socket.destroy(),
    );
}

async function lineOf(socket: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('utf8');
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > LINE_MAX_BYTES) reject(new Error('The line is too long.'));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('The program did not answer.')));
  });
}
