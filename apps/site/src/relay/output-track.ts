import { z } from 'zod';
import { byteCount, terminalSize, type TerminalSize } from '@bascule/protocol/text.ts';
import { WireError } from '@bascule/wire/frames.ts';
import { decodeExit, decodeSize, OutputRecord, RecordParser } from '@bascule/wire/records.ts';

/** Without a terminal that is kept, a screen is made of at most this much of the output before it. */
export const SCREEN_BACKLOG_MAX_BYTES = 16 * 1024 * 1024;
/** With more than that, it begins with an empty terminal this far back: enough for any full-screen program to have drawn everything anew. */
export const SCREEN_LOOK_BACK_BYTES = 4 * 1024 * 1024;
const REMEMBER_EVERY_BYTES = 512 * 1024;
const REMEMBERED_MAX = 64;

export interface RecordPlace {
  boundary: number;
  cols: number;
  rows: number;
}

const recordPlace = z.object({ boundary: byteCount, ...terminalSize.shape });
/** A track as it is kept in a recording's checkpoint. */
const savedTrack = z.object({
  boundary: byteCount,
  /** The record that is not whole yet, in base64. */
  partial: z.base64().max(256 * 1024),
  size: terminalSize,
  places: z.array(recordPlace).max(REMEMBERED_MAX),
});

/** Follows the records of an output stream: where they begin, the size in force, and the exit (wire 5). Costs nothing per byte. */
export class OutputTrack {
  #parser: RecordParser;
  readonly #start: RecordPlace;
  readonly #places: RecordPlace[] = [];
  #size: TerminalSize;
  #exit: { code: number; signal: number } | undefined;

  constructor(size: TerminalSize) {
    this.#size = size;
    this.#start = { boundary: 0, ...size };
    this.#parser = new RecordParser((type, payload) => this.#record(type, payload));
  }

  /** A track that goes on from what `save` gave; undefined when that is none. `size` is the terminal's first. */
  static restore(size: TerminalSize, saved: unknown): OutputTrack | undefined {
    const parsed = savedTrack.safeParse(saved);
    if (!parsed.success) return undefined;
    const { boundary, partial, places } = parsed.data;
    const track = new OutputTrack(size);
    track.#size = parsed.data.size;
    track.#places.push(...places);
    track.#parser = new RecordParser((type, payload) => track.#record(type, payload), boundary);
    track.#parser.push(Buffer.from(partial, 'base64'));
    return track;
  }

  /** What `restore` goes on from, as JSON; undefined behind EXIT, when nothing goes on. */
  save(): z.infer<typeof savedTrack> | undefined {
    if (this.#exit !== undefined) return undefined;
    const { boundary, partial } = this.#parser.state;
    return { boundary, partial: Buffer.from(partial).toString('base64'), size: this.#size, places: this.#places };
  }

  /** Where the last whole record ends. */
  get boundary(): number {
    return this.#parser.boundary;
  }

  /** Output is missing up to `to`, where a record begins; what had begun before never becomes whole. */
  gap(to: number): void {
    this.#parser = new RecordParser((type, payload) => this.#record(type, payload), to);
    this.#remember();
  }

  /** The output after EXIT, once that came. */
  get exit(): { code: number; signal: number } | undefined {
    return this.#exit;
  }

  /** Takes the next bytes of the stream. Throws WireError on a record that is unknown, too long or behind EXIT. */
  push(bytes: Uint8Array): void {
    if (this.#exit && bytes.length > 0) throw new WireError('record: comes behind EXIT');
    this.#parser.push(bytes);
    if (this.#exit && this.#parser.offset > this.#parser.boundary) throw new WireError('record: comes behind EXIT');
    const last = this.#places.at(-1) ?? this.#start;
    if (this.#parser.boundary - last.boundary >= REMEMBER_EVERY_BYTES) this.#remember();
  }

  #remember(): void {
    this.#places.push({ boundary: this.#parser.boundary, ...this.#size });
    if (this.#places.length > REMEMBERED_MAX) this.#places.shift();
  }

  /** Where a new terminal begins to make the screen at `upTo`. */
  screenStart(upTo: number): RecordPlace {
    if (upTo <= SCREEN_BACKLOG_MAX_BYTES) return this.#start;
    return this.#places.findLast((place) => place.boundary <= upTo - SCREEN_LOOK_BACK_BYTES) ?? this.#places[0] ?? this.#start;
  }

  #record(type: number, payload: Uint8Array): void {
    if (this.#exit) throw new WireError('record: comes behind EXIT');
    if (type === OutputRecord.resized) this.#size = decodeSize(payload);
    else if (type === OutputRecord.exit) this.#exit = decodeExit(payload);
  }
}
