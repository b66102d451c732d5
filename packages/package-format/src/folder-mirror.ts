import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import { isSafePath, printable } from './tar-format.ts';
import type { Mirror } from './mirror.ts';

/** A mirror in a folder that holds `metadata/` and `targets/`: a copied repository, a mounted disk. */
export class FolderMirror implements Mirror {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  describe(): string {
    return this.#directory;
  }

  async metadata(name: string, maxBytes: number, _signal?: AbortSignal): Promise<Buffer | undefined> {
    if (!isSafePath(name) || name.includes('/')) return undefined;
    const handle = await open(join(this.#directory, 'metadata', name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw unreadable(this.#directory, error);
    });
    if (!handle) return undefined;
    try {
      const { size } = await handle.stat();
      if (size > maxBytes)
        throw new AppError(
          'too-large',
          'MIRROR_TOO_LARGE',
          `${this.#directory} has more than ${maxBytes} bytes for ${name}; that was refused.`,
        );
      return await handle.readFile();
    } catch (error) {
      throw unreadable(this.#directory, error);
    } finally {
      await handle.close();
    }
  }

  async *target(path: string, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    if (!isSafePath(path)) throw missing(this.#directory, path);
    try {
      yield* createReadStream(join(this.#directory, 'targets', path), { start: from, signal }) as AsyncIterable<Buffer>;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw missing(this.#directory, path);
      signal?.throwIfAborted();
      throw unreadable(this.#directory, error);
    }
  }
}

function missing(directory: string, path: string): AppError {
  return new AppError(
    'not-found',
    'MIRROR_TARGET_MISSING',
    `${directory} does not have ${printable(path)}. Copy the repository again.`,
  );
}

function unreadable(directory: string, error: unknown): unknown {
  if (error instanceof AppError) return error;
  return new AppError('unavailable', 'MIRROR_UNREACHABLE', `${directory} cannot be read (${(error as Error).message}).`, {
    cause: error,
  });
}
