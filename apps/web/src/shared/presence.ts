/** Whether somebody is at the page. A page that refreshes itself must not keep an idle login session alive; somebody who types must. */

/** Somebody who did nothing for this long is not counted as there. */
const THERE_FOR_MS = 60_000;
/** Somebody who works without any request (in a terminal) is made known this often. */
const KEEP_ALIVE_INTERVAL_MS = 4 * 60_000;
const SIGNS = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const;

export class Presence {
  readonly #now: () => number;
  #signAtMs: number;
  #knownAtMs: number;
  /** Called when somebody is there and no request has said so for a while. */
  onUnknown: () => void = () => {};

  /** `page`: where the signs arrive (the window). Whoever opened the page counts as there. */
  constructor(page: EventTarget, now: () => number = Date.now) {
    this.#now = now;
    this.#signAtMs = now();
    this.#knownAtMs = now();
    for (const sign of SIGNS) page.addEventListener(sign, () => this.#noticed(), { capture: true, passive: true });
  }

  /** Called for each request; whether somebody is behind it. */
  isThere(): boolean {
    const there = this.#now() - this.#signAtMs < THERE_FOR_MS;
    if (there) this.#knownAtMs = this.#now();
    return there;
  }

  #noticed(): void {
    this.#signAtMs = this.#now();
    if (this.#signAtMs - this.#knownAtMs < KEEP_ALIVE_INTERVAL_MS) return;
    this.#knownAtMs = this.#signAtMs;
    this.onUnknown();
  }
}
