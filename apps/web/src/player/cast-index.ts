/**
 * A recording in the browser: its events cut into chunks, each chunk with the screen as it is before its first event. To seek is to
 * show that screen and play at most one chunk. Finished chunks and screens are kept as Blobs, which a browser may move out of memory,
 * so that the length of a recording is no matter (docs/decisions/0077).
 */
import { EscapeScanner } from './escape-scanner.ts';
import { parseEvent, parseSize, type CastEvent, type CastHeader } from './asciicast.ts';

/** A chunk is closed after this much output or recorded time, at the next place between two escape sequences. */
export const CHUNK_CHARACTERS = 256 * 1024;
export const CHUNK_SECONDS = 60;
/** An escape sequence that never ends does not keep a chunk open for ever; such a chunk's successor gets no screen of its own. */
export const CHUNK_MAX_CHARACTERS = 4 * CHUNK_CHARACTERS;
/** How many finished chunks stay parsed. */
const PARSED_CHUNKS = 4;

/** A terminal that nobody sees: it follows the output while the recording is read, and says what the screen is. */
export interface ShadowTerminal {
  /** Resolves when the text is in the buffer. */
  write(text: string): Promise<void>;
  resize(cols: number, rows: number): void;
  /** Characters that make a fresh terminal of the same size look like this one. */
  capture(): string;
}

export interface Screen {
  cols: number;
  rows: number;
  text: string;
}

interface Chunk {
  startSeconds: number;
  /** The screen before the first event; absent inside an endless escape sequence. */
  screen: { cols: number; rows: number; text: Blob } | undefined;
  /** Whole while the chunk grows; a Blob afterwards. */
  events: CastEvent[] | Blob;
}

export class CastIndex {
  readonly #shadow: ShadowTerminal;
  readonly #chunks: Chunk[] = [];
  readonly #parsed = new Map<number, CastEvent[]>();
  readonly #scanner = new EscapeScanner();
  #size: { cols: number; rows: number };
  #characters = 0;
  #durationSeconds = 0;
  #complete = false;
  #waiting: (() => void)[] = [];

  constructor(header: CastHeader, shadow: ShadowTerminal) {
    this.#shadow = shadow;
    this.#size = { cols: header.width, rows: header.height };
    shadow.resize(header.width, header.height);
  }

  /** The time of the last event read so far. */
  get durationSeconds(): number {
    return this.#durationSeconds;
  }
  /** Whether the whole recording is read. */
  get complete(): boolean {
    return this.#complete;
  }
  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Takes the next lines of the cast, in order. Resolves when the shadow terminal has followed. */
  async append(lines: string[]): Promise<void> {
    let pending = '';
    for (const line of lines) {
      const event = parseEvent(line);
      if (!event) continue;
      // Times never run backwards, whatever the file says: the search for a position relies on it.
      event.seconds = Math.max(event.seconds, this.#durationSeconds);
      if (this.#chunkIsFull(event)) {
        await this.#shadow.write(pending);
        pending = '';
        this.#closeChunk();
      }
      this.#addEvent(event);
      if (event.kind === 'o') pending += event.data;
      const size = event.kind === 'r' ? parseSize(event.data) : undefined;
      if (size) {
        await this.#shadow.write(pending);
        pending = '';
        this.#size = size;
        this.#shadow.resize(size.cols, size.rows);
      }
    }
    if (pending !== '') await this.#shadow.write(pending);
    this.#wake();
  }

  /** No more lines come. */
  finish(): void {
    this.#complete = true;
    this.#wake();
  }

  /** Resolves when there is more than before, or everything. */
  grown(): Promise<void> {
    return this.#complete ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Where to begin in order to show the moment `seconds`: the last chunk with a screen that begins before it. */
  chunkFor(seconds: number): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#chunks[middle]?.startSeconds ?? 0) <= seconds) low = middle;
      else high = middle - 1;
    }
    while (low > 0 && !this.#chunks[low]?.screen) low -= 1;
    return low;
  }

  /** The screen before the first event of a chunk; `undefined` when it has none. */
  async screenBefore(chunk: number): Promise<Screen | undefined> {
    const screen = this.#chunks[chunk]?.screen;
    return screen && { cols: screen.cols, rows: screen.rows, text: await screen.text.text() };
  }

  /** The events of a chunk; those of the last one grow while the recording is read. */
  async events(chunk: number): Promise<CastEvent[]> {
    const found = this.#chunks[chunk];
    if (!found) return [];
    if (Array.isArray(found.events)) return found.events;
    const parsed = this.#parsed.get(chunk) ?? (JSON.parse(await found.events.text()) as CastEvent[]);
    this.#remember(chunk, parsed);
    return parsed;
  }

  #remember(chunk: number, events: CastEvent[]): void {
    this.#parsed.delete(chunk);
    this.#parsed.set(chunk, events);
    for (const oldest of this.#parsed.keys()) {
      if (this.#parsed.size <= PARSED_CHUNKS) break;
      this.#parsed.delete(oldest);
    }
  }

  #addEvent(event: CastEvent): void {
    let chunk = this.#chunks.at(-1);
    if (!chunk || !Array.isArray(chunk.events)) {
      chunk = this.#openChunk(event.seconds);
    }
    (chunk.events as CastEvent[]).push(event);
    this.#durationSeconds = event.seconds;
    this.#characters += event.data.length;
    if (event.kind === 'o') this.#scanner.feed(event.data);
  }

  #openChunk(startSeconds: number): Chunk {
    const text = this.#scanner.insideSequence ? undefined : new Blob([this.#shadow.capture()]);
    const chunk: Chunk = { startSeconds, screen: text && { ...this.#size, text }, events: [] };
    this.#chunks.push(chunk);
    this.#characters = 0;
    return chunk;
  }

  #chunkIsFull(next: CastEvent): boolean {
    const chunk = this.#chunks.at(-1);
    if (!chunk || !Array.isArray(chunk.events)) return false;
    if (this.#characters >= CHUNK_MAX_CHARACTERS) return true;
    const full = this.#characters >= CHUNK_CHARACTERS || next.seconds - chunk.startSeconds >= CHUNK_SECONDS;
    return full && !this.#scanner.insideSequence;
  }

  #closeChunk(): void {
    const chunk = this.#chunks.at(-1);
    if (!chunk || !Array.isArray(chunk.events)) return;
    this.#remember(this.#chunks.length - 1, chunk.events);
    chunk.events = new Blob([JSON.stringify(chunk.events)]);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
