import { setTimeout as delay } from 'node:timers/promises';
import type { RecordingWriter } from '@bascule/recording/writer.ts';
import type { RecordingEnd } from '@bascule/recording/format.ts';

/** From the first byte that waits to the batch that takes it. */
const GATHER_MS = 20;
/** A relay that died reads no more than about this of each recording that it goes on with. */
export const CHECKPOINT_EVERY_BYTES = 16 * 1024 * 1024;

export interface RecorderEvents {
  /** Everything before `offset` is on the disk. */
  recorded(offset: number): void;
  /** Writing failed; nothing is lost, `retry` tries again. */
  failed(error: Error): void;
  /** All output taken so far is in the batch that is written now. */
  flushing(): void;
  /** What stands for all output taken so far in a checkpoint; undefined when none is wanted any more. */
  outputState(): unknown;
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
  readonly #hurry = new AbortController();
  #checkpointAtBytes: number;

  constructor(writer: RecordingWriter, events: RecorderEvents) {
    this.writer = writer;
    this.#events = events;
    this.#checkpointAtBytes = writer.takenBytes;
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
  async finish(end: Omit<RecordingEnd, 'outBytes' | 'gapBytes'>): Promise<boolean> {
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

  /** The relay stops and nothing comes any more: writes what waits and a checkpoint from which the next relay goes on, and closes the file. */
  async suspend(): Promise<void> {
    if (this.#closed) return;
    this.#hurry.abort();
    this.#start();
    await this.#running;
    const state = this.#events.outputState();
    // What could not be written, the agent still has: then the state is ahead of the file.
    const isWhole = !this.writer.hasPending && !this.writer.end && state !== undefined;
    if (isWhole) await this.writer.saveCheckpoint(state).catch(() => {});
    await this.close();
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
    await delay(GATHER_MS, undefined, { signal: this.#hurry.signal }).catch(() => {});
    while (this.writer.hasPending && !this.#held) {
      // Taken by now is what this batch makes recorded.
      const state = this.#isCheckpointDue() ? this.#events.outputState() : undefined;
      this.#events.flushing();
      try {
        await this.writer.flush();
      } catch (error) {
        this.#held = true;
        this.#events.failed(error as Error);
        return;
      }
      this.#events.recorded(this.writer.recordedBytes);
      if (state !== undefined) await this.#checkpoint(state);
    }
  }

  #isCheckpointDue(): boolean {
    return this.writer.takenBytes - this.#checkpointAtBytes >= CHECKPOINT_EVERY_BYTES;
  }

  /** Without it the next relay reads more; a disk that is full shows at the next batch. */
  async #checkpoint(state: unknown): Promise<void> {
    this.#checkpointAtBytes = this.writer.recordedBytes;
    await this.writer.saveCheckpoint(state).catch(() => {});
  }
}
