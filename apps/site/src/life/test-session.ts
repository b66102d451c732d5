/** A real access session that the system makes after an installation, to see that one works (B215): through the relay, recorded, and listed like any other. */
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { newId } from '@bascule/core/ids.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Principal } from '@bascule/http/principal.ts';
import type { Log } from '@bascule/log/log.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { connectWithPreamble } from '@bascule/wire/preamble.ts';
import { ViewerClient, type WebSocketLike } from '@bascule/wire/viewer-client.ts';
import { dialWebSocket } from '@bascule/wire/web-socket.ts';
import { FRAME_MAX_BYTES } from '@bascule/wire/frames.ts';
import type { AccessSessions, SessionTarget } from '../access-session/access-session.ts';
import type { Policy } from '../policy/policy.ts';

/** Whose name the reports show. The id is that of no account. */
export const VERIFICATION_USER = { id: 'usr_00000000-0000-7000-8000-000000000001', name: 'Bascule verification' };
/** Jump Clients come back within this after a start of the site. */
export const CLIENT_WAIT_MS = 5000;
const CLIENT_CHECK_MS = 50;
/** From the opening to the echo; a login shell may take its time. */
export const ECHO_LIMIT_MS = 15_000;
const SIZE = { cols: 80, rows: 24 };
/** What is kept of the output to look for the answer in. */
const KEPT_CHARACTERS = 4096;

export interface TestSessionResult {
  outcome: 'passed' | 'failed' | 'no-client';
  /** The Jump Item's name. */
  item?: string;
  session?: string;
  /** From the opening to the answer. */
  ms?: number;
  error?: string;
}

export interface TestSessionOptions {
  sessions: AccessSessions;
  policy: Policy;
  /** Connected Jump Items, the best first. */
  targets(): SessionTarget[];
  relaySocket: string;
  log: Log;
  clientWaitMs?: number;
}

export class TestSession {
  readonly #options: TestSessionOptions;
  #running = false;

  constructor(options: TestSessionOptions) {
    this.#options = options;
  }

  /** Whether `userId` is the system's, while a test runs: its right to the session ends with the test. */
  isBy(userId: string): boolean {
    return this.#running && userId === VERIFICATION_USER.id;
  }

  /** One test at a time. What goes wrong is in the result; the session is ended whatever comes. */
  async run(): Promise<TestSessionResult> {
    if (this.#running) return { outcome: 'failed', error: 'A test session runs already; wait for it.' };
    this.#running = true;
    try {
      const target = await this.#connectedTarget();
      return target === undefined ? { outcome: 'no-client' } : await this.#test(target);
    } finally {
      this.#running = false;
    }
  }

  async #connectedTarget(): Promise<SessionTarget | undefined> {
    const endMs = performance.now() + (this.#options.clientWaitMs ?? CLIENT_WAIT_MS);
    for (;;) {
      const [target] = this.#options.targets();
      const isReady = target !== undefined && this.#options.sessions.relayReady;
      if (isReady || performance.now() >= endMs) return target;
      await delay(CLIENT_CHECK_MS);
    }
  }

  async #test(target: SessionTarget): Promise<TestSessionResult> {
    const { sessions, log } = this.#options;
    const startedMs = performance.now();
    let session: string | undefined;
    try {
      const principal = verificationPrincipal();
      const grant = this.#options.policy.authorizeItem(principal, 'jump-items.jump', target);
      if (grant === undefined) throw new Error('bug: the system may not jump');
      session = await sessions.open(grant, SIZE, { ...SYSTEM, actor: { ...SYSTEM.actor, name: VERIFICATION_USER.name } });
      await this.#echo(session, principal);
      return { outcome: 'passed', item: target.name, session, ms: Math.round(performance.now() - startedMs) };
    } catch (error) {
      log.warn({ err: error, session }, 'test-session-failed');
      const reason =
        error instanceof AppError || error instanceof EchoMissing ? error.message : 'The site failed at this; its log says more.';
      return { outcome: 'failed', item: target.name, ...(session !== undefined && { session }), error: reason };
    } finally {
      if (session !== undefined) sessions.endBySystem(session);
    }
  }

  /** Types a command whose answer is not in what was typed, and waits for the answer. */
  async #echo(session: string, { id, loginSession }: Principal): Promise<void> {
    const { sessions, relaySocket } = this.#options;
    const [first, second] = [`bascule-${randomInt(1e9)}`, String(randomInt(1e9))];
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new EchoMissing(`The shell did not answer within ${ECHO_LIMIT_MS / 1000} s.`)),
      ECHO_LIMIT_MS,
    );
    const decoder = new TextDecoder();
    let seen = '';
    const see = (text: string) => {
      seen = (seen + text).slice(-KEPT_CHARACTERS);
      if (seen.includes(`${first}-${second}`)) resolve();
    };
    const viewer = new ViewerClient({
      size: SIZE,
      open: () => openViewerSocket(relaySocket),
      getTicket: async () => (await sessions.attach({ id, loginSession }, session)).ticket,
      onScreen: ({ text }, shown) => (see(text), shown()),
      onOutput: (bytes, shown) => (see(decoder.decode(bytes, { stream: true })), shown()),
      onError: (error) => reject(new EchoMissing(`The session ended before the shell answered: ${error.message}.`)),
      onNotice: (notice) => {
        if (notice.kind === 'ended') reject(new EchoMissing(`The session ended before the shell answered: ${notice.reason}.`));
      },
    });
    try {
      viewer.connect();
      viewer.send(Buffer.from(`echo "${first}"-"${second}"\r`));
      await promise;
    } finally {
      clearTimeout(timer);
      viewer.close();
    }
  }
}

/** The session does not do what sessions do; the message is for people. */
class EchoMissing extends Error {
  override name = 'EchoMissing';
}

function verificationPrincipal(): Principal {
  return {
    ...VERIFICATION_USER,
    displayName: VERIFICATION_USER.name,
    role: 'administrator',
    state: 'ok',
    loginSession: newId('loginSession'),
    csrf: '',
    language: 'en',
  };
}

/** A viewer link as base would carry it (wire 2, 4.1). */
function openViewerSocket(relaySocket: string): WebSocketLike {
  const link = dialWebSocket({
    url: 'ws://localhost/stream',
    maxMessageBytes: FRAME_MAX_BYTES,
    createConnection: () => {
      const socket = connectWithPreamble(relaySocket, { address: '127.0.0.1', port: 0 });
      socket.on('error', () => {});
      return socket;
    },
    headers: { origin: 'https://localhost' },
  });
  // The library's own types of events are narrower than those of browsers.
  return link as unknown as WebSocketLike;
}
