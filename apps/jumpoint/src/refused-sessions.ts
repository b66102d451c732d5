import type { FaceSessions, SessionMessage, SessionsContext } from '@bascule/client/face.ts';

const REASON = 'This is a Jumpoint: no shell is opened on its own machine. Install a Jump Client there to jump to it.';

/** A Jumpoint has no sessions of its own: each is refused with a reason, so that nobody waits for one. */
export class RefusedSessions implements FaceSessions {
  readonly #context: SessionsContext;
  readonly size = 0;

  constructor(context: SessionsContext) {
    this.#context = context;
  }

  held(): [] {
    return [];
  }

  received(message: SessionMessage): void {
    if (message.kind === 'session-open') {
      this.#context.log.warn({ session: message.session }, 'session-refused');
      this.#context.send({ kind: 'session-failed', session: message.session, reason: REASON });
    } else if (message.kind === 'session-forget') {
      this.#context.send({ kind: 'session-gone', session: message.session });
    }
  }

  linkAccepted(): void {}
  linkEnded(): void {}
  onIdle(): void {}
  close(): void {}

  async endAll(): Promise<void> {}
}
