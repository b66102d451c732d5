/** The speed is told anew after this long. */
const MEASURED_MS = 1_000;

/** Measures how much of a recording was played in how much time. */
export class Speedometer {
  #elapsedMs = 0;
  #playedSeconds = 0;

  /** `playedSeconds` were played in `elapsedMs`. Gives the speed once in MEASURED_MS, otherwise undefined. */
  add(elapsedMs: number, playedSeconds: number): number | undefined {
    this.#elapsedMs += elapsedMs;
    this.#playedSeconds += playedSeconds;
    if (this.#elapsedMs < MEASURED_MS) return undefined;
    const speed = (this.#playedSeconds * 1000) / this.#elapsedMs;
    this.#elapsedMs = 0;
    this.#playedSeconds = 0;
    return speed;
  }
}
