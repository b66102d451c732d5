/** Site main's end of the program that serves (or collects) the scratch copy: a process of its own, so that nothing it does or meets touches the standby (docs/decisions/0251). */
import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { fromRehearsal, type FromRehearsal, type RehearsalStart, type ToRehearsal } from '@bascule/protocol/rehearsal.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'rehearsal-main.ts');
/** The heap of the program; it dies above it, and the standby does not notice. */
export const REHEARSAL_HEAP_MAX_MIB = 1024;
/** Clients' connections that the program has not taken yet; whoever comes above it is cut, and comes back. */
const LINKS_WAITING_MAX = 64;
/** An orderly end: sessions get their last output, recordings their last frame. */
const END_LIMIT_MS = 6000;
/** `TestSession` takes no longer, with the wait for its client. */
const TEST_SESSION_LIMIT_MS = 60_000;

export type TestSessionDone = Extract<FromRehearsal, { kind: 'test-session-done' }>;
type Ready = Extract<FromRehearsal, { kind: 'ready' }>;
type Collected = Extract<FromRehearsal, { kind: 'collected' }>;
type Told = Ready | Collected;

export interface RehearsalChildOptions {
  start: RehearsalStart;
  log: Log;
  clientsChanged(connected: string[]): void;
  /** It has ended without being asked to, after it was ready. */
  gone(why: string): void;
}

export class RehearsalChild {
  readonly #options: RehearsalChildOptions;
  readonly #child: ChildProcess;
  readonly #told = Promise.withResolvers<Told>();
  readonly #exited = Promise.withResolvers<void>();
  readonly #tests = new Map<number, (done: TestSessionDone) => void>();
  #failure: string | undefined;
  #isReady = false;
  #isEnding = false;
  #nonce = 0;
  #linksWaiting = 0;

  constructor(options: RehearsalChildOptions) {
    this.#options = options;
    const { BASCULE_SITE: _site, ...environment } = process.env;
    this.#child = fork(PROGRAM, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [`--max-old-space-size=${REHEARSAL_HEAP_MAX_MIB}`],
      env: { ...environment, BASCULE_LOG_LEVEL: options.log.level, BASCULE_REHEARSAL: JSON.stringify(options.start) },
    });
    this.#told.promise.catch(() => undefined);
    this.#child.on('message', (value) => this.#hear(value));
    this.#child.on('error', (error) => options.log.warn({ err: error.message }, 'rehearsal.channel-error'));
    this.#child.once('exit', (code, signal) => this.#gone(code, signal));
    if (this.#child.pid === undefined) this.#gone(null, null);
  }

  /** Resolves when it listens. Rejects with `REHEARSAL_FAILED`, which says why, when it cannot, or not within `limitMs`. */
  async ready(limitMs: number): Promise<Ready> {
    return (await this.#expect('ready', limitMs)) as Ready;
  }

  /** Resolves with what was collected. Rejects as `ready`. */
  async collected(limitMs: number): Promise<Collected> {
    return (await this.#expect('collected', limitMs)) as Collected;
  }

  /** Hands on a client's connection, unopened. */
  sendLink(socket: Socket, head: Uint8Array, alpn: Extract<ToRehearsal, { kind: 'link' }>['alpn']): void {
    const isFull = this.#linksWaiting >= LINKS_WAITING_MAX;
    if (!this.#isReady || this.#isEnding || isFull || !this.#child.connected) return void socket.destroy();
    const message: ToRehearsal = { kind: 'link', head: new Uint8Array(head), alpn };
    this.#linksWaiting += 1;
    this.#child.send(message, socket, {}, (error) => {
      this.#linksWaiting -= 1;
      if (error) socket.destroy();
    });
  }

  /** A real session on one of the chosen clients that are linked; its outcome. Never rejects. */
  async testSession(): Promise<Pick<TestSessionDone, 'outcome' | 'item' | 'ms' | 'error'>> {
    const nonce = ++this.#nonce;
    const { promise, resolve } = Promise.withResolvers<TestSessionDone>();
    const late = { kind: 'test-session-done', nonce, outcome: 'failed', error: 'The test session did not end in time.' } as const;
    const limit = setTimeout(() => resolve(late), TEST_SESSION_LIMIT_MS);
    this.#tests.set(nonce, resolve);
    this.#send({ kind: 'test-session', nonce });
    const done = await promise;
    clearTimeout(limit);
    this.#tests.delete(nonce);
    return done;
  }

  /** Ends it in order, within a limit; by force after that. It is gone when this resolves. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#send({ kind: 'end' });
    const limit = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT_MS);
    await this.#exited.promise;
    clearTimeout(limit);
  }

  /** Ends it at once. */
  kill(): void {
    this.#isEnding = true;
    this.#child.kill('SIGKILL');
  }

  /** Resolves when it is gone. */
  async whenGone(): Promise<void> {
    await this.#exited.promise;
  }

  async #expect(kind: Told['kind'], limitMs: number): Promise<Told> {
    const limit = setTimeout(() => {
      this.#failure ??= `it was not done within ${Math.round(limitMs / 1000)} s`;
      this.#child.kill('SIGKILL');
    }, limitMs);
    try {
      const told = await this.#told.promise;
      if (told.kind === kind) return told;
      throw failed(`it said ${told.kind}`);
    } finally {
      clearTimeout(limit);
    }
  }

  #send(message: ToRehearsal): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #hear(value: unknown): void {
    const message = fromRehearsal.safeParse(value);
    if (!message.success) {
      this.#options.log.warn({ field: message.error.issues[0]?.path.join('.') }, 'rehearsal.message-refused');
      return;
    }
    switch (message.data.kind) {
      case 'ready':
        this.#isReady = true;
        return this.#told.resolve(message.data);
      case 'collected':
        return this.#told.resolve(message.data);
      case 'failed':
        this.#failure ??= message.data.message;
        return;
      case 'clients':
        return this.#options.clientsChanged(message.data.connected);
      case 'test-session-done':
        this.#tests.get(message.data.nonce)?.(message.data);
    }
  }

  #gone(code: number | null, signal: NodeJS.Signals | null): void {
    closePendingSocket(this.#child);
    const why = this.#failure ?? `its program ended by itself (${signal ?? `code ${code}`})`;
    this.#told.reject(failed(why));
    const error = 'The program of the scratch copy ended meanwhile.';
    for (const [nonce, resolve] of this.#tests) resolve({ kind: 'test-session-done', nonce, outcome: 'failed', error });
    this.#exited.resolve();
    if (this.#isReady && !this.#isEnding) this.#options.gone(why);
  }
}

/** What is wrong with the scratch copy. */
export function failed(why: string): AppError {
  return new AppError('unavailable', 'REHEARSAL_FAILED', `The scratch copy does not open as a site: ${why}`);
}

/** Node keeps the socket whose receipt a child has not confirmed, and forgets to close it when the child dies (as in site-program.ts of base): its client would wait for nothing. */
function closePendingSocket(child: ChildProcess): void {
  const { _pendingMessage: pending } = child as { _pendingMessage?: { handle?: { close?(): void } } | null };
  pending?.handle?.close?.();
}
