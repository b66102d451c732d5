import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { idPattern, type IdKind } from '@bascule/core/ids.ts';
import type { Log } from '@bascule/log/log.ts';

/** One installation's log; what would go beyond it is left out, and said so. */
export const LOG_LIMIT_BYTES = 256 * 1024;
const LINE_LIMIT_CHARACTERS = 2_000;
const LAST_LINE = 'The log has reached its limit; the appliance log goes on.\n';

/** What an installation did, line by line, for people: one text file each. A log that cannot be written never stops an installation. */
export class JournalLog {
  readonly #directory: string;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #kind: IdKind;

  /** `kind`: of whose ids the logs are. */
  constructor(directory: string, log: Log, now: () => number, kind: IdKind = 'installation') {
    this.#directory = directory;
    this.#log = log;
    this.#now = now;
    this.#kind = kind;
  }

  /** Appends one line with the time. */
  write(id: string, text: string): void {
    this.#log.info({ installation: id, text }, 'installation.log');
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      const file = this.#file(id);
      const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
      if (size >= LOG_LIMIT_BYTES) return;
      const line = `${new Date(this.#now()).toISOString()} ${lineOf(text)}\n`;
      appendFileSync(file, size + line.length > LOG_LIMIT_BYTES ? LAST_LINE : line, { mode: 0o600 });
      // The last line brings the file to its limit, so that it stays the last.
      if (size + line.length > LOG_LIMIT_BYTES)
        appendFileSync(file, ' '.repeat(Math.max(0, LOG_LIMIT_BYTES - size - LAST_LINE.length)));
    } catch (error) {
      this.#log.warn({ err: error }, 'installation.log-not-written');
    }
  }

  /** The whole log; empty when there is none. */
  read(id: string): string {
    const file = this.#file(id);
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : '';
  }

  /** Removes the logs of installations that are not kept any more. */
  keepOnly(ids: ReadonlySet<string>): void {
    if (!existsSync(this.#directory)) return;
    for (const name of readdirSync(this.#directory))
      if (!ids.has(name.replace(/\.log$/, ''))) rmSync(join(this.#directory, name), { force: true });
  }

  #file(id: string): string {
    if (!idPattern(this.#kind).test(id)) throw new Error('bug: not the id of an installation');
    return join(this.#directory, `${id}.log`);
  }
}

/** What programs and servers said may be in it: it makes no second line, and steers no terminal. */
function lineOf(text: string): string {
  return text.slice(0, LINE_LIMIT_CHARACTERS).replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}
