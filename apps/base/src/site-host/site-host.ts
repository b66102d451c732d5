import { EventEmitter, once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { homePaths } from '@bascule/core/home.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { FromSite, SiteStart, ToSite } from '@bascule/protocol/base-site.ts';
import { raiseGeneration } from '@bascule/store/generation-file.ts';
import { endLeftovers, noteSitePrograms } from './site-leftovers.ts';
import { SupervisedProgram } from './site-program.ts';

/** How long the site's main program may take to answer a question of base's. */
export const ASK_WAIT_MS = 15_000;

export interface SiteHostOptions {
  paths: ReturnType<typeof homePaths>;
  /** Main files of the two programs. */
  programs: { main: string; relay: string };
  /** All of BASCULE_SITE but the generation, as it is now. */
  siteStart(): Omit<SiteStart, 'generation'>;
  log: Log;
  healthIntervalMs?: number;
  healthSilenceLimitMs?: number;
}

export type SiteState = 'starting' | 'ready' | 'restarting' | 'stopped';

/** Runs the site: its main program and its relay, each restarted alone, under one writer generation. */
export class SiteHost extends EventEmitter<{ change: [] }> {
  readonly main: SupervisedProgram;
  readonly relay: SupervisedProgram;
  readonly #options: SiteHostOptions;
  readonly #pidFile: string;
  #generation = 0;
  #wasReady = false;
  #stopped = false;
  #firstPassword: string | undefined;

  constructor(options: SiteHostOptions) {
    super();
    // Bounded by the connections of the control socket.
    this.setMaxListeners(0);
    this.#options = options;
    this.#pidFile = join(dirname(options.paths.controlSocket), 'site-programs.json');
    const { log, healthIntervalMs, healthSilenceLimitMs } = options;
    const shared = {
      siteStart: () => ({ ...options.siteStart(), generation: this.#generation }),
      log,
      healthIntervalMs,
      healthSilenceLimitMs,
    };
    this.main = new SupervisedProgram({
      ...shared,
      name: 'site',
      program: options.programs.main,
      socketPath: options.paths.site.mainSocket,
    });
    this.relay = new SupervisedProgram({
      ...shared,
      name: 'relay',
      program: options.programs.relay,
      socketPath: options.paths.site.relaySocket,
    });
    for (const program of [this.main, this.relay]) program.on('change', () => this.#changed());
    this.main.on('message', (message) => {
      if (message.kind === 'ready' && message.firstPassword !== undefined) this.#firstPassword = message.firstPassword;
    });
  }

  /** Ends what an earlier base left, raises the generation, which shuts out every earlier writer, and starts both programs. */
  async start(): Promise<void> {
    const { site } = this.#options.paths;
    mkdirSync(site.site, { recursive: true, mode: 0o700 });
    mkdirSync(site.run, { recursive: true, mode: 0o700 });
    await endLeftovers(this.#pidFile);
    this.#generation = raiseGeneration(site.generation);
    this.relay.start();
    this.main.start();
  }

  get ready(): boolean {
    return this.main.ready && this.relay.ready;
  }

  get state(): SiteState {
    if (this.#stopped) return 'stopped';
    if (this.ready) return 'ready';
    return this.#wasReady ? 'restarting' : 'starting';
  }

  /** Why the site cannot work, in its own sentence. */
  get failure(): string | undefined {
    return this.main.failure ?? this.relay.failure;
  }

  /** Waits until both programs are ready; ends early when one says that it cannot work. */
  async whenReady(timeoutMs: number): Promise<'ready' | 'failed' | 'late'> {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      while (!this.ready && this.failure === undefined) await once(this, 'change', { signal });
    } catch {
      return 'late';
    }
    return this.ready ? 'ready' : 'failed';
  }

  processes(): ProcessState[] {
    return [this.main.state, this.relay.state];
  }

  /** The one-time password of the site's first administrator; given out once. */
  takeFirstPassword(): string | undefined {
    const password = this.#firstPassword;
    this.#firstPassword = undefined;
    return password;
  }

  /** Makes the site give `user` a one-time password and returns it. Throws `AppError` with the site's reason, or `SITE_UNAVAILABLE`. */
  async resetPassword(user: string): Promise<string> {
    const answer = await this.#ask((nonce) => ({ kind: 'reset-password', nonce, user }), 'password-reset');
    return wanted(answer.password, answer.error);
  }

  /** Makes the site remove every second factor of `user`. Errors as `resetPassword`. */
  async resetSecondFactor(user: string): Promise<void> {
    const { error } = await this.#ask((nonce) => ({ kind: 'reset-second-factor', nonce, user }), 'second-factor-reset');
    if (error !== undefined) throw refused(error);
  }

  /** A single-use installer token for this machine. Errors as `resetPassword`. */
  async localClientToken(): Promise<string> {
    const answer = await this.#ask((nonce) => ({ kind: 'local-client-token', nonce }), 'local-client-token');
    return wanted(answer.token, answer.error);
  }

  /** Tells both programs that the web is served with another key now. */
  tellWebKey(webKeyPin: string): void {
    for (const program of [this.main, this.relay]) program.send({ kind: 'web-key', webKeyPin });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // main first: it closes sessions and links in order while the relay still answers it.
    await this.main.stop();
    await this.relay.stop();
  }

  #changed(): void {
    if (this.ready) this.#wasReady = true;
    noteSitePrograms(
      this.#pidFile,
      [this.main.identity, this.relay.identity].filter((identity) => identity !== undefined),
    );
    this.emit('change');
  }

  #ask<K extends 'password-reset' | 'second-factor-reset' | 'local-client-token'>(
    question: (nonce: number) => ToSite,
    kind: K,
  ): Promise<Extract<FromSite, { kind: K }>> {
    const nonce = this.main.nextNonce();
    return new Promise((resolve, reject) => {
      const finish = (answer?: Extract<FromSite, { kind: K }>): void => {
        clearTimeout(timer);
        this.main.off('message', hear);
        this.main.off('change', change);
        if (answer === undefined) reject(unavailable());
        else resolve(answer);
      };
      const hear = (message: FromSite): void => {
        if (message.kind === kind && 'nonce' in message && message.nonce === nonce)
          finish(message as Extract<FromSite, { kind: K }>);
      };
      const change = (): void => {
        if (!this.main.ready) finish();
      };
      const timer = setTimeout(finish, ASK_WAIT_MS);
      this.main.on('message', hear);
      this.main.on('change', change);
      if (!this.main.ready || !this.main.send(question(nonce))) finish();
    });
  }
}

function wanted(value: string | undefined, error: string | undefined): string {
  if (value !== undefined) return value;
  throw refused(error ?? 'The site gave no reason.');
}

function refused(reason: string): AppError {
  return new AppError('invalid', 'SITE_REFUSED', reason);
}

function unavailable(): AppError {
  return new AppError('unavailable', 'SITE_UNAVAILABLE', 'The site is starting or stopped; try again in a few seconds.', {
    retryAfterSeconds: 5,
  });
}
