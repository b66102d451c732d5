/** For how long the shared address gave no answer while a plan ran: asked each 100 ms, over a connection of its own each time, as somebody new would. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { z } from 'zod';

export const ASK_EVERY_MS = 100;
/** An answer that comes later is none. */
export const ANSWER_LIMIT_MS = 1_000;
/** Between two answers there is always some time; from here on it counts, and then all of it. */
export const GAP_COUNTS_FROM_MS = 500;
/** How often it is noted what a death of base must not lose. */
export const NOTE_EVERY_MS = 1_000;

const noted = z.object({ plan: z.string(), totalMs: z.number(), lastOkMs: z.number().nullable() });

export interface MeterOptions {
  /** A page that needs no login; the certificate is not looked at, and nothing is sent. */
  url: string;
  /** Where the measurement is noted, so that it goes on in the next base. */
  file: string;
  now(): number;
}

export class ServiceMeter {
  readonly #options: MeterOptions;
  #plan: string | undefined;
  #gaps = new Gaps();
  #timer: NodeJS.Timeout | undefined;
  #noteTimer: NodeJS.Timeout | undefined;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** Measures for `plan` from now on, or goes on where an earlier base was when it ended. */
  start(plan: string): void {
    if (this.#plan === plan) return;
    this.stop();
    this.#plan = plan;
    this.#gaps = new Gaps(this.#read(plan));
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS).unref();
    this.#noteTimer = setInterval(() => this.#note(), NOTE_EVERY_MS).unref();
  }

  /** Milliseconds without service so far; null when nothing has answered yet. */
  totalMs(): number | null {
    return this.#gaps.totalMs;
  }

  /** Stops, and notes where it was. */
  stop(): void {
    if (this.#plan === undefined) return;
    clearInterval(this.#timer);
    clearInterval(this.#noteTimer);
    this.#note();
    this.#plan = undefined;
  }

  /** Stops, and forgets: the plan is over. */
  end(): void {
    this.stop();
    rmSync(this.#options.file, { force: true });
  }

  #ask(): void {
    const { url, now } = this.#options;
    const gaps = this.#gaps;
    const request = https.request(
      url,
      // Availability is measured, not identity: after a swap another certificate may answer.
      { method: 'GET', agent: false, rejectUnauthorized: false, timeout: ANSWER_LIMIT_MS },
      (response) => {
        const isServed = (response.statusCode ?? 500) < 500;
        response.resume();
        if (isServed) gaps.answered(now());
      },
    );
    request.on('timeout', () => request.destroy());
    // No answer is what is being measured.
    request.on('error', () => undefined);
    request.end();
  }

  #note(): void {
    const { file } = this.#options;
    const { totalMs, lastOkMs } = this.#gaps;
    try {
      writeFileSync(`${file}.next`, JSON.stringify({ plan: this.#plan, totalMs: totalMs ?? 0, lastOkMs }));
      renameSync(`${file}.next`, file);
    } catch {
      // A full disk costs the measurement its memory, and nothing else.
    }
  }

  #read(plan: string): { totalMs: number; lastOkMs: number | null } | undefined {
    try {
      const { data } = noted.safeParse(JSON.parse(readFileSync(this.#options.file, 'utf8')));
      return data?.plan === plan ? data : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Adds up the times between answers that are too long. */
export class Gaps {
  #totalMs: number;
  #lastOkMs: number | null;

  constructor(earlier: { totalMs: number; lastOkMs: number | null } = { totalMs: 0, lastOkMs: null }) {
    this.#totalMs = earlier.totalMs;
    this.#lastOkMs = earlier.lastOkMs;
  }

  get totalMs(): number | null {
    return this.#lastOkMs === null ? null : this.#totalMs;
  }
  get lastOkMs(): number | null {
    return this.#lastOkMs;
  }

  /** An answer came at `atMs`; answers may come in another order than they were asked for. */
  answered(atMs: number): void {
    const gapMs = this.#lastOkMs === null ? 0 : atMs - this.#lastOkMs;
    if (gapMs >= GAP_COUNTS_FROM_MS) this.#totalMs += gapMs;
    this.#lastOkMs = Math.max(this.#lastOkMs ?? 0, atMs);
  }
}
