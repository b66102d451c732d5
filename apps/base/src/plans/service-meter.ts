/**
 * For how long the shared name gave no answer while a plan ran: asked each 100 ms, over a connection of its own each time, as somebody new would. Where the
 * name leads to the asking appliance itself, an answer says something only while that appliance serves.
 */
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

/** Addresses that answered and are told; a name with more of them is a strange one. */
export const ANSWERED_BY_MAX = 20;

const noted = z.object({
  plan: z.string(),
  totalMs: z.number(),
  lastOkMs: z.number().nullable(),
  answeredBy: z.array(z.string()).max(ANSWERED_BY_MAX).default([]),
  /** Whether the asking appliance served itself: then its base being away was the service being away. */
  served: z.boolean().default(true),
  notAskedMs: z.number().default(0),
});
type Noted = z.infer<typeof noted>;

export interface MeterOptions {
  /** A page that needs no login; the certificate is not looked at, and nothing is sent. */
  url: string;
  /** Where the measurement is noted, so that it goes on in the next base. */
  file: string;
  /** Whether an answer that came from `address` says that people are served. */
  isProof(address: string): boolean;
  /** Whether this appliance serves people itself. */
  serves(): boolean;
  now(): number;
}

export class ServiceMeter {
  readonly #options: MeterOptions;
  #plan: string | undefined;
  #gaps = new Gaps();
  #answeredBy: string[] = [];
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
    const earlier = this.#read(plan);
    this.#gaps = new Gaps(earlier);
    this.#answeredBy = earlier?.answeredBy ?? [];
    this.#timer = setInterval(() => this.#ask(), ASK_EVERY_MS).unref();
    this.#noteTimer = setInterval(() => this.#note(), NOTE_EVERY_MS).unref();
  }

  /** Milliseconds without service so far; null when nothing has answered yet, or what answers now says nothing. */
  totalMs(): number | null {
    return this.#gaps.totalMs;
  }

  /** What is asked, and which addresses have answered. */
  asked(): { url: string; answeredBy: string[]; notAskedMs: number } {
    return { url: this.#options.url, answeredBy: this.#answeredBy, notAskedMs: this.#gaps.notAskedMs };
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
    const { url, isProof, now } = this.#options;
    const gaps = this.#gaps;
    let address = '';
    const request = https.request(
      url,
      // Availability is measured, not identity: after a swap another certificate may answer.
      { method: 'GET', agent: false, rejectUnauthorized: false, timeout: ANSWER_LIMIT_MS },
      (response) => {
        const isServed = (response.statusCode ?? 500) < 500;
        response.resume();
        if (!isServed || gaps !== this.#gaps) return;
        if (!this.#answeredBy.includes(address) && this.#answeredBy.length < ANSWERED_BY_MAX) this.#answeredBy.push(address);
        if (isProof(address)) gaps.answered(now());
        else gaps.answeredInVain();
      },
    );
    // By the time of the answer the connection may be closed, and says no address any more.
    request.on('socket', (socket) => socket.once('connect', () => (address = socket.remoteAddress ?? '')));
    request.on('timeout', () => request.destroy());
    // No answer is what is being measured.
    request.on('error', () => undefined);
    request.end();
  }

  #note(): void {
    const { file } = this.#options;
    const { sumMs, lastOkMs, notAskedMs } = this.#gaps;
    const served = this.#options.serves();
    const state: Noted = { plan: this.#plan ?? '', totalMs: sumMs, lastOkMs, answeredBy: this.#answeredBy, served, notAskedMs };
    try {
      writeFileSync(`${file}.next`, JSON.stringify(state));
      renameSync(`${file}.next`, file);
    } catch {
      // A full disk costs the measurement its memory, and nothing else.
    }
  }

  #read(plan: string): Noted | undefined {
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
  #isProof = true;
  #notAskedMs: number;
  /** What lies before the next answer was not asked for. */
  #isUnasked: boolean;

  constructor(earlier?: Pick<Noted, 'totalMs' | 'lastOkMs' | 'served' | 'notAskedMs'>) {
    this.#totalMs = earlier?.totalMs ?? 0;
    this.#lastOkMs = earlier?.lastOkMs ?? null;
    this.#notAskedMs = earlier?.notAskedMs ?? 0;
    this.#isUnasked = earlier?.served === false;
  }

  /** Null when nothing has answered yet, or the last answer said nothing. */
  get totalMs(): number | null {
    return this.#lastOkMs === null || !this.#isProof ? null : this.#totalMs;
  }
  get notAskedMs(): number {
    return this.#notAskedMs;
  }
  get sumMs(): number {
    return this.#totalMs;
  }
  get lastOkMs(): number | null {
    return this.#lastOkMs;
  }

  /** An answer came at `atMs`; answers may come in another order than they were asked for. */
  answered(atMs: number): void {
    const gapMs = this.#lastOkMs === null ? 0 : atMs - this.#lastOkMs;
    if (this.#isUnasked) this.#notAskedMs += Math.max(0, gapMs);
    else if (gapMs >= GAP_COUNTS_FROM_MS) this.#totalMs += gapMs;
    this.#isUnasked = false;
    this.#lastOkMs = Math.max(this.#lastOkMs ?? 0, atMs);
    this.#isProof = true;
  }

  /** Somebody answered who does not serve: for people that is no answer. */
  answeredInVain(): void {
    this.#isProof = false;
  }
}
