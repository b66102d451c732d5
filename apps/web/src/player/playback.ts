/**
 * Plays a CastIndex on a terminal: position, speed, idle skipping, seeking in both directions. Knows nothing of React or of xterm.
 */
import { parseSize, type CastEvent } from './asciicast.ts';
import type { CastIndex } from './cast-index.ts';

export const SPEEDS = [0.5, 1, 2, 4, 8, 16] as const;
/** With 'skip idle', a pause longer than this is cut down to it. */
export const IDLE_LIMIT_SECONDS = 2;
/** How often the position moves on while nothing is shown. */
const TICK_MS = 50;
/** Output due at the same moment is written in pieces of at most this, so that the page stays quick. */
const WRITE_MAX_CHARACTERS = 64 * 1024;

/** What the playback plays on. */
export interface Stage {
  /** Empties the terminal, history included. */
  reset(): void;
  resize(cols: number, rows: number): void;
  /** Resolves when it is shown. */
  write(text: string): Promise<void>;
}

export interface PlaybackState {
  positionSeconds: number;
  durationSeconds: number;
  playing: boolean;
  /** The last event is shown, and no more come. */
  ended: boolean;
  /** The whole recording is read. */
  loaded: boolean;
  speed: number;
  skipIdle: boolean;
}

export class Playback {
  readonly #index: CastIndex;
  readonly #stage: Stage;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #state: PlaybackState;
  /** The next event to show. */
  #chunk = 0;
  #event = 0;
  /** Goes up with every seek, play and pause: work begun before stops at its next step. */
  #turn = 0;
  /** One after the other: a seek waits for the write that is under way. */
  #work: Promise<void> = Promise.resolve();

  /** `now`: a clock in milliseconds that only runs forward. */
  constructor(index: CastIndex, stage: Stage, now: () => number = () => performance.now()) {
    this.#index = index;
    this.#stage = stage;
    this.#now = now;
    this.#state = {
      positionSeconds: 0,
      durationSeconds: 0,
      playing: false,
      ended: false,
      loaded: false,
      speed: 1,
      skipIdle: true,
    };
  }

  get state(): PlaybackState {
    return this.#state;
  }

  /** Calls `listener` at every change of `state`; gives back what ends that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To be called when the index has grown. */
  refresh(): void {
    this.#set({
      durationSeconds: this.#index.durationSeconds,
      loaded: this.#index.complete,
      ended: this.#state.ended && this.#index.complete,
    });
  }

  play(): void {
    if (this.#state.playing) return;
    const fromStart = this.#state.ended;
    const turn = this.#begin({ playing: true });
    this.#enqueue(async () => {
      if (fromStart) await this.#show(0, turn);
      await this.#run(turn);
    });
  }

  pause(): void {
    this.#begin({ playing: false });
  }

  toggle(): void {
    if (this.#state.playing) this.pause();
    else this.play();
  }

  /** Shows the moment `seconds`, and goes on playing if it was. */
  seek(seconds: number): void {
    const to = Math.min(Math.max(seconds, 0), this.#index.durationSeconds);
    const turn = this.#begin({ positionSeconds: to, ended: false });
    this.#enqueue(async () => {
      await this.#show(to, turn);
      if (this.#state.playing) await this.#run(turn);
    });
  }

  setSpeed(speed: number): void {
    this.#set({ speed });
  }

  setSkipIdle(skipIdle: boolean): void {
    this.#set({ skipIdle });
  }

  /** Stops for good. */
  close(): void {
    this.#turn += 1;
    this.#listeners.clear();
  }

  /** Resolves when everything asked for so far is done (or, while playing, when it stops). */
  settled(): Promise<void> {
    return this.#work;
  }

  #begin(change: Partial<PlaybackState>): number {
    this.#turn += 1;
    this.#set(change);
    return this.#turn;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work);
  }

  #set(change: Partial<PlaybackState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of this.#listeners) listener();
  }

  async #show(seconds: number, turn: number): Promise<void> {
    if (turn !== this.#turn) return;
    const chunk = this.#index.chunkFor(seconds);
    const screen = await this.#index.screenBefore(chunk);
    this.#stage.reset();
    if (screen) {
      this.#stage.resize(screen.cols, screen.rows);
      await this.#stage.write(screen.text);
    }
    this.#chunk = chunk;
    this.#event = 0;
    await this.#showUntil(seconds, turn);
    if (turn === this.#turn) this.#set({ positionSeconds: seconds, ended: false });
  }

  /** Shows everything that is due at `seconds`; gives the next event, if it is there already. */
  async #showUntil(seconds: number, turn: number): Promise<CastEvent | undefined> {
    let pending = '';
    for (;;) {
      const next = await this.#peek();
      if (!next || next.seconds > seconds || turn !== this.#turn) {
        if (pending !== '') await this.#stage.write(pending);
        return next;
      }
      this.#event += 1;
      if (next.kind === 'o') pending += next.data;
      const size = next.kind === 'r' ? parseSize(next.data) : undefined;
      if (size || pending.length >= WRITE_MAX_CHARACTERS) {
        await this.#stage.write(pending);
        pending = '';
      }
      if (size) this.#stage.resize(size.cols, size.rows);
    }
  }

  async #peek(): Promise<CastEvent | undefined> {
    for (;;) {
      const event = (await this.#index.events(this.#chunk))[this.#event];
      if (event || this.#chunk + 1 >= this.#index.chunkCount) return event;
      this.#chunk += 1;
      this.#event = 0;
    }
  }

  async #run(turn: number): Promise<void> {
    let last = this.#now();
    while (turn === this.#turn) {
      const next = await this.#showUntil(this.#state.positionSeconds, turn);
      if (turn !== this.#turn) return;
      if (!next && this.#index.complete) {
        this.#set({ playing: false, ended: true, positionSeconds: this.#index.durationSeconds });
        return;
      }
      if (!next) {
        await this.#index.grown();
        last = this.#now();
        continue;
      }
      await this.#wait(next);
      const now = this.#now();
      // Never beyond the next event: what was slow to show is not made up for by leaping.
      if (turn === this.#turn) this.#advance(((now - last) / 1000) * this.#state.speed, next);
      last = now;
    }
  }

  #wait(next: CastEvent): Promise<void> {
    const untilNextMs = ((next.seconds - this.#state.positionSeconds) * 1000) / this.#state.speed;
    return new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(untilNextMs, 0), TICK_MS)));
  }

  #advance(seconds: number, next: CastEvent): void {
    const { positionSeconds, skipIdle } = this.#state;
    const idle = next.seconds - positionSeconds;
    const from = skipIdle && idle > IDLE_LIMIT_SECONDS ? next.seconds - IDLE_LIMIT_SECONDS : positionSeconds;
    this.#set({ positionSeconds: Math.min(from + seconds, next.seconds) });
  }
}
