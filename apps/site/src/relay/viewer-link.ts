import type { z } from 'zod';
import { CloseCode, type viewerBeat, type ViewerNotice } from '@bascule/protocol/data-link.ts';
import { encodeJson, encodeOutput, encodeScreen, FRAME_PAYLOAD_MAX_BYTES, FrameType, WireError } from '@bascule/wire/frames.ts';
import type { OutputPiece } from '@bascule/recording/writer.ts';
import type { FrameLink } from './frame-link.ts';
import type { Screen } from './screens.ts';

/** Output under way to one viewer, at most (wire 4.8). */
export const VIEWER_WINDOW_BYTES = 4 * 1024 * 1024;
/** A viewer that lacks at most this gets the bytes, otherwise a fresh screen (wire 4.8). */
export const VIEWER_CATCH_UP_MAX_BYTES = 2 * 1024 * 1024;
/** A late viewer has drained when no more than this is under way: less than a record may be cut in two and cannot be shown yet. */
export const VIEWER_DRAINED_BYTES = 128 * 1024;
const READ_AHEAD_BYTES = 512 * 1024;

/** What a viewer is fed from. */
export interface OutputSource {
  /** Up to where there is output that may be shown. */
  readonly head: number;
  /** The recording is paused: only what is on the disk may be shown. */
  readonly held: boolean;
  readonly recordedBytes: number;
  /** Whoever has less than this cannot go on with bytes: there is a gap before it. */
  readonly gapEnd: number;
  readRecorded(offset: number, enoughBytes: number): Promise<OutputPiece[]>;
  /** What is not on the disk yet and may be shown. */
  waiting(offset: number): OutputPiece[];
  screen(): Promise<Screen>;
}

/**
 * One viewer's end of the output: live, late, or catching up. Never more than a window is under way, so a slow browser costs a few megabytes and slows nobody
 * (wire 4.8).
 */
export class ViewerLink {
  readonly link: FrameLink;
  readonly origin: string;
  readonly user: string;
  readonly loginSession: string;
  /** Input of this link goes on at this offset; undefined: it waits for an INPUT_ACK. Kept by the session. */
  inputNext: number | undefined;
  /** Input that came before the viewer could know from where to go on. */
  inputDroppedBytes = 0;
  readonly #source: OutputSource;
  #mode: 'live' | 'late' | 'busy' = 'busy';
  #busy: Promise<void> = Promise.resolve();
  #sent = 0;
  #shown = 0;

  constructor(link: FrameLink, who: { origin: string; user: string; loginSession: string }, source: OutputSource) {
    this.link = link;
    this.origin = who.origin;
    this.user = who.user;
    this.loginSession = who.loginSession;
    this.#source = source;
  }

  get sent(): number {
    return this.#sent;
  }

  /** Begins to feed: from `outFrom`, or with a screen. */
  start(outFrom: number | undefined): void {
    if (outFrom === undefined && this.#source.head > 0) return this.#begin(this.#sendScreen());
    this.#sent = this.#shown = outFrom ?? 0;
    if (this.#needsScreen) this.#begin(this.#sendScreen());
    else this.#begin(this.#catchUp());
  }

  /** The hot path: a frame as it came from the agent, [offset, end). */
  forward(frame: Uint8Array, end: number): void {
    // A viewer may be ahead: it saw bytes that a relay before this one had forwarded and not recorded.
    if (this.#mode !== 'live' || end <= this.#sent) return;
    this.link.send(frame);
    this.#sent = end;
    if (end - this.#shown > VIEWER_WINDOW_BYTES) this.#mode = 'late';
  }

  /** Says something each `everyMs` when nothing else is said, until the link is closed. */
  beat(everyMs: number): void {
    let said = this.#sent;
    const timer = setInterval(() => {
      if (!this.link.open) return clearInterval(timer);
      const isSilent = said === this.#sent && this.link.waitingBytes === 0;
      said = this.#sent;
      if (isSilent) this.link.send(encodeJson(FrameType.notice, { kind: 'beat' } satisfies z.infer<typeof viewerBeat>));
    }, everyMs);
    timer.unref();
  }

  /** OUTPUT_ACK of the viewer. Throws WireError for what was never sent. */
  acknowledge(offset: number): void {
    if (offset > this.#sent) throw new WireError(`OUTPUT_ACK offset: ${offset} is beyond the ${this.#sent} bytes sent`);
    this.#shown = Math.max(this.#shown, offset);
    this.goOn();
  }

  /** The recording is paused: nothing is forwarded until `goOn`. */
  hold(): void {
    if (this.#mode === 'live') this.#mode = 'late';
  }

  /** Gives a late viewer that has drained what it lacks. */
  goOn(): void {
    if (this.#mode === 'late' && this.#drained) this.#begin(this.#giveRest());
  }

  get #drained(): boolean {
    return this.#sent - this.#shown <= VIEWER_DRAINED_BYTES;
  }

  get #needsScreen(): boolean {
    const { head, gapEnd } = this.#source;
    return head - this.#sent > VIEWER_CATCH_UP_MAX_BYTES || this.#sent < gapEnd;
  }

  #giveRest(): Promise<void> {
    return this.#needsScreen ? this.#sendScreen() : this.#catchUp();
  }

  /** The output is complete: resolves when this viewer has been sent the rest of it, or, being late, the last screen. */
  async settle(): Promise<void> {
    await this.#busy;
    if (this.#mode === 'late' && this.#sent < this.#source.head) await (this.#drained ? this.#giveRest() : this.#sendScreen());
  }

  #begin(work: Promise<void>): void {
    this.#busy = work;
  }

  notice(notice: ViewerNotice): void {
    this.link.send(encodeJson(FrameType.notice, notice));
  }

  async #sendScreen(): Promise<void> {
    this.#mode = 'busy';
    try {
      const screen = await this.#source.screen();
      this.link.send(encodeScreen(screen.offset, screen.cols, screen.rows, screen.text));
      this.#sent = this.#shown = screen.offset;
    } catch {
      this.link.close(CloseCode.restarting, 'the screen could not be made: come back');
      return;
    }
    await this.#catchUp();
  }

  /** From the recording up to what is there, then from memory: the step to live has no gap, as it happens in one turn. */
  async #catchUp(): Promise<void> {
    this.#mode = 'busy';
    try {
      while (this.link.open && this.#sent < this.#source.recordedBytes) {
        if (this.#sent - this.#shown > VIEWER_WINDOW_BYTES) {
          this.#mode = 'late';
          return;
        }
        for (const piece of await this.#source.readRecorded(this.#sent, READ_AHEAD_BYTES)) this.#sendPiece(piece);
      }
    } catch {
      this.link.close(CloseCode.restarting, 'the recording could not be read: come back');
      return;
    }
    for (const piece of this.#source.waiting(this.#sent)) this.#sendPiece(piece);
    this.#mode = this.#source.held || this.#sent - this.#shown > VIEWER_WINDOW_BYTES ? 'late' : 'live';
  }

  #sendPiece(piece: OutputPiece): void {
    for (let at = 0; at < piece.bytes.length; at += FRAME_PAYLOAD_MAX_BYTES) {
      const bytes = piece.bytes.subarray(at, at + FRAME_PAYLOAD_MAX_BYTES);
      this.link.send(encodeOutput(piece.offset + at, piece.timeUs, bytes));
      this.#sent = piece.offset + at + bytes.length;
    }
  }
}
