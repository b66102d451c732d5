/** A place in a recording, and what has come due between two looks at it: gathered into few writes, however many events it was. Pure. */
import { parseSize, type CastEvent } from './asciicast.ts';
import type { CastIndex, Screen } from './cast-index.ts';

/** With 'skip idle', a pause longer than this is cut down to it. */
export const IDLE_LIMIT_SECONDS = 2;
/**
 * When more than this is due at once the terminal is behind (or the speed is beyond it): if a later chunk is due, too, its screen is shown
 * instead of everything before it.
 */
export const BEHIND_CHARACTERS = 64 * 1024;

/** What is to be done to the terminal; a `screen` empties it first, and is absent where the recording has none. */
export type CastStep =
  | { kind: 'screen'; screen: Screen | undefined }
  | { kind: 'output'; text: string }
  | { kind: 'size'; cols: number; rows: number };

export interface Advance {
  steps: CastStep[];
  positionSeconds: number;
  /** What was played of the time asked for; less where the recording, as far as it is read, ends. */
  playedSeconds: number;
  /** The next event; undefined at the end of what is read. */
  next: CastEvent | undefined;
}

export class CastCursor {
  readonly #index: CastIndex;
  #chunk = 0;
  #event = 0;

  constructor(index: CastIndex) {
    this.#index = index;
  }

  /** Goes to the last screen before `seconds` and on from there; what is gathered begins with that screen. */
  async seek(seconds: number): Promise<Advance> {
    this.#chunk = this.#index.chunkFor(seconds);
    this.#event = 0;
    const screen = await this.#index.screenBefore(this.#chunk);
    const advance = await this.advance(0, seconds, false);
    const [first] = advance.steps;
    // A later screen has already replaced everything.
    return first?.kind === 'screen' ? advance : { ...advance, steps: [{ kind: 'screen', screen }, ...advance.steps] };
  }

  /** Gathers what is due in the `seconds` of playing after `fromSeconds`. */
  async advance(fromSeconds: number, seconds: number, skipIdle: boolean): Promise<Advance> {
    const due = new DueSteps();
    let positionSeconds = fromSeconds;
    let left = seconds;
    for (;;) {
      const next = await this.#next(due);
      if (!next) return { steps: due.steps, positionSeconds, playedSeconds: seconds - left, next };
      const pause = next.seconds - positionSeconds;
      const cut = skipIdle && pause > IDLE_LIMIT_SECONDS;
      if (cut) positionSeconds = next.seconds - IDLE_LIMIT_SECONDS;
      const untilNext = cut ? IDLE_LIMIT_SECONDS : pause;
      if (untilNext > left) return { steps: due.steps, positionSeconds: positionSeconds + left, playedSeconds: seconds, next };
      left -= Math.max(untilNext, 0);
      positionSeconds = Math.max(positionSeconds, next.seconds);
      due.add(next);
      this.#event += 1;
    }
  }

  /** The next event, from the next chunk when this one is over; that chunk's screen may stand for all that was due before it. */
  async #next(due: DueSteps): Promise<CastEvent | undefined> {
    for (;;) {
      const event = (await this.#index.events(this.#chunk))[this.#event];
      if (event || this.#chunk + 1 >= this.#index.chunkCount) return event;
      this.#chunk += 1;
      this.#event = 0;
      const screen = due.characters > BEHIND_CHARACTERS ? await this.#index.screenBefore(this.#chunk) : undefined;
      if (screen) due.replaceBy(screen);
    }
  }
}

/** Output joined between changes of size. */
class DueSteps {
  steps: CastStep[] = [];
  characters = 0;

  add(event: CastEvent): void {
    const last = this.steps.at(-1);
    const size = event.kind === 'r' ? parseSize(event.data) : undefined;
    if (size) this.steps.push({ kind: 'size', ...size });
    if (event.kind !== 'o') return;
    this.characters += event.data.length;
    if (last?.kind === 'output') last.text += event.data;
    else this.steps.push({ kind: 'output', text: event.data });
  }

  replaceBy(screen: Screen): void {
    this.steps = [{ kind: 'screen', screen }];
    this.characters = 0;
  }
}
