/** `bascule-client status | check-in | uninstall`: a person on the machine asks the program that runs there. One JSON line each way. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';

const LINE_MAX_BYTES = 16 * 1024;
const ANSWER_LIMIT_MS = 10_000;
/** Questions that are answered at the same time. */
const CONNECTIONS_LIMIT = 16;

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
  readonly #server: Server;
  readonly #descriptor: number | undefined;

  private constructor(server: Server, descriptor: number | undefined) {
    this.#server = server;
    this.#descriptor = descriptor;
  }

  static async open(stateDirectory: string, handle: (command: LocalCommand) => Promise<LocalAnswer>): Promise<LocalControl> {
    const { path, descriptor } = addressOf(stateDirectory);
    const server = createServer((socket) => serve(socket, handle));
    server.maxConnections = CONNECTIONS_LIMIT;
    server.unref();
    // The home's lock is ours: whatever lies there is of a program that is gone.
    if (process.platform !== 'win32') rmSync(join(stateDirectory, 'control.sock'), { force: true });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
    return new LocalControl(server, descriptor);
  }

  close(): void {
    this.#server.close();
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }
}

/** Asks the program whose home is `stateDirectory`; undefined when none runs there. Rejects when this user may not ask, or no answer comes. */
export async function askLocally(stateDirectory: string, command: LocalCommand): Promise<LocalAnswer | undefined> {
  if (process.platform !== 'win32' && !existsSync(stateDirectory)) return undefined;
  const { path, descriptor } = addressOf(stateDirectory);
  try {
    const socket = await connected(path);
    if (socket === undefined) return undefined;
    socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error('The program does not answer.')));
    socket.write(`${JSON.stringify({ command })}\n`);
    return answer.parse(JSON.parse(await lineOf(socket)));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The path of a socket may have 107 bytes only, so it is named through the folder's descriptor; on Windows it is a pipe. */
function addressOf(stateDirectory: string): { path: string; descriptor: number | undefined } {
  if (process.platform === 'win32') {
    const name = createHash('sha256').update(stateDirectory.toLowerCase()).digest('hex').slice(0, 32);
    return { path: `\\\\.\\pipe\\bascule-${name}`, descriptor: undefined };
  }
  const descriptor = openSync(stateDirectory, 'r');
  return { path: `/proc/self/fd/${descriptor}/control.sock`, descriptor };
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
