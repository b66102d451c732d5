/**
 * The writer generation of a site: a file of 20 decimal digits, rewritten in place. base raises it before it starts a writer; every
 * transaction and every recording append compares it with the generation its program was started with, so that a writer of an earlier
 * start, wherever it hung, cannot write any more (docs/architecture.md, "State").
 */
import { closeSync, constants, existsSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolderSync } from '@bascule/core/durable-file.ts';
import { AppError } from '@bascule/errors/app-error.ts';

const DIGITS = 20;

/** Reads the generation; 0 when there is no file yet. Throws `STORE_GENERATION_BROKEN` when the file is not one. */
export function readGeneration(file: string): number {
  if (!existsSync(file)) return 0;
  using check = new GenerationCheck(file, 0);
  return check.current();
}

/** Raises the generation by one, durably, and returns the new one. */
export function raiseGeneration(file: string): number {
  const next = readGeneration(file) + 1;
  const isNew = !existsSync(file);
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    writeSync(descriptor, String(next).padStart(DIGITS, '0'), 0, 'latin1');
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  if (isNew) syncFolderSync(dirname(file));
  return next;
}

/** A cheap check before each write (one pread): whether this program's generation is still the one in force. */
export class GenerationCheck {
  readonly #descriptor: number;
  readonly #own: number;
  readonly #digits = Buffer.alloc(DIGITS);

  constructor(file: string, own: number) {
    this.#descriptor = openSync(file, 'r');
    this.#own = own;
  }

  current(): number {
    const length = readSync(this.#descriptor, this.#digits, 0, DIGITS, 0);
    const text = this.#digits.toString('latin1');
    if (length !== DIGITS || !/^\d{20}$/.test(text)) {
      throw new AppError(
        'internal',
        'STORE_GENERATION_BROKEN',
        'The file that holds the writer generation is damaged; stop the appliance and start it again.',
      );
    }
    return Number(text);
  }

  /** Throws `STORE_FENCED` when another writer has taken over; nothing may be written then. */
  assertCurrent(): void {
    const current = this.current();
    if (current !== this.#own) {
      throw new AppError(
        'unavailable',
        'STORE_FENCED',
        `Another start of the site (generation ${current}) has taken over from this one (${this.#own}); nothing was written.`,
      );
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
