import type { FaceSessions, SessionMessage, SessionsContext } from '@bascule/client/face.ts';
import type { HeldSession } from '@bascule/protocol/control-link.ts';
import { ShellSession } from './shell-session.ts';

/** Sessions at one time; also what `hello` may name. */
export const SESSIONS_LIMIT = 256;
const CHECK_INTERVAL_MS = 5000;
/** How long shells wait for the site's answer to `goodbye` before they are ended all the same. */
const GOODBYE_ANSWER_LIMIT_MS = 1000;

/** The sessions of this client. They outlive every connection, and end with this program. */
export class Sessions implements FaceSessions {
  #options: SessionsContext;
  #idleListeners: (() => void)[] = [];
  #sessions = new Map<string, ShellSession>();
  /** Since when there is no control link; undefined while there is one. */
  #aloneSinceMs: number | undefined = performance.now();
  #timer: NodeJS.Timeout;

  constructor(options: SessionsContext) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL_MS).unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** For `hello`. */
  held(): HeldSession[] {
    return Array.from(this.#sessions.values(), (session) => session.held);
  }

  /** The site has accepted this client: sessions without a data link ask for one, as do those whose link leads where the site is no more. */
  linkAccepted(hasMoved: boolean): void {
    this.#aloneSinceMs = undefined;
    for (const session of this.#sessions.values()) {
      if (hasMoved) session.moved();
      else session.proveLink();
      session.requestTicket();
    }
  }

  linkEnded(): void {
    this.#aloneSinceMs ??= performance.now();
  }

  received(message: SessionMessage): void {
    const session = this.#sessions.get(message.session);
    switch (message.kind) {
      case 'session-open':
        (session ?? this.#start(message))?.dial(message.ticket);
        break;
      case 'ticket':
        session?.dial(message.ticket);
        break;
      case 'session-end':
        this.#options.log.info({ session: message.session, reason: message.reason }, 'session-end');
        session?.end();
        break;
      case 'session-forget':
        this.#forget(message.session);
        break;
    }
  }

  onIdle(listener: () => void): void {
    this.#idleListeners.push(listener);
  }

  /** Ends every process and waits for the output to be complete, at most `limitMs`; then kills. */
  async endAll(limitMs: number): Promise<void> {
    const sessions = [...this.#sessions.values()];
    const exited = Promise.all(sessions.map((session) => session.whenExited()));
    const exitedWithin = (waitMs: number) =>
      Promise.race([exited, new Promise((resolve) => setTimeout(resolve, waitMs).unref())]);
    // The site answers `goodbye` with `session-end`, and has told the relay why by then: a shell that went before that would look as if it had ended by itself.
    if (this.#aloneSinceMs === undefined) await exitedWithin(GOODBYE_ANSWER_LIMIT_MS);
    for (const session of sessions) session.end();
    await exitedWithin(limitMs);
    for (const id of this.#sessions.keys()) this.#forget(id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #start(message: Extract<SessionMessage, { kind: 'session-open' }>): ShellSession | undefined {
    const { session: id, program } = message;
    try {
      if (this.#sessions.size >= SESSIONS_LIMIT) throw new Error(`This Jump Client already has ${SESSIONS_LIMIT} sessions.`);
      const session = new ShellSession({ ...this.#options, id, program });
      this.#sessions.set(id, session);
      this.#options.log.info({ session: id }, 'session-started');
      return session;
    } catch (error) {
      const reason = (error as Error).message;
      this.#options.log.error({ session: id, reason }, 'session-failed');
      this.#options.send({ kind: 'session-failed', session: id, reason });
      return undefined;
    }
  }

  #forget(id: string): void {
    this.#sessions.get(id)?.forget();
    const wasHeld = this.#sessions.delete(id);
    if (wasHeld) this.#options.log.info({ session: id }, 'session-forgotten');
    this.#options.send({ kind: 'session-gone', session: id });
    if (wasHeld && this.#sessions.size === 0) for (const listener of this.#idleListeners) listener();
  }

  /** Finds dead connections, and gives sessions up that no appliance has asked for too long. */
  #check(): void {
    const nowMs = Date.now();
    for (const [id, session] of this.#sessions) {
      session.check(nowMs);
      if (this.#aloneSinceMs === undefined || session.linked) continue;
      if (performance.now() - this.#aloneSinceMs < session.giveUpAfterMs) continue;
      this.#options.log.warn({ session: id }, 'session-given-up');
      session.end();
      if (session.exited) this.#forget(id);
    }
  }
}
