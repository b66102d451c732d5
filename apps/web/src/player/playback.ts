/**
 * Plays a CastIndex on a terminal: position, speed, idle skipping, seeking in both directions. Knows nothing of React or of xterm.
 */
import { CastCursor, type CastStep } from './cast-cursor.ts';
import type { CastIndex, Screen } from './cast-index.ts';
import { Speedometer } from './speedometer.ts';

export const SPEEDS = [0.5, 1, 2, 4, 8, 16] as const;
/** What comes due within a frame is written at once; more frames than this a second nobody sees. */
const FRAME_MS = 33;
/** How often the position moves on while nothing is shown. */
const TICK_MS = 50;
/** After a longer halt of the page (a machine asleep) the playback goes on where it was, instead of leaping. */
export const LEAP_MAX_MS = 2_000;

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
  /** The speed reached in the last second of playing; undefined while it is not known. */
  measuredSpeed: number | undefined;
  skipIdle: boolean;
}

export class Playback {
  readonly #index: CastIndex;
  readonly #cursor: CastCursor;
  readonly #stage: Stage;
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #state: PlaybackState;
  /** Goes up with every seek, play and pause: work begun before stops at its next step. */
  #turn = 0;
  /** One after the other: a seek waits for the write that is under way. */
  #work: Promise<void> = Promise.resolve();

  /** `now`: a clock in milliseconds that only runs forward. */
  constructor(index: CastIndex, stage: Stage, now: () => number = () => performance.now()) {
    this.#index = index;
    this.#cursor = new CastCursor(index);
    this.#stage = stage;
    this.#now = now;
    this.#state = {
      positionSeconds: 0,
      durationSeconds: 0,
      playing: false,
      ended: false,
      loaded: false,
      speed: 1,
      measuredSpeed: undefined,
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
    const turn = this.#begin({ playing: true, measuredSpeed: undefined });
    this.#enqueue(async () => {
      if (fromStart) await this.#show(0, turn);
      await this.#run(turn);
    });
  }

  pause(): void {
    this.#begin({ playing: false, measuredSpeed: undefined });
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
    this.#set({ speed, measuredSpeed: undefined });
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
    const { steps } = await this.#cursor.seek(seconds);
    if (turn !== this.#turn) return;
    await this.#perform(steps);
    if (turn === this.#turn) this.#set({ positionSeconds: seconds, ended: false });
  }

  async #perform(steps: CastStep[]): Promise<void> {
    for (const step of steps) {
      if (step.kind === 'output') await this.#stage.write(step.text);
      else if (step.kind === 'size') this.#stage.resize(step.cols, step.rows);
      else await this.#showScreen(step.screen);
    }
  }

  async #showScreen(screen: Screen | undefined): Promise<void> {
    this.#stage.reset();
    if (!screen) return;
    this.#stage.resize(screen.cols, screen.rows);
    await this.#stage.write(screen.text);
  }

  /** The clock is the wall's: what showing takes is part of the time that the next frame plays. */
  async #run(turn: number): Promise<void> {
    const speedometer = new Speedometer();
    let last = this.#now();
    let elapsedMs = 0;
    let playMs = 0;
    while (turn === this.#turn) {
      const { positionSeconds, speed, skipIdle } = this.#state;
      const due = await this.#cursor.advance(positionSeconds, (playMs / 1000) * speed, skipIdle);
      // The cursor has moved on: what it gathered is shown even when a pause came between.
      await this.#perform(due.steps);
      if (turn !== this.#turn) return;
      const measuredSpeed = speedometer.add(elapsedMs, due.playedSeconds) ?? this.#state.measuredSpeed;
      this.#set({ positionSeconds: due.positionSeconds, measuredSpeed });
      if (!due.next && this.#index.complete) {
        this.#set({ playing: false, ended: true, measuredSpeed: undefined, positionSeconds: this.#index.durationSeconds });
        return;
      }
      if (due.next) await this.#wait(due.next.seconds);
      else await this.#index.grown();
      const now = this.#now();
      elapsedMs = now - last;
      // Waiting for more of the recording is no playing.
      playMs = due.next ? Math.min(elapsedMs, LEAP_MAX_MS) : 0;
      last = now;
    }
  }

  #wait(nextSeconds: number): Promise<void> {
    const untilNextMs = ((nextSeconds - this.#state.positionSeconds) * 1000) / this.#state.speed;
    return new Promise((resolve) => setTimeout(resolve, Math.min(Math.max(untilNextMs, FRAME_MS), TICK_MS)));
  }
}
