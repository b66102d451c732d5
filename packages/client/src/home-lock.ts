/** One program at a time on a client's home: what holds it is let go by the system when the program dies in whatever way. */
import { closeSync, openSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';

/** libuv's UV_FS_O_EXLOCK on Windows: a file that nobody else may open as long as it is open here. */
const EXCLUSIVE_SHARING = 0x1000_0000;
const OPEN_OR_CREATE = 0x0100;
const READ_WRITE = 0x0002;

export interface HomeLock {
  release(): void;
}

/** Takes the lock of `directory`; undefined when another program holds it. Throws what the file system says. */
export async function takeHomeLock(directory: string): Promise<HomeLock | undefined> {
  return process.platform === 'win32' ? lockByFile(directory) : await lockBySocket(directory);
}

/** Not a named pipe: those have names that any user of the machine can take first. */
function lockByFile(directory: string): HomeLock | undefined {
  try {
    const descriptor = openSync(join(directory, 'lock'), READ_WRITE | OPEN_OR_CREATE | EXCLUSIVE_SHARING);
    return { release: () => closeSync(descriptor) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return undefined;
    throw error;
  }
}

/** A listening Unix socket, named through the directory's descriptor, for the path of a socket may have 107 bytes only. */
async function lockBySocket(directory: string): Promise<HomeLock | undefined> {
  const descriptor = openSync(directory, 'r');
  const path = `/proc/self/fd/${descriptor}/lock.sock`;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const server = await listen(path);
    if (server !== undefined)
      return {
        release: () => {
          server.close();
          closeSync(descriptor);
        },
      };
    if (await answers(path)) break;
    unlinkSync(path);
  }
  closeSync(descriptor);
  return undefined;
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(path, () => resolve(server));
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
