import { Rehearsal, type RehearsalContext, type RehearsalReport, type RehearseMessage } from './rehearsal.ts';

type Report = (report: RehearsalReport) => void;

/** For `bascule-client status`. */
export interface RehearsalStatus {
  /** HOST:PORT of the standby. */
  site: string;
  connected: boolean;
  sessions: number;
}

/** The tests of the standby that a client takes part in: one at a time. An order for another ends the one before, and waits until nothing of it is left. */
export class Rehearsals {
  readonly #context: RehearsalContext;
  /** Its last session is gone, or all of it. */
  readonly #onIdle: () => void;
  #now: Rehearsal | undefined;
  #next: { message: RehearseMessage; report: Report } | undefined;
  #isClosed = false;

  constructor(context: RehearsalContext, onIdle: () => void) {
    this.#context = context;
    this.#onIdle = onIdle;
  }

  get isUnderWay(): boolean {
    return this.#now !== undefined;
  }

  get sessionCount(): number {
    return this.#now?.sessionCount ?? 0;
  }

  get status(): RehearsalStatus | undefined {
    const now = this.#now;
    return now && { site: now.site, connected: now.isConnected, sessions: now.sessionCount };
  }

  /** `report`: answers on the link over which the order came, and on no other. */
  ordered(message: RehearseMessage, report: Report): void {
    if (this.#isClosed) return;
    const now = this.#now;
    if (now?.id === message.rehearsal && !now.isEnding) return now.renew(message.lifeMs, report);
    this.#next = { message, report };
    if (now === undefined) this.#begin();
    else void now.end('Another test has been ordered.');
  }

  /** It is over, says the primary. */
  over(rehearsal: string): void {
    if (this.#next?.message.rehearsal === rehearsal) this.#next = undefined;
    if (this.#now?.id === rehearsal) void this.#now.end('The primary has ended the test.');
  }

  /** The site wants this client no more. */
  dismissed(): void {
    this.#next = undefined;
    void this.#now?.end('The site has refused this Jump Client.', 0);
  }

  /** This program ends: no more tests, and the one that is under way ends within about `limitMs`. */
  async close(limitMs: number): Promise<void> {
    this.#isClosed = true;
    this.#next = undefined;
    await this.#now?.end('The Jump Client stops.', limitMs);
  }

  #begin(): void {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    const begun = new Rehearsal(this.#context, next.message, next.report);
    this.#now = begun;
    begun.onIdle(this.#onIdle);
    void begun.over.then(() => {
      this.#now = undefined;
      this.#begin();
      this.#onIdle();
    });
  }
}
