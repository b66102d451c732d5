/**
 * The agent's replay buffer (wire 4.3): every byte of output from the last acknowledgement on, as far as it holds. Pure: no transport, no clock.
 */
import { WireError } from './frames.ts';

/** Kept output of a session at most. Output that is on no appliance's disk is never let go: when it is that much, the process is not read any more. */
export const REPLAY_BUFFER_MAX_BYTES = 64 * 1024 * 1024;

export interface OutputChunk {
  offset: number;
  timeUs: number;
  bytes: Uint8Array;
}

export class OutputSender {
  readonly #maxBytes: number;
  readonly #chunks: OutputChunk[] = [];
  /** Chunks before this index are acknowledged; they are cut off in batches. */
  #first = 0;
  #start = 0;
  #end = 0;
  #stored = 0;
  #letGoBytes = 0;
  #mayLetGo = false;

  constructor(maxBytes: number = REPLAY_BUFFER_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Everything before it has been acknowledged, or let go. */
  get start(): number {
    return this.#start;
  }

  /** The position behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Whether the process must not be read now. One append may go over the limit, so that what was read is never dropped. */
  get full(): boolean {
    return this.waitingBytes >= this.#maxBytes;
  }

  /** What counts against the limit: output that is on no disk; without a link all that is kept, for nothing is let go then. */
  get waitingBytes(): number {
    return this.#mayLetGo ? this.unstoredBytes : this.#end - this.#start;
  }

  /** Output that is not known to be on any disk. */
  get unstoredBytes(): number {
    return this.#end - Math.max(this.#start, this.#stored);
  }

  /** Bytes that one appliance alone has and that are not kept here any more (wire 4.11). */
  get letGoBytes(): number {
    return this.#letGoBytes;
  }

  /** Keeps `bytes` (not copied: the caller gives them away) and returns their chunk. */
  append(bytes: Uint8Array, timeUs: number): OutputChunk {
    const chunk = { offset: this.#end, timeUs, bytes };
    this.#chunks.push(chunk);
    this.#end += bytes.length;
    this.#letGo();
    return chunk;
  }

  /** OUTPUT_STORED: on the disk of one appliance; kept for the other while there is room. Throws WireError when that was never sent. */
  store(offset: number): void {
    if (offset > this.#end) throw new WireError(`OUTPUT_STORED offset: ${offset} is beyond the ${this.#end} bytes that exist`);
    this.#stored = Math.max(this.#stored, offset);
    this.#letGo();
  }

  /** Forgets what is before `offset`. Throws WireError when that was never sent. */
  acknowledge(offset: number): void {
    if (offset > this.#end) throw new WireError(`OUTPUT_ACK offset: ${offset} is beyond the ${this.#end} bytes that exist`);
    if (offset <= this.#start) return;
    this.#forgetBefore(offset);
  }

  /** WELCOME: the appliance that answers has everything before `offset` on its disk, and no more; what an earlier one stored may be gone. Throws as `next`. */
  resumeFrom(offset: number): void {
    if (offset < this.#start || offset > this.#end)
      throw new WireError(`outFrom: ${offset} is outside of what is held (${this.#start} to ${this.#end})`);
    this.#stored = offset;
    this.#mayLetGo = true;
  }

  /** The link is gone: who answers next may have less, so that nothing is let go until then. */
  suspend(): void {
    this.#mayLetGo = false;
  }

  /** Above the limit the oldest chunks that are stored go, whole ones: what is left begins where a chunk begins. */
  #letGo(): void {
    if (!this.#mayLetGo) return;
    let start = this.#start;
    for (let index = this.#first; this.#end - start > this.#maxBytes; index++) {
      const chunk = this.#chunks[index];
      if (chunk === undefined || chunk.offset + chunk.bytes.length > this.#stored) break;
      start = chunk.offset + chunk.bytes.length;
    }
    this.#letGoBytes += start - this.#start;
    if (start > this.#start) this.#forgetBefore(start);
  }

  #forgetBefore(offset: number): void {
    this.#start = offset;
    while (this.#first < this.#chunks.length) {
      const chunk = this.#chunks[this.#first]!;
      if (chunk.offset + chunk.bytes.length > offset) break;
      this.#first++;
    }
    if (this.#first > 1024 || this.#first === this.#chunks.length) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /**
   * The first piece at or after `offset`, at most `maxBytes` long; undefined when there is nothing yet.
   * Throws WireError when `offset` is not held any more, or never was.
   */
  next(offset: number, maxBytes: number): OutputChunk | undefined {
    if (offset < this.#start || offset > this.#end)
      throw new WireError(`offset: ${offset} is outside of what is held (${this.#start} to ${this.#end})`);
    const index = this.#find(offset);
    const chunk = this.#chunks[index];
    if (!chunk) return undefined;
    const skip = offset - chunk.offset;
    return skip === 0 && chunk.bytes.length <= maxBytes
      ? chunk
      : { offset, timeUs: chunk.timeUs, bytes: chunk.bytes.subarray(skip, skip + maxBytes) };
  }

  /** Binary search for the chunk that holds `offset`. */
  #find(offset: number): number {
    let low = this.#first;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle]!;
      if (chunk.offset + chunk.bytes.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
