import type { AgentHello, AgentWelcome } from '@bascule/protocol/data-link.ts';
import type { RecordingWriter } from '@bascule/recording/writer.ts';
import { encodeOutputAck, encodeOutputStored } from '@bascule/wire/frames.ts';
import { REPLAY_BUFFER_MAX_BYTES } from '@bascule/wire/output-sender.ts';
import type { LiveRecording } from './live-recordings.ts';
import type { OutputTrack } from './output-track.ts';
import type { PairData } from './pair-data.ts';

export interface OutputReceiptOptions {
  writer: RecordingWriter;
  track: OutputTrack;
  live: LiveRecording;
  pair: Pick<PairData, 'waits'>;
}

/**
 * What a session's client is told of its output (wire 4.4, 4.11): that it may forget it, or that one appliance has it. In a pair a byte may be forgotten when it is on both
 * disks; a client that cannot keep without waiting is let go of it sooner, when the pair is asynchronous.
 */
export class OutputReceipt {
  readonly #options: OutputReceiptOptions;
  /** Undefined until a client has said HELLO. */
  #keeps: boolean | undefined;
  #acknowledged = 0;
  #stored = 0;
  /** Where records end that are on the disk, and that are on their way there. */
  #boundary: number;
  #boundaryTaken: number;

  constructor(options: OutputReceiptOptions) {
    this.#options = options;
    this.#boundary = this.#boundaryTaken = options.track.boundary;
  }

  /** All output taken by now is in the batch that is written next. */
  flushing(): void {
    this.#boundaryTaken = this.#options.track.boundary;
  }

  /** That batch is on the disk. */
  recorded(): void {
    this.#boundary = this.#boundaryTaken;
  }

  /** The answer to a HELLO; what it says counts from here on. */
  welcome(hello: AgentHello): AgentWelcome {
    const { recordedBytes } = this.#options.writer;
    this.#keeps = hello.keeps === true;
    const { waits } = this.#options.pair;
    const mayForget = Math.max(hello.outStart, this.#safe());
    this.#acknowledged = mayForget;
    this.#stored = recordedBytes;
    if (waits === 'none') return { v: 1, outFrom: recordedBytes };
    // One that does not keep forgets all before `outFrom`; what it sends again is passed over.
    return this.#keeps ? { v: 1, outFrom: recordedBytes, keepFrom: mayForget } : { v: 1, outFrom: mayForget };
  }

  /** What is to be sent to the client now. */
  frames(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const { writer, pair } = this.#options;
    const safe = this.#safe();
    if (safe > this.#acknowledged) frames.push(encodeOutputAck((this.#acknowledged = safe)));
    const isStored = pair.waits === 'async' && this.#keeps === true && writer.recordedBytes > Math.max(this.#stored, safe);
    if (isStored) frames.push(encodeOutputStored((this.#stored = writer.recordedBytes)));
    return frames;
  }

  /** Bytes that are only here, and that the client does not keep, or need not. Before one has said what it has: all that are only here. */
  get exposedBytes(): number {
    const { writer, pair, live } = this.#options;
    if (pair.waits === 'none') return 0;
    const { recordedBytes, takenBytes } = writer;
    const kept = this.#keeps === true ? Math.min(recordedBytes, takenBytes - REPLAY_BUFFER_MAX_BYTES) : 0;
    const letGo = this.#keeps === undefined ? recordedBytes : Math.max(this.#acknowledged, kept);
    return Math.max(0, letGo - live.copied.outBytes);
  }

  #safe(): number {
    const { writer, pair, live } = this.#options;
    if (pair.waits === 'none') return writer.recordedBytes;
    if (pair.waits === 'sync' || this.#keeps === true) return Math.min(writer.recordedBytes, live.copied.outBytes);
    // Should the other side take over without it, the output goes on with a whole record.
    return Math.min(writer.recordedBytes, this.#boundary);
  }
}
