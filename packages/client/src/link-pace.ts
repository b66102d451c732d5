import { BackOff } from '@bascule/wire/back-off.ts';
import type { ToClient } from '@bascule/protocol/control-link.ts';

/** wire 3.8 */
const BACK_OFF_FIRST_MS = 1000;
const BACK_OFF_WITH_SESSIONS_FIRST_MS = 250;
const BACK_OFF_MAX_MS = 60_000;
const BACK_OFF_WITH_SESSIONS_MAX_MS = 2_000;
/** A candidate has little time to prove itself. */
const TRIAL_MAX_MS = 2_000;
/** After a planned break: the pauses between tries, and for how long they stay so short. base holds a connection until the site is there. */
const RETURN_FIRST_MS = 20;
const RETURN_MAX_MS = 250;
const RETURN_LIMIT_MS = 10_000;
/** Before another address of the same site: at least so long, and as the site's window says, to spread those who lost one appliance at the same moment; sessions first. */
const OTHER_ADDRESS_MAX_MS = 2_000;
const OTHER_ADDRESS_WITH_SESSIONS_MAX_MS = 100;
/** Of a client without sessions that lost one of several addresses: until then another appliance has taken over, and is not asked by thousands while it does; sessions are through. */
const IDLE_HEAD_START_MS = 4_000;

type ComeBack = Extract<ToClient, { kind: 'come-back' }>;
type Windows = Extract<ToClient, { kind: 'accepted' }>['reconnect'];

/** How long to wait before the next link (wire 3.8): when the appliance said so, within the window after a break, with growing back-off after failures, as told after a refusal. */
export class LinkPace {
  #isTrial: boolean;
  #windows: Windows = { windowMs: 0, withSessionsWindowMs: 0 };
  /** The appliance has said when to come back; until the first try. */
  #comeBack: ComeBack | undefined;
  /** Until then tries follow each other quickly. */
  #returnUntilMs = 0;
  #returnPauses = new BackOff(RETURN_FIRST_MS, RETURN_MAX_MS);
  #backOff = new BackOff(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
  #backOffWithSessions = new BackOff(BACK_OFF_WITH_SESSIONS_FIRST_MS, BACK_OFF_WITH_SESSIONS_MAX_MS);

  constructor(isTrial: boolean) {
    this.#isTrial = isTrial;
  }

  /** The candidate is the current program: it waits as all do. */
  committed(): void {
    this.#isTrial = false;
  }

  accepted(windows: Windows): void {
    this.#windows = windows;
    this.#backOff.reset();
    this.#backOffWithSessions.reset();
  }

  comeBack(message: ComeBack): void {
    this.#comeBack = message;
    this.#returnUntilMs = performance.now() + message.afterMs + message.withinMs + RETURN_LIMIT_MS;
    this.#returnPauses.reset();
  }

  /** Before the next of several addresses, of which this round has not tried all. */
  otherAddressMs(withSessions: boolean): number {
    const isUrgent = withSessions || this.#isTrial;
    return (
      Math.random() * (isUrgent ? OTHER_ADDRESS_WITH_SESSIONS_MAX_MS : Math.max(OTHER_ADDRESS_MAX_MS, this.#windows.windowMs))
    );
  }

  /** In milliseconds, after a link that ended: whether it had been accepted, or refused and until when; whether sessions live; whether the site may be at another address. */
  waitMs(end: { accepted: boolean; retryAfterMs: number | undefined; withSessions: boolean; hasOthers: boolean }): number {
    const waitMs = this.#waitMs(end);
    return this.#isTrial ? Math.min(waitMs, TRIAL_MAX_MS) : waitMs;
  }

  /** Before enrolment is tried again. */
  enrolWaitMs(): number {
    return this.#backOff.next();
  }

  #waitMs({ accepted, retryAfterMs, withSessions, hasOthers }: Parameters<LinkPace['waitMs']>[0]): number {
    if (retryAfterMs !== undefined) return retryAfterMs * (0.5 + Math.random() / 2) + this.#backOff.next();
    const comeBack = this.#comeBack;
    this.#comeBack = undefined;
    if (comeBack !== undefined) return comeBack.afterMs + Math.random() * comeBack.withinMs;
    if (!accepted && withSessions && performance.now() < this.#returnUntilMs) return this.#returnPauses.next();
    if (accepted && hasOthers && !withSessions) return IDLE_HEAD_START_MS + this.otherAddressMs(false);
    if (accepted) return Math.random() * (withSessions ? this.#windows.withSessionsWindowMs : this.#windows.windowMs);
    return withSessions ? this.#backOffWithSessions.next() : this.#backOff.next();
  }
}
