/** Whether somebody is at the page. A page that refreshes itself must not keep an idle login session alive; somebody who types must. */

/** Somebody who did nothing for this long is not counted as there. */
const THERE_FOR_MS = 60_000;
/** Somebody who works without any request (in a terminal) is made known this often. */
const KEEP_ALIVE_INTERVAL_MS = 4 * 60_000;
const SIGNS = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const;

export class Presence {
  #signAtMs = Date.now();
  #knownAtMs = Date.now();
  /** Called when somebody is there and no request has said so for a while. */
  onUnknown: () => void = () => {};

  constructor() {
    for (const sign of SIGNS) addEventListener(sign, () => this.#noticed(), { capture: true, passive: true });
  }

  /** Called for each request; whether somebody is behind it. */
  isThere(): boolean {
    const there = Date.now() - this.#signAtMs < THERE_FOR_MS;
    if (there) this.#knownAtMs = Date.now();
    return there;
  }

  #noticed(): void {
    this.#signAtMs = Date.now();
    if (this.#signAtMs - this.#knownAtMs < KEEP_ALIVE_INTERVAL_MS) return;
    this.#knownAtMs = this.#signAtMs;
    this.onUnknown();
  }
}
