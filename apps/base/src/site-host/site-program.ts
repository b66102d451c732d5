import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import type net from 'node:net';
import { identifyProcess, type ProcessIdentity } from '@bascule/core/process-identity.ts';
import { countFailure, restartWaitMs } from '@bascule/core/restart-wait.ts';
import { ownUserName } from '@bascule/core/user-name.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import { fromSite, type FromSite, type SiteStart, type ToSite } from '@bascule/protocol/base-site.ts';
import type { SiteProgram } from '../front/front.ts';

export const HEALTH_INTERVAL_MS = 10_000;
/** A program that has not answered for this long (also at its start: a migration may take its time) is killed and started again. */
export const HEALTH_SILENCE_LIMIT_MS = 30_000;
export const START_LIMIT_MS = 120_000;
export const STOP_WAIT_MS = 5_000;
/** Requests that were sent to a program are with it, and most of them answered, after this. */
export const ANSWERS_WAIT_MS = 250;

export interface SiteProgramOptions {
  name: 'site' | 'relay';
  /** Its main file. */
  program: string;
  /** The Node that runs it. */
  node: string;
  socketPath: string;
  /** What BASCULE_SITE holds at the next start, but for the mode. */
  siteStart(): SiteStart;
  log: Log;
  healthIntervalMs?: number;
  healthSilenceLimitMs?: number;
}

interface SiteProgramEvents {
  /** Started, prepared, ready, or gone. */
  change: [];
  /** Nothing that was sent to it waits for an answer. */
  answered: [];
  message: [FromSite];
}

export type Prepared = Extract<FromSite, { kind: 'prepared' }>;

/** One program of the site: runs it, restarts it alone when it dies, watches its health, and speaks protocol/base-site.ts with it. */
export class SupervisedProgram extends EventEmitter<SiteProgramEvents> implements SiteProgram {
  readonly #options: SiteProgramOptions;
  readonly #log: Log;
  #child: ChildProcess | undefined;
  #identity: ProcessIdentity | undefined;
  #state: ProcessState['state'] = 'waiting';
  #startedAtMs = 0;
  #starts = 0;
  #failures = 0;
  #deaths = 0;
  #failure: string | undefined;
  #prepared: Prepared | undefined;
  /** Whether it is started again when it dies: not before it was given the state, and not after it was told to stop. */
  #isKept = false;
  #stopping = false;
  #restartTimer: NodeJS.Timeout | undefined;
  #healthTimer: NodeJS.Timeout | undefined;
  #heardAtMs = 0;
  #nonce = 0;
  #unanswered = 0;
  /** While another version takes over: connections for it are held, links too, instead of being closed. */
  switching = false;

  constructor(options: SiteProgramOptions) {
    super();
    this.#options = options;
    this.#log = options.log.child({ child: options.name });
    // Every request that waits for this program listens once.
    this.setMaxListeners(0);
  }

  get socketPath(): string {
    return this.#options.socketPath;
  }
  get ready(): boolean {
    return this.#state === 'ready';
  }
  /** Whether there is a process. */
  get alive(): boolean {
    return this.#child !== undefined;
  }
  /** Why it cannot work, in its own words, since its last start. */
  get failure(): string | undefined {
    return this.#failure;
  }
  /** What it said when it was loaded and had read the state; undefined before, and for one that was started to serve. */
  get prepared(): Prepared | undefined {
    return this.#prepared;
  }
  /** How often it ended although nobody had told it to. */
  get deaths(): number {
    return this.#deaths;
  }
  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }
  get state(): ProcessState {
    return {
      name: this.#options.name,
      pid: this.#child?.pid ?? 0,
      user: ownUserName(),
      startedAtMs: this.#startedAtMs,
      restarts: Math.max(0, this.#starts - 1),
      state: this.#state,
    };
  }

  /** Starts it to serve, and again whenever it dies. */
  start(): void {
    this.#isKept = true;
    this.#spawn('serve');
  }

  /** Starts it once, to load everything and wait for `activate` (or, with `trial`, to serve nobody); a death is then an end. */
  startOnce(mode: 'prepare' | 'trial'): void {
    this.#spawn(mode);
  }

  /** Makes a prepared program the writer of `generation`; from now on it is kept alive. False when it is gone. */
  activate(generation: number): boolean {
    this.#isKept = true;
    this.#heardAtMs = performance.now();
    return this.send({ kind: 'activate', generation });
  }

  /** True when the program is ready within `timeoutMs`. */
  async whenReady(timeoutMs: number): Promise<boolean> {
    const signal = AbortSignal.timeout(Math.max(1, Math.ceil(timeoutMs)));
    try {
      while (!this.ready) await once(this, 'change', { signal });
      return true;
    } catch {
      return false;
    }
  }

  /** Sends `message`; false when the program is not there. */
  send(message: ToSite): boolean {
    return this.#child?.connected === true && (this.#child.send(message, () => undefined), true);
  }

  sendLink(message: ToSite, socket: net.Socket, onSent: () => void): boolean {
    if (!this.ready || this.#child?.connected !== true) return false;
    this.#child.send(message, socket, {}, onSent);
    return true;
  }

  /** Counts a request until its answer begins. */
  requestSent(): () => void {
    this.#unanswered++;
    let counts = true;
    return () => {
      if (!counts) return;
      counts = false;
      if (--this.#unanswered === 0) this.emit('answered');
    };
  }

  /**
   * Before it is told to stop: resolves when it has answered what was sent to it, or after ANSWERS_WAIT_MS. By then it has taken everything, and finishes
   * it; a request that lay in its socket unread would be lost, and one that changes something cannot be sent twice.
   */
  async whenAnswered(): Promise<void> {
    if (this.#unanswered === 0 || !this.ready) return;
    await once(this, 'answered', { signal: AbortSignal.timeout(ANSWERS_WAIT_MS) }).catch(() => undefined);
  }

  /** A number for a question whose answer carries it back. */
  nextNonce(): number {
    return ++this.#nonce;
  }

  /** Ends it in order; kills it when it is still there after `killAfterMs`. Resolves when it is gone, and it stays so. */
  async stop(options: { comeBackAtOnce?: boolean; killAfterMs?: number } = {}): Promise<void> {
    this.#stopping = true;
    this.#isKept = false;
    clearTimeout(this.#restartTimer);
    const child = this.#child;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    this.send({ kind: 'stop', ...(options.comeBackAtOnce === true && { comeBackAtOnce: true }) });
    const killer = setTimeout(() => child.kill('SIGKILL'), options.killAfterMs ?? STOP_WAIT_MS);
    await gone;
    clearTimeout(killer);
  }

  #spawn(mode: 'serve' | 'prepare' | 'trial'): void {
    const start: SiteStart = { ...this.#options.siteStart(), ...(mode !== 'serve' && { mode }) };
    const child = spawn(this.#options.node, [this.#options.program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, BASCULE_SITE: JSON.stringify(start) },
    });
    this.#child = child;
    this.#identity = child.pid === undefined ? undefined : identifyProcess(child.pid);
    this.#starts++;
    this.#startedAtMs = Date.now();
    this.#failure = undefined;
    this.#prepared = undefined;
    this.#state = 'starting';
    child.on('message', (message) => this.#hear(message));
    child.on('error', (error) => this.#log.warn({ message: error.message }, 'site-program.channel-error'));
    child.once('exit', (code, signal) => {
      closePendingSocket(child);
      this.#gone(code, signal);
    });
    if (child.pid === undefined) return this.#gone(null, null);
    this.#watchHealth(child);
    this.#log.info({ childPid: child.pid, restarts: this.#starts - 1, mode }, 'site-program.started');
    this.emit('change');
  }

  #hear(raw: unknown): void {
    const parsed = fromSite.safeParse(raw);
    if (!parsed.success) {
      this.#log.warn({ field: parsed.error.issues[0]?.path.join('.') ?? '' }, 'site-program.message-refused');
      return;
    }
    this.#heardAtMs = performance.now();
    const message = parsed.data;
    if (message.kind === 'failed') {
      this.#failure = message.message;
      this.#state = 'failed';
      this.#log.error({ reason: message.message }, 'site-program.failed');
    }
    if (message.kind === 'prepared') this.#prepared = message;
    // Main keeps a lease only while it hears from us: whoever comes to it comes through here.
    if (message.kind === 'pair-state' && message.role !== 'single') this.send({ kind: 'health', nonce: this.nextNonce() });
    this.emit('message', message);
    if (message.kind === 'ready') {
      this.#state = 'ready';
      this.#log.info({ afterMs: Date.now() - this.#startedAtMs }, 'site-program.ready');
    }
    if (message.kind === 'ready' || message.kind === 'failed' || message.kind === 'prepared') this.emit('change');
  }

  #watchHealth(child: ChildProcess): void {
    this.#heardAtMs = performance.now();
    const silenceLimitMs = this.#options.healthSilenceLimitMs ?? HEALTH_SILENCE_LIMIT_MS;
    this.#healthTimer = setInterval(() => {
      const silentMs = performance.now() - this.#heardAtMs;
      // A prepared one waits in silence for as long as base lets it.
      const isWaiting = this.#prepared !== undefined && !this.#isKept;
      if (!isWaiting && silentMs > (this.ready ? silenceLimitMs : START_LIMIT_MS)) {
        this.#log.error({ childPid: child.pid, silentMs: Math.round(silentMs) }, 'site-program.hangs');
        child.kill('SIGKILL');
      } else if (this.ready) this.send({ kind: 'health', nonce: this.nextNonce() });
    }, this.#options.healthIntervalMs ?? HEALTH_INTERVAL_MS);
  }

  #gone(code: number | null, signal: string | null): void {
    clearInterval(this.#healthTimer);
    this.#child = undefined;
    this.#identity = undefined;
    this.#prepared = undefined;
    const livedMs = Date.now() - this.#startedAtMs;
    this.#failures = countFailure(this.#failures, livedMs);
    if (!this.#stopping) this.#deaths++;
    if (this.#failure === undefined) this.#state = 'waiting';
    const waitMs = restartWaitMs(this.#failures);
    this.#log[this.#stopping ? 'info' : 'warn'](
      { exitCode: code, signal, livedMs, restartInMs: this.#isKept ? waitMs : null },
      'site-program.gone',
    );
    if (this.#isKept) this.#restartTimer = setTimeout(() => this.#spawn('serve'), waitMs);
    this.emit('change');
  }
}

/**
 * Node keeps the socket whose receipt a child has not confirmed, and forgets to close it when the child dies: its client would wait for nothing and the
 * descriptor be lost (Node 26.10; front.proc.test.ts counts descriptors).
 */
function closePendingSocket(child: ChildProcess): void {
  const { _pendingMessage: pending } = child as { _pendingMessage?: { handle?: { close?(): void } } | null };
  pending?.handle?.close?.();
}
