import type { RecordingWriter } from '@bascule/recording/writer.ts';
import type { RecordingEnd } from '@bascule/recording/format.ts';

/** From the first byte that waits to the batch that takes it. */
const GATHER_MS = 20;

export interface RecorderEvents {
  /** Everything before `offset` is on the disk. */
  recorded(offset: number): void;
  /** Writing failed; nothing is lost, `retry` tries again. */
  failed(error: Error): void;
}

/**
 * Keeps a recording's writer busy: whatever came while one batch was on its way to the disk is the next batch (group commit). Appending never waits.
 */
export class Recorder {
  readonly writer: RecordingWriter;
  readonly #events: RecorderEvents;
  #running: Promise<void> | undefined;
  #held = false;
  #stopped = false;
  #closed = false;

  constructor(writer: RecordingWriter, events: RecorderEvents) {
    this.writer = writer;
    this.#events = events;
  }

  get waitingBytes(): number {
    return this.writer.takenBytes - this.writer.recordedBytes;
  }

  append(offset: number, timeUs: number, bytes: Uint8Array): void {
    this.writer.append(offset, timeUs, bytes);
    this.#start();
  }

  /** After a failure: tries again. */
  retry(): void {
    this.#held = false;
    this.#start();
  }

  /** Writes what waits and the end frame; false when either failed (`failed` was called), to be tried again. */
  async finish(end: Omit<RecordingEnd, 'outBytes'>): Promise<boolean> {
    this.#held = false;
    this.#start();
    await this.#running;
    if (this.writer.hasPending) return false;
    try {
      if (!this.writer.end) await this.writer.finish(end);
      return true;
    } catch (error) {
      this.#events.failed(error as Error);
      return false;
    }
  }

  /** Lets what is under way finish; nothing is written after that, but the file can be read. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  /** Stops, and closes the file. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.stop();
    await this.writer.close();
  }

  #start(): void {
    if (this.#running || this.#held || this.#stopped || !this.writer.hasPending) return;
    this.#running = this.#run().finally(() => (this.#running = undefined));
  }

  async #run(): Promise<void> {
    // Nobody waits for the disk but the agent's buffer: a moment later the echo has left, and what came meanwhile shares the batch.
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    while (this.writer.hasPending && !this.#held) {
      try {
        await this.writer.flush();
      } catch (error) {
        this.#held = true;
        this.#events.failed(error as Error);
        return;
      }
      this.#events.recorded(this.writer.recordedBytes);
    }
  }
}
