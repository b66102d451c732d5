import type { UpgradeFailure } from '@bascule/protocol/client-program.ts';

/** The link of a candidate has to be up for this long in one piece. */
export const STAYS_UP_MS = 5000;
/** Shells that are tried before the candidate is given up: the first may fail because the machine is short of something. */
const SHELL_TRIES_LIMIT = 3;
const SHELL_PAUSE_MS = 500;

export interface TrialVoice {
  trouble(failure: UpgradeFailure, reason: string): void;
  giveUp(failure: UpgradeFailure, reason: string): void;
  healthy(): void;
}

/** Decides whether a candidate is well: its own link to its site, up for a while, and a shell (docs/spec/client-supervisor.md, section 4). */
export class TrialHealth {
  readonly #voice: TrialVoice;
  readonly #probeShell: () => Promise<void>;
  readonly #staysUpMs: number;
  #timer: NodeJS.Timeout | undefined;
  #isShellFine = false;
  #isUpLongEnough = false;
  #over = false;
  /** Why the link broke after it had been accepted. */
  #lost: string | undefined;

  constructor(voice: TrialVoice, probeShell: () => Promise<void>, staysUpMs = STAYS_UP_MS) {
    this.#voice = voice;
    this.#probeShell = probeShell;
    this.#staysUpMs = staysUpMs;
    voice.trouble('does-not-connect', 'It has not reached its appliance.');
  }

  /** The site accepted the candidate. */
  accepted(): void {
    if (this.#over || this.#timer !== undefined) return;
    if (this.#lost === undefined)
      this.#voice.trouble('not-healthy-in-time', 'It was accepted by its appliance, and was still being watched.');
    else this.#voice.trouble('does-not-connect', `Its link does not hold: ${this.#lost}`);
    this.#timer = setTimeout(() => {
      this.#isUpLongEnough = true;
      this.#decide();
    }, this.#staysUpMs);
    if (!this.#isShellFine) void this.#probe();
  }

  /** The link broke, or none came about. */
  unlinked(reason: string): void {
    if (this.#over) return;
    if (this.#timer !== undefined) this.#lost = reason;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isUpLongEnough = false;
    this.#voice.trouble('does-not-connect', reason);
  }

  close(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  async #probe(): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#probeShell();
        this.#isShellFine = true;
        this.#decide();
        return;
      } catch (error) {
        if (this.#over) return;
        if (tries >= SHELL_TRIES_LIMIT) {
          this.close();
          this.#voice.giveUp('no-shell', `No shell can be opened: ${(error as Error).message}`);
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, SHELL_PAUSE_MS));
      }
    }
  }

  #decide(): void {
    if (this.#over || !this.#isShellFine || !this.#isUpLongEnough) return;
    this.close();
    this.#voice.healthy();
  }
}
