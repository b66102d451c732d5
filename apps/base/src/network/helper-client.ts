import net from 'node:net';
import type { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { helperAnswer, helperDescription, type HelperDescription } from '@bascule/protocol/helper-verbs.ts';

/** The helper answers at once, or when iproute2 has ended; a hook may take longer. */
export const HELPER_WAIT_MS = 8_000;
export const HOOK_WAIT_MS = 35_000;
const ANSWER_MAX_CHARACTERS = 1024 * 1024;
/** What the helper can do changes with the operating system's package. */
const DESCRIPTION_LIFE_MS = 60_000;

/** base's side of the helper (docs/spec/boot.md, 5): one connection for each question. */
export class HelperClient {
  readonly #socketPath: string;
  #description: { at: number; text: HelperDescription } | undefined;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Throws `HELPER_ABSENT` (nothing runs as root here), `HELPER_SILENT`. */
  async describe(): Promise<HelperDescription> {
    const nowMs = performance.now();
    if (this.#description !== undefined && nowMs - this.#description.at < DESCRIPTION_LIFE_MS) return this.#description.text;
    this.#description = undefined;
    const text = await this.ask('describe', {}, helperDescription);
    this.#description = { at: nowMs, text };
    return text;
  }

  /** Whether the helper has `verb`; false also when there is none. */
  async can(verb: string): Promise<boolean> {
    try {
      return (await this.describe()).verbs.includes(verb);
    } catch {
      return false;
    }
  }

  /** Throws `HELPER_ABSENT`, `HELPER_SILENT`, and `HELPER_REFUSED` with the helper's own sentence. */
  async ask<T>(verb: string, args: Record<string, string>, answer: z.ZodType<T>, waitMs = HELPER_WAIT_MS): Promise<T> {
    const text = await exchange(this.#socketPath, `${JSON.stringify({ verb, ...args })}\n`, waitMs);
    let parsed: z.infer<typeof helperAnswer>;
    try {
      parsed = helperAnswer.parse(JSON.parse(text));
      if (parsed.ok) return answer.parse(parsed.result);
    } catch (error) {
      throw silent('its answer cannot be read', error);
    }
    throw new AppError('conflict', 'HELPER_REFUSED', `The helper refused: ${parsed.error}.`, {
      params: { reason: parsed.error },
    });
  }
}

function exchange(path: string, line: string, waitMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(path);
    let text = '';
    const timer = setTimeout(() => socket.destroy(new Error('late')), waitMs);
    socket.setEncoding('utf8');
    socket.on('data', (piece: string) => {
      text += piece;
      if (text.length > ANSWER_MAX_CHARACTERS) socket.destroy(new Error('too long'));
    });
    socket.once('connect', () => socket.write(line));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const isAbsent = error.code === 'ENOENT' || error.code === 'EACCES' || error.code === 'ENOTDIR';
      reject(isAbsent ? absent() : silent(error.message, error));
    });
    socket.once('close', () => {
      clearTimeout(timer);
      if (text.endsWith('\n')) resolve(text);
      else reject(silent('it hung up', undefined));
    });
  });
}

function absent(): AppError {
  return new AppError(
    'conflict',
    'HELPER_ABSENT',
    'Nothing of this appliance runs as root, so that it cannot change the machine.',
  );
}

function silent(reason: string, cause: unknown): AppError {
  return new AppError('unavailable', 'HELPER_SILENT', `The helper does not answer: ${reason}.`, { cause, params: { reason } });
}
