import { DATA_ALPN } from '@bascule/protocol/control-link.ts';
import { CloseCode, agentWelcome, type AgentHello } from '@bascule/protocol/data-link.ts';
import {
  FRAME_MAX_BYTES,
  FrameType,
  WireError,
  decodeFrame,
  encodeDrained,
  encodeInputAck,
  encodeJson,
  encodeOutput,
  type Frame,
} from '@bascule/wire/frames.ts';
import { dial, type DialTarget } from '@bascule/client/dial.ts';
import type { DataLinkTls } from '@bascule/client/face.ts';
import { openWebSocket, type LinkSocket } from '@bascule/client/link-socket.ts';

/** Frames handed to the connection and not yet with the kernel, at most; then output waits in the replay buffer. */
const IN_FLIGHT_LIMIT_BYTES = 1024 * 1024;
/** wire 4.10 */
const WELCOME_LIMIT_MS = 10_000;
const PING_AFTER_MS = 15_000;
const SILENCE_LIMIT_MS = 45_000;
const PROOF_LIMIT_MS = 2_000;

export interface DataLinkEvents {
  /** The relay has output up to `outFrom`: send from there. What is before `keepFrom` may be forgotten. */
  welcome(outFrom: number, keepFrom: number): void;
  acknowledged(offset: number): void;
  /** One appliance of a pair has everything before `offset`, and the other not yet. */
  stored(offset: number): void;
  input(origin: string, offset: number, bytes: Uint8Array): void;
  /** There is room for output again. */
  writable(): void;
  closed(code: number, reason: string): void;
}

/** One data link of a session (wire section 4), from dialling to its end. */
export class DataLink {
  #events: DataLinkEvents;
  #webSocket: LinkSocket | undefined;
  #welcomed = false;
  #ended = false;
  #inFlightBytes = 0;
  #heardMs = Date.now();
  #timer: NodeJS.Timeout;
  #proofTimer: NodeJS.Timeout | undefined;

  /** Dials at once. What comes of it is told to `events`; `closed` comes exactly once. */
  constructor(target: DialTarget, tls: DataLinkTls, hello: () => AgentHello, events: DataLinkEvents) {
    this.#events = events;
    this.#timer = setTimeout(() => this.#end(CloseCode.protocol, 'no WELCOME in time'), WELCOME_LIMIT_MS);
    dial(target, { alpn: DATA_ALPN, ...tls }).then(
      (socket) => {
        if (this.#ended) socket.destroy();
        else this.#open(openWebSocket(socket, '/data', FRAME_MAX_BYTES), hello);
      },
      (error: Error) => this.#end(0, error.message),
    );
  }

  /** Whether output may be sent now. */
  get writable(): boolean {
    return this.#welcomed && !this.#ended && this.#inFlightBytes < IN_FLIGHT_LIMIT_BYTES;
  }

  get live(): boolean {
    return this.#welcomed && !this.#ended;
  }

  output(offset: number, timeUs: number, bytes: Uint8Array): void {
    this.#send(encodeOutput(offset, timeUs, bytes));
  }

  inputAck(origin: string, offset: number): void {
    if (this.live) this.#send(encodeInputAck(origin, offset));
  }

  drained(): void {
    this.#send(encodeDrained());
  }

  close(code: number, reason: string): void {
    this.#end(code, reason);
  }

  /** Called every few seconds: finds connections that are dead without a word. */
  check(nowMs: number): void {
    if (!this.live) return;
    const silentMs = nowMs - this.#heardMs;
    if (silentMs >= SILENCE_LIMIT_MS) this.#end(0, 'the relay was silent');
    else if (silentMs >= PING_AFTER_MS) this.#webSocket?.ping();
  }

  /** Asks for a sign of life; without one within PROOF_LIMIT_MS the link is over. */
  prove(): void {
    if (!this.live || this.#proofTimer !== undefined) return;
    const askedMs = Date.now();
    this.#webSocket?.ping();
    this.#proofTimer = setTimeout(() => {
      this.#proofTimer = undefined;
      if (this.#heardMs < askedMs) this.#end(0, 'the relay did not answer');
    }, PROOF_LIMIT_MS);
  }

  #open(webSocket: LinkSocket, hello: () => AgentHello): void {
    this.#webSocket = webSocket;
    webSocket.on('open', () => webSocket.send(encodeJson(FrameType.hello, hello())));
    webSocket.on('error', (error: Error) => this.#end(0, error.message));
    webSocket.on('close', (code: number, reason: Buffer) => this.#end(code, reason.toString('utf8')));
    webSocket.on('pong', () => (this.#heardMs = Date.now()));
    webSocket.on('ping', () => (this.#heardMs = Date.now()));
    webSocket.on('message', (data: Buffer) => this.#received(data));
  }

  #received(data: Buffer): void {
    if (this.#ended) return;
    this.#heardMs = Date.now();
    try {
      this.#handle(decodeFrame(data));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#end(CloseCode.protocol, error.message);
    }
  }

  #handle(frame: Frame): void {
    if (!this.#welcomed) {
      const welcome = frame.type === FrameType.welcome ? agentWelcome.safeParse(frame.json) : undefined;
      if (welcome?.success !== true) throw new WireError('the first frame must be a valid WELCOME');
      clearTimeout(this.#timer);
      this.#welcomed = true;
      const { outFrom, keepFrom = outFrom } = welcome.data;
      this.#events.welcome(outFrom, keepFrom);
    } else if (frame.type === FrameType.outputAck) {
      this.#events.acknowledged(frame.offset);
    } else if (frame.type === FrameType.outputStored) {
      this.#events.stored(frame.offset);
    } else if (frame.type === FrameType.input) {
      this.#events.input(frame.origin, frame.offset, frame.bytes);
    } else {
      throw new WireError(`type: 0x${frame.type.toString(16)} does not go to an agent`);
    }
  }

  #send(frame: Uint8Array): void {
    this.#inFlightBytes += frame.length;
    this.#webSocket?.send(frame, () => {
      const wasFull = this.#inFlightBytes >= IN_FLIGHT_LIMIT_BYTES;
      this.#inFlightBytes -= frame.length;
      if (wasFull && this.writable) this.#events.writable();
    });
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#proofTimer);
    const webSocket = this.#webSocket;
    if (webSocket?.readyState === webSocket?.OPEN && code >= 1000)
      webSocket?.close(code, Buffer.from(reason).subarray(0, 120).toString('utf8'));
    else webSocket?.terminate();
    this.#events.closed(code, reason);
  }
}
