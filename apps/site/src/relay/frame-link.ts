import { CloseCode } from '@bascule/protocol/data-link.ts';
import { decodeFrame, FrameType, WireError, type Frame } from '@bascule/wire/frames.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';

/** wire 4.10 */
export const HELLO_LIMIT_MS = 10_000;
/** A link that was silent for this long gets a ping, and after three times that is dropped: a half-open connection says nothing. */
export const PING_AFTER_MS = 15_000;
export const SILENCE_LIMIT_MS = 45_000;
/** A WebSocket takes 123 bytes and throws at more; a reason may name what the other side sent. */
const REASON_MAX_CHARACTERS = 120;

export interface FrameLinkEvents {
  /** The first frame; its JSON is not checked yet. Exactly once, before any `frame`. */
  hello(json: unknown): void;
  /** Every later frame; `message` is the whole frame, and nobody else's: it may be kept and sent on. */
  frame(frame: Frame, message: Buffer): void;
  closed(code: number): void;
}

/** One WebSocket of an agent or a viewer: frames, the HELLO deadline, signs of life. What breaks the protocol closes it with 4002. */
export class FrameLink {
  readonly #socket: LinkSocket;
  #events: FrameLinkEvents | undefined;
  #heardAtMs = Date.now();
  #pingedAtMs = 0;
  #greeted = false;
  #paused = false;
  readonly #deadline: NodeJS.Timeout;

  constructor(socket: LinkSocket, events: FrameLinkEvents) {
    this.#socket = socket;
    this.#events = events;
    this.#deadline = setTimeout(() => this.close(CloseCode.limit, 'HELLO: did not come in time'), HELLO_LIMIT_MS);
    socket.on('message', (data: Buffer, isBinary) => this.#receive(data, isBinary));
    socket.on('ping', () => (this.#heardAtMs = Date.now()));
    socket.on('pong', () => (this.#heardAtMs = Date.now()));
    socket.on('error', () => {});
    socket.on('close', (code) => {
      clearTimeout(this.#deadline);
      const gone = this.#events;
      this.#events = undefined;
      gone?.closed(code);
    });
  }

  get open(): boolean {
    return this.#events !== undefined && this.#socket.readyState === this.#socket.OPEN;
  }

  /** Sent and not taken by the network yet. */
  get waitingBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(frame: Uint8Array): void {
    if (this.#events) this.#socket.send(frame);
  }

  /** Closes; `closed` comes at once, and nothing is received any more. */
  close(code: number, reason: string): void {
    const events = this.#events;
    if (!events) return;
    this.#events = undefined;
    clearTimeout(this.#deadline);
    if (this.#paused) this.#socket.resume();
    this.#socket.close(code, reason.replace(/[^ -~]/g, '?').slice(0, REASON_MAX_CHARACTERS));
    events.closed(code);
  }

  /** Stops or goes on reading: the sender then meets back-pressure. */
  setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#heardAtMs = Date.now();
    if (paused) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Called every few seconds. */
  check(nowMs: number): void {
    if (!this.#events || this.#paused) return;
    if (nowMs - this.#heardAtMs > SILENCE_LIMIT_MS) this.#socket.terminate();
    else if (nowMs - this.#heardAtMs > PING_AFTER_MS && nowMs - this.#pingedAtMs > PING_AFTER_MS) {
      this.#pingedAtMs = nowMs;
      this.#socket.ping();
    }
  }

  #receive(data: Buffer, isBinary: boolean): void {
    const events = this.#events;
    if (!events) return;
    this.#heardAtMs = Date.now();
    try {
      if (!isBinary) throw new WireError('message: is text, not a frame');
      const frame = decodeFrame(data);
      if (this.#greeted) events.frame(frame, data);
      else if (frame.type === FrameType.hello) {
        this.#greeted = true;
        clearTimeout(this.#deadline);
        events.hello(frame.json);
      } else throw new WireError('type: the first frame must be HELLO');
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.close(CloseCode.protocol, error.message);
    }
  }
}
