import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from './api-client.ts';
import { FarProgram, numberedText } from './far-program.ts';
import { readRecording } from './recorded-bytes.ts';
import { TestViewer } from './viewer.ts';
import { waitUntil } from './wait-until.ts';

const ENOUGH_BYTES = 1_000_000;
const COME_BACK_LIMIT_MS = 90_000;

/** What a session that types by itself has to show at the end (I1, I2). */
export interface TypingOutcome {
  session: string;
  isLost: boolean;
  typedBytes: number;
  /** Bytes that did not arrive, arrived twice or in another order, in either direction or in the recording. */
  bytesLost: number;
  /** What differs, and from where on; empty when nothing was lost. */
  differences: string[];
  isRecordingWhole: boolean;
  /** The longest time from a keystroke to its echo. */
  longestGapMs: number;
}

/**
 * An access session in which a key is pressed every `everyMs`, as by a person who does not notice anything. The far program notes every byte it gets
 * and writes, and so does this end.
 */
export class TypingSession implements Disposable {
  readonly session: string;
  readonly #api: ApiClient;
  readonly #viewer: TestViewer;
  readonly #far: FarProgram;
  readonly #text: string;
  #typed = 0;
  #longestGapMs = 0;
  #stopping = false;
  #failure: unknown;
  readonly #typing: Promise<void>;

  private constructor(api: ApiClient, viewer: TestViewer, far: FarProgram, text: string, everyMs: number) {
    this.session = viewer.session;
    this.#api = api;
    this.#viewer = viewer;
    this.#far = far;
    this.#text = text;
    this.#typing = this.#type(everyMs);
    // `finish` tells it; until then whoever waits for keys says what is wrong.
    this.#typing.catch((error: unknown) => (this.#failure = error));
  }

  /** Opens a session to the Jump Item and begins to type. */
  static async start(api: ApiClient, item: string, everyMs = 20): Promise<TypingSession> {
    const far = new FarProgram(ENOUGH_BYTES, 0);
    const viewer = new TestViewer(api, await api.openSession(item));
    await far.run(viewer);
    return new TypingSession(api, viewer, far, numberedText(ENOUGH_BYTES), everyMs);
  }

  /** Throws when typing has come to an end by itself. */
  get typedBytes(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#typed;
  }

  /** Without comparing anything: for a test that has failed. */
  [Symbol.dispose](): void {
    this.#stopping = true;
    this.#viewer[Symbol.dispose]();
    this.#far[Symbol.dispose]();
  }

  /** Of keys that were pressed and are not known to have arrived. */
  get unconfirmedBytes(): number {
    return this.#viewer.client.unconfirmedInput().bytes;
  }

  /** Forgets the longest gap so far, and answers it. */
  takeLongestGapMs(): number {
    const longest = this.#longestGapMs;
    this.#longestGapMs = 0;
    return longest;
  }

  /** What has arrived elsewhere than it belongs until now, in either direction; the recording is compared at the end. */
  differencesSoFar(): string[] {
    const received = this.#far.received();
    const typed = Buffer.from(this.#text.slice(0, this.#typed), 'latin1');
    const seen = this.#viewer.bytes();
    const shown = seen.subarray(seen.indexOf('START'));
    const produced = this.#far.produced();
    return [
      ...difference('typed', received, typed.subarray(0, received.length)),
      ...difference('shown', shown.subarray(0, produced.length), produced.subarray(0, shown.length)),
    ];
  }

  async #type(everyMs: number): Promise<void> {
    let sentAtMs: number[] = [];
    let echoed = 0;
    const start = this.#viewer.length;
    this.#viewer.onBytes = () => {
      const nowMs = performance.now();
      const seen = this.#viewer.length - start;
      while (echoed < seen && sentAtMs.length > 0) {
        this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - (sentAtMs.shift() ?? nowMs));
        echoed++;
      }
    };
    while (!this.#stopping) {
      sentAtMs.push(performance.now());
      this.#viewer.type(this.#text[this.#typed] ?? '.');
      this.#typed++;
      await delay(everyMs);
    }
    sentAtMs = [];
  }

  /** No key is pressed from here on; what was typed is still under way. */
  stopTyping(): void {
    this.#stopping = true;
  }

  /** Stops typing, waits until everything has arrived, ends the session and compares what every party holds. */
  async finish(): Promise<TypingOutcome> {
    this.stopTyping();
    await this.#typing;
    const typed = Buffer.from(this.#text.slice(0, this.#typed), 'latin1');
    try {
      await this.#viewer.untilConfirmed(COME_BACK_LIMIT_MS);
      const produced = await waitUntil('the far program has written down what was typed', () => this.#far.account(typed.length));
      await this.#viewer.until(
        'all output came',
        () => this.#viewer.bytes().includes(produced.subarray(-64)),
        COME_BACK_LIMIT_MS,
      );
      await this.#api.send('POST', `access-sessions/${this.session}/end`, {});
      const detail = await this.#api.endedSession(this.session);
      const recording = await readRecording(this.#api, this.session);
      const start = recording.terminal.indexOf('START');
      const recorded = recording.terminal.subarray(start);
      const seen = this.#viewer.bytes();
      const shown = seen.subarray(seen.indexOf('START'));
      const pairs = { typed: [this.#far.received(), typed], recorded: [recorded, produced], shown: [shown, produced] } as const;
      const bytesLost = Object.values(pairs).reduce((sum, [found, expected]) => sum + differing(found, expected), 0);
      return {
        session: this.session,
        isLost: detail.session.endReason !== 'ended-by-user',
        typedBytes: typed.length,
        bytesLost,
        differences: Object.entries(pairs).flatMap(([name, [found, expected]]) => difference(name, found, expected)),
        isRecordingWhole: recording.complete && recording.headSha256 === detail.recording?.headSha256,
        longestGapMs: this.#longestGapMs,
      };
    } finally {
      this.#viewer[Symbol.dispose]();
      this.#far[Symbol.dispose]();
    }
  }
}

/** How many bytes are not where they belong. */
function differing(found: Uint8Array, expected: Uint8Array): number {
  if (sha256(found) === sha256(expected)) return 0;
  let count = Math.abs(found.length - expected.length);
  for (let at = 0; at < Math.min(found.length, expected.length); at++) if (found[at] !== expected[at]) count++;
  return count;
}

function difference(name: string, found: Uint8Array, expected: Uint8Array): string[] {
  const at = expected.findIndex((byte, index) => byte !== found[index]);
  if (at < 0 && found.length === expected.length) return [];
  return [`${name}: ${found.length} bytes instead of ${expected.length}, another one at ${at < 0 ? expected.length : at}`];
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
