import { me } from '@bascule/protocol/api/auth.ts';
import { attachTicket, isFinalAttachRefusal } from '@bascule/protocol/api/access-sessions.ts';
import type { ViewerNotice } from '@bascule/protocol/data-link.ts';
import { EndReason } from '@bascule/protocol/end-reason.ts';
import { ViewerClient, type ViewerStatus } from '@bascule/wire/viewer-client.ts';
import { EscapeFilter } from './escape-filter.ts';
import { ConsoleError, ExitCode } from './exit-code.ts';
import { SiteRefusal, type SiteConnection } from './site-connection.ts';
import type { Terminal } from './terminal.ts';

/** A person who types keeps the login alive; the site is told at most this often. */
const PRESENCE_EVERY_MS = 60_000;
/** A break shorter than this is not worth a word. */
const WORD_AFTER_MS = 1500;
/** A signal's exit code, as shells give it. */
const SIGNAL_BASE = 128;

/** How the shell was left. */
export type ShellEnd =
  /** By `~.`, or because the terminal was closed: the session goes on. `unsent`: bytes typed that are not known to have arrived. */
  | { kind: 'left'; unsent: number }
  | { kind: 'exited'; code: number }
  | { kind: 'ended'; reason: EndReason }
  /** This console can no more have it; the session may go on. */
  | { kind: 'refused'; error: Error; unsent: number };

export interface ShellOptions {
  connection: SiteConnection;
  session: string;
  /** The Jump Item's name. */
  name: string;
  terminal: Terminal;
  /** Whether `~.` leaves. */
  escape: boolean;
  /** Says something outside of the screen: standard error when that is not the terminal itself. */
  say(text: string): void;
  /** Called when the session is there. */
  worked(): void;
}

/** One access session in the person's own terminal: every key is passed on once, whatever happens to the way between. */
export class Shell {
  readonly #options: ShellOptions;
  readonly #client: ViewerClient;
  readonly #filter: EscapeFilter | undefined;
  readonly #ended = Promise.withResolvers<ShellEnd>();
  #exit: { code: number; signal: number } | undefined;
  #error: Error | undefined;
  #isLinked = true;
  #hasAgent = true;
  #isPaused = false;
  #saidAway = false;
  #wordTimer: NodeJS.Timeout | undefined;
  #presentAtMs = performance.now();
  #kept: Uint8Array | undefined;

  constructor(options: ShellOptions) {
    this.#options = options;
    const { connection, session, terminal } = options;
    this.#filter = options.escape ? new EscapeFilter() : undefined;
    this.#client = new ViewerClient({
      size: terminal.size(),
      open: () => connection.openStream(),
      getTicket: () => ticketFor(connection, session),
      onScreen: ({ text }, shown) => {
        terminal.showScreen(text, shown);
        this.#fit();
      },
      onOutput: (bytes, shown) => terminal.write(bytes, shown),
      onExit: (exit) => (this.#exit = exit),
      onNotice: (notice) => this.#notice(notice),
      onStatus: (status) => this.#status(status),
      onUnconfirmed: () => this.#typeKept(),
      onError: (error) => (this.#error = error),
    });
  }

  /** Runs until the shell ends or is left; the terminal is given back as it was. */
  async run(): Promise<ShellEnd> {
    const { terminal } = this.#options;
    terminal.start({
      typed: (bytes) => this.#typed(bytes),
      resized: () => this.#fit(),
      gone: () => this.#leave(),
    });
    this.#client.connect();
    try {
      const end = await this.#ended.promise;
      return end;
    } finally {
      clearTimeout(this.#wordTimer);
      this.#client.close();
      terminal.stop({ calm: this.#exit === undefined });
    }
  }

  #typed(typed: Uint8Array): void {
    const { bytes, leaves } = this.#filter?.push(typed) ?? { bytes: typed, leaves: false };
    if (bytes.length > 0) this.#type(bytes);
    this.#notePresence();
    if (leaves) this.#leave();
  }

  /** When too much waits already the bytes are kept here, and no other key is read until there is room. */
  #type(bytes: Uint8Array): void {
    if (this.#client.send(bytes)) return;
    this.#kept = bytes;
    this.#options.terminal.pause();
  }

  #typeKept(): void {
    const kept = this.#kept;
    if (kept === undefined) return;
    this.#kept = undefined;
    this.#type(kept);
    if (this.#kept === undefined) this.#options.terminal.resume();
  }

  #leave(): void {
    this.#ended.resolve({ kind: 'left', unsent: this.#unsent() });
  }

  #unsent(): number {
    return this.#client.unconfirmedInput().bytes + (this.#kept?.length ?? 0);
  }

  #fit(): void {
    const { cols, rows } = this.#options.terminal.size();
    this.#client.resize(cols, rows);
  }

  #status(status: ViewerStatus): void {
    if (status === 'ended') return void this.#givenUp();
    this.#isLinked = status === 'live';
    if (this.#isLinked) this.#options.worked();
    this.#tell();
  }

  #notice(notice: ViewerNotice): void {
    if (notice.kind === 'ended') {
      this.#ended.resolve(
        notice.reason === EndReason.processExited || this.#exit !== undefined
          ? { kind: 'exited', code: this.#exitCode(notice.exitCode) }
          : { kind: 'ended', reason: notice.reason },
      );
      return;
    }
    if (notice.kind === 'agent') this.#hasAgent = notice.connected;
    else this.#isPaused = notice.paused;
    this.#tell();
  }

  #exitCode(noted: number | null): number {
    if (this.#exit === undefined) return noted ?? ExitCode.sessionEnded;
    return this.#exit.signal === 0 ? this.#exit.code : SIGNAL_BASE + this.#exit.signal;
  }

  #givenUp(): void {
    const error = this.#error ?? new Error('the session is over');
    if (this.#exit === undefined) this.#ended.resolve({ kind: 'refused', error, unsent: this.#unsent() });
    else this.#ended.resolve({ kind: 'exited', code: this.#exitCode(null) });
  }

  /** Away and back, in plain words; a blink is not told. */
  #tell(): void {
    const isFine = this.#isLinked && this.#hasAgent && !this.#isPaused;
    if (isFine) {
      clearTimeout(this.#wordTimer);
      this.#wordTimer = undefined;
      if (this.#saidAway) this.#say('connected again; everything you typed is there.', '');
      this.#saidAway = false;
      return;
    }
    this.#wordTimer ??= setTimeout(() => {
      this.#saidAway = true;
      const what = this.#isLinked
        ? this.#hasAgent
          ? 'the recording is paused at the site'
          : 'the machine is away'
        : 'the connection is lost';
      this.#say(`${what}; trying again. What you type is kept and arrives once.`, `${what}, trying again`);
    }, WORD_AFTER_MS);
  }

  #say(sentence: string, title: string): void {
    const { name, terminal, say } = this.#options;
    terminal.setTitle(title === '' ? name : `${name}: ${title}`);
    say(`${name}: ${sentence}`);
  }

  #notePresence(): void {
    const nowMs = performance.now();
    if (nowMs - this.#presentAtMs < PRESENCE_EVERY_MS) return;
    this.#presentAtMs = nowMs;
    // What it answers does not matter here: a login that has ended shows at the next attach.
    this.#options.connection.call('GET', 'auth/me', me).catch(() => undefined);
  }
}

async function ticketFor(connection: SiteConnection, session: string): Promise<string> {
  try {
    return (await connection.call('POST', `access-sessions/${session}/attach`, attachTicket, {})).ticket;
  } catch (error) {
    const isFinal =
      (error instanceof SiteRefusal && isFinalAttachRefusal(error)) ||
      (error instanceof ConsoleError && error.exitCode === ExitCode.certificate);
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { permanent: isFinal });
  }
}
