import type { DurableBatch } from '@bascule/recording/writer.ts';

/** How far a recording is, in bytes of its file and of its output. */
export interface RecordingPlace {
  fileBytes: number;
  outBytes: number;
}

/** A recording that is being written here, and how far the follower's copy of it is. */
export class LiveRecording {
  /** Below the recordings. */
  readonly path: string;
  readonly file: string;
  /** Durable here. */
  here: RecordingPlace;
  /** Durable on the follower, as it last said. */
  copied: RecordingPlace = { fileBytes: 0, outBytes: 0 };
  /** Nobody writes it any more. */
  isReleased = false;
  /** The follower has more of it now. */
  onCopied: () => void = () => {};

  constructor(path: string, file: string, here: RecordingPlace) {
    this.path = path;
    this.file = file;
    this.here = { ...here };
  }

  get isCopied(): boolean {
    return this.copied.fileBytes >= this.here.fileBytes;
  }

  get bytesLeft(): number {
    return Math.max(0, this.here.fileBytes - this.copied.fileBytes);
  }

  setCopied(place: RecordingPlace): void {
    this.copied = place;
    this.onCopied();
  }
}

/** Who sends what is appended on to the follower (class LiveFeed). */
export interface LiveListener {
  added(recording: LiveRecording): void;
  appended(recording: LiveRecording, batch: DurableBatch): void;
  released(recording: LiveRecording): void;
}

/** The recordings that are being written now, each known by its path. */
export class LiveRecordings {
  readonly #all = new Map<string, LiveRecording>();
  #listener: LiveListener | undefined;

  /** One listener at a time: the link that came last. */
  listen(listener: LiveListener | undefined): void {
    this.#listener = listener;
    for (const recording of this.all()) {
      // What an earlier link was to send whole the background copy finds.
      if (recording.isReleased) this.#all.delete(recording.path);
      else listener?.added(recording);
    }
  }

  all(): LiveRecording[] {
    return [...this.#all.values()];
  }

  get(path: string): LiveRecording | undefined {
    return this.#all.get(path);
  }

  get bytesLeft(): number {
    return this.all().reduce((sum, { bytesLeft }) => sum + bytesLeft, 0);
  }

  add(recording: LiveRecording): void {
    this.#all.set(recording.path, recording);
    this.#listener?.added(recording);
  }

  appended(recording: LiveRecording, batch: DurableBatch): void {
    recording.here = { fileBytes: batch.position + batch.bytes, outBytes: batch.outBytes };
    this.#listener?.appended(recording, batch);
  }

  /** It is not written any more; kept until the follower has all of it, or is gone. */
  release(recording: LiveRecording): void {
    recording.isReleased = true;
    if (this.#listener === undefined) this.forget(recording);
    else this.#listener.released(recording);
  }

  forget(recording: LiveRecording): void {
    if (this.#all.get(recording.path) === recording) this.#all.delete(recording.path);
  }
}
