/** Site main's end of the program that makes and checks backups (backup-main.ts). */
import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { programEnvironment } from '@bascule/core/program-environment.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { backupWord, type BackupOrder, type BackupWord } from './backup-order.ts';

const PROGRAM = join(import.meta.dirname, '..', 'backup-main.ts');
/** Its heap; what it moves lies outside of it, in few buffers. */
const HEAP_MAX_MIB = 96;
/** A cancelled program ends by itself within this; while SQLite copies it hears nothing. */
const CANCEL_LIMIT_MS = 3000;

export interface BackupProcessOptions {
  order: BackupOrder;
  log: Log;
  said?(word: BackupWord): void;
  /** For tests: more variables, such as a step at which it ends. */
  environment?: NodeJS.ProcessEnv;
}

export class BackupProcess {
  readonly #child: ChildProcess;
  readonly #done = Promise.withResolvers<BackupWord>();
  readonly #exited = Promise.withResolvers<void>();
  #last: BackupWord | undefined;

  /** Starts it with the least environment; the order goes over the channel, for it holds passwords. */
  constructor({ order, log, said, environment = {} }: BackupProcessOptions) {
    this.#child = fork(PROGRAM, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [`--max-old-space-size=${HEAP_MAX_MIB}`],
      env: { ...programEnvironment(process.env), BASCULE_SITE: undefined, BASCULE_LOG_LEVEL: log.level, ...environment },
    });
    this.#done.promise.catch(() => undefined);
    this.#child.on('message', (value) => {
      const word = backupWord.safeParse(value);
      if (!word.success) return log.warn({ field: word.error.issues[0]?.path.join('.') }, 'backup.message-refused');
      if (word.data.kind !== 'progress') this.#last = word.data;
      said?.(word.data);
    });
    this.#child.on('error', (error) => log.warn({ err: error.message }, 'backup.channel-error'));
    this.#child.once('exit', (code, signal) => this.#gone(signal ?? `code ${code}`));
    if (this.#child.pid === undefined) this.#gone('it could not be started');
    else this.#child.send(order, () => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Its last word, when it has ended. Rejects with what it said was wrong, or with `BACKUP_PROGRAM_ENDED`. */
  async finished(): Promise<BackupWord> {
    return await this.#done.promise;
  }

  /** Ends it, in order within a limit, by force after that; it is gone when this resolves. */
  async cancel(): Promise<void> {
    if (this.#child.connected) this.#child.send('cancel', () => undefined);
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), CANCEL_LIMIT_MS);
    await this.#exited.promise;
    clearTimeout(limit);
  }

  /** Ends it at once, whatever it leaves: a site that stops has no time. It is gone when this resolves. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited.promise;
  }

  #gone(how: string): void {
    const last = this.#last;
    if (last?.kind === 'failed') this.#done.reject(new AppError('unavailable', last.code, last.message));
    else if (last?.kind === 'restorable' || last?.kind === 'measured') this.#done.resolve(last);
    else
      this.#done.reject(
        new AppError(
          'unavailable',
          'BACKUP_PROGRAM_ENDED',
          `The program that makes backups ended by itself (${how}). Try again.`,
          {
            params: { how },
          },
        ),
      );
    this.#exited.resolve();
  }
}
