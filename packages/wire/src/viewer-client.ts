/**
 * The viewer's end of an access session (wire 4): keeps its offsets through every break of the link, so that nothing is lost or doubled. The same code runs in
 * the web console and, in Node, in tests and benchmarks.
 */
import { CloseCode, viewerBeat, viewerNotice, viewerWelcome, type ViewerNotice } from '@bascule/protocol/data-link.ts';
import { BackOff } from './back-off.ts';
import { BeatWatch, within } from './beat-watch.ts';
import {
  decodeFrame,
  encodeInput,
  encodeJson,
  encodeOutputAck,
  FRAME_PAYLOAD_MAX_BYTES,
  FrameType,
  hex,
  WireError,
  type Frame,
} from './frames.ts';
import { InputSender } from './input-sender.ts';
import {
  decodeExit,
  decodeSize,
  encodeRecord,
  encodeSize,
  InputRecord,
  OutputRecord,
  RECORD_PAYLOAD_MAX_BYTES,
  RecordParser,
} from './records.ts';

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MOST_MS = 2000;
/** The first try after the relay said that it restarts comes within this: base holds the request until the site is there. */
const RETURN_PAUSE_MS = 20;
/** Not oftener than this: a relay that says so again and again gets the ordinary pauses. */
const RETURN_EVERY_MS = 2000;
/** A WELCOME that has not come by then: the link is closed and tried anew (wire 4.10). */
const WELCOME_WAIT_LIMIT_MS = 10_000;
/** In a pair another appliance may answer the next try: the first ticket, or WELCOME, that stays away is given up after this, and each further one after half as long again. */
const HURRIED_WAIT_FIRST_MS = 1_000;
const HURRIED_WAIT_GROWTH = 1.5;
/** As what a WebSocket itself says of a link that broke (RFC 6455, 7.1.5). */
const ABANDONED = 1006;
/** A WebSocket takes 123 bytes; our messages are ASCII. */
const CLOSE_REASON_MAX_CHARACTERS = 120;
/** Shown output is acknowledged after so many bytes, or when nothing more waits. */
const ACK_EVERY_BYTES = 64 * 1024;

export type ViewerStatus = 'connecting' | 'live' | 'reconnecting' | 'ended';

/** What is used of a WebSocket: browsers' and Node's have it. */
export interface WebSocketLike {
  binaryType: string;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: never) => void) | null;
}

export interface ViewerOptions {
  /** Opens a WebSocket to `/stream`. */
  open(): WebSocketLike;
  /**
   * Asks the API for a one-time ticket. Rejects with an Error; `permanent: true` on it when another try makes no sense (the session is over). What comes after `limitMs`
   * is not used.
   */
  getTicket(limitMs: number): Promise<string>;
  /** The terminal's size at the start. */
  size?: { cols: number; rows: number };
  /** The origin of the same page before a reload, to learn how much of its input arrived. */
  previousOrigin?: string;
  /** A whole screen: clear the terminal and write this. */
  onScreen(screen: { text: string; cols: number; rows: number }, shown: () => void): void;
  /** The terminal's bytes (a copy that may be kept). Call `shown` when they have been shown, so that more may come. */
  onOutput(bytes: Uint8Array, shown: () => void): void;
  onResized?(cols: number, rows: number): void;
  onExit?(exit: { code: number; signal: number }): void;
  onNotice?(notice: ViewerNotice): void;
  onStatus?(status: ViewerStatus): void;
  /** How much of what is typed is not confirmed yet, in bytes of the stream. */
  onUnconfirmed?(bytes: number): void;
  /** After a reload: how many bytes of the previous origin's input have arrived. */
  onPreviousInput?(arrivedBytes: number): void;
  /** The viewer gave up: a sentence for the log. */
  onError?(error: Error): void;
  random?: () => number;
}

export class ViewerClient {
  /** 32 hex digits; new with every page. */
  readonly origin: string = hex(crypto.getRandomValues(new Uint8Array(16)));
  readonly #options: ViewerOptions;
  readonly #input = new InputSender();
  readonly #backOff: BackOff;
  #parser: RecordParser | undefined;
  #socket: WebSocketLike | undefined;
  #status: ViewerStatus = 'connecting';
  #welcomed = false;
  #returnedAtMs = Number.NEGATIVE_INFINITY;
  /** Whether the relay has told from where on the agent wants input. */
  #inputReady = false;
  #shownOffset = 0;
  #acknowledged = 0;
  #pendingShown = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #beats = new BeatWatch();
  /** Tries since the last WELCOME. */
  #tries = 0;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.#backOff = new BackOff(RECONNECT_FIRST_MS, RECONNECT_MOST_MS, options.random);
  }

  get status(): ViewerStatus {
    return this.#status;
  }

  /** Bytes of input that the agent has not confirmed, and the position behind the last typed byte. */
  unconfirmedInput(): { bytes: number; end: number } {
    return { bytes: this.#input.unconfirmedBytes, end: this.#input.end };
  }

  /** Connects, and keeps connecting until the session is over or `close` is called. */
  connect(): void {
    void this.#connect();
  }

  /** Types `bytes`. False, and nothing is typed, when more than 8 MiB wait already. */
  send(bytes: Uint8Array): boolean {
    if (this.#status === 'ended') return false;
    const records: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += RECORD_PAYLOAD_MAX_BYTES)
      records.push(encodeRecord(InputRecord.keys, bytes.subarray(at, at + RECORD_PAYLOAD_MAX_BYTES)));
    return this.#append(records.length === 1 ? records[0]! : joined(records));
  }

  /** Tells the far terminal its size. */
  resize(cols: number, rows: number): void {
    if (this.#status !== 'ended') this.#append(encodeSize(InputRecord.resize, cols, rows));
  }

  /** Breaks the link as a network would; it comes back by itself. */
  dropLink(): void {
    this.#socket?.close();
  }

  /** Leaves the session for good; it goes on without this viewer. */
  close(): void {
    this.#end();
  }

  #append(record: Uint8Array): boolean {
    if (!this.#input.append(record)) return false;
    this.#flushInput();
    this.#options.onUnconfirmed?.(this.#input.unconfirmedBytes);
    return true;
  }

  async #connect(): Promise<void> {
    let ticket: string;
    const limitMs = this.#waitLimitMs();
    try {
      ticket = await within(limitMs, this.#options.getTicket(limitMs));
    } catch (error) {
      if ((error as { permanent?: boolean }).permanent) this.#fail(error as Error);
      else this.#retry();
      return;
    }
    if (this.#status === 'ended') return;
    const socket = this.#options.open();
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#welcomed = false;
    this.#inputReady = false;
    this.#timer = setTimeout(() => this.#abandon(socket), limitMs);
    socket.onopen = () => socket.send(encodeJson(FrameType.hello, this.#hello(ticket)));
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onerror = () => {};
    socket.onclose = ({ code, reason }) => this.#closed(socket, code, reason);
  }

  /** Grows with each try, up to what an appliance that is only busy may need. */
  #waitLimitMs(): number {
    if (!this.#beats.areExpected) return WELCOME_WAIT_LIMIT_MS;
    return Math.min(WELCOME_WAIT_LIMIT_MS, Math.round(HURRIED_WAIT_FIRST_MS * HURRIED_WAIT_GROWTH ** this.#tries++));
  }

  /** Gives up a link without waiting for the other end, which may hang. */
  #abandon(socket: WebSocketLike): void {
    socket.close();
    this.#closed(socket, ABANDONED, '');
  }

  #hello(ticket: string) {
    const { size, previousOrigin } = this.#options;
    return {
      v: 1,
      ticket,
      origin: this.origin,
      beats: true,
      ...(this.#parser && { outFrom: this.#parser.offset }),
      ...(size && !this.#parser && { size }),
      ...(previousOrigin && !this.#parser && { previousOrigin }),
    };
  }

  #receive(socket: WebSocketLike, data: unknown): void {
    if (socket !== this.#socket || !(data instanceof ArrayBuffer)) return;
    this.#beats.heard();
    try {
      this.#handle(socket, decodeFrame(new Uint8Array(data)));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      socket.close(CloseCode.protocol, error.message.slice(0, CLOSE_REASON_MAX_CHARACTERS));
    }
  }

  #handle(socket: WebSocketLike, frame: Frame): void {
    switch (frame.type) {
      case FrameType.welcome:
        return this.#welcome(socket, frame.json);
      case FrameType.screen:
        return this.#screen(frame);
      case FrameType.output:
        return this.#output(frame.offset, frame.bytes);
      case FrameType.inputAck:
        return this.#confirmed(frame.origin, frame.offset);
      case FrameType.notice:
        return this.#notice(frame.json);
      default:
        throw new WireError(`type: a viewer does not get 0x${frame.type.toString(16)}`);
    }
  }

  #welcome(socket: WebSocketLike, json: unknown): void {
    const welcome = viewerWelcome.safeParse(json);
    if (!welcome.success) throw new WireError('WELCOME: does not fit its schema');
    clearTimeout(this.#timer);
    this.#welcomed = true;
    this.#backOff.reset();
    this.#tries = 0;
    this.#beats.expect(welcome.data.beatMs, () => this.#abandon(socket));
    this.#setStatus('live');
    const { outFrom, inputFrom, previousInput, agentConnected } = welcome.data;
    // A first WELCOME announces a SCREEN, or the stream from its beginning; a later one goes on where the page stands.
    this.#parser ??= this.#newParser(outFrom);
    if (inputFrom !== null) this.#resumeInput(inputFrom);
    if (previousInput !== null) this.#options.onPreviousInput?.(previousInput);
    this.#options.onNotice?.({ kind: 'agent', connected: agentConnected });
  }

  #screen(frame: { offset: number; cols: number; rows: number; text: string }): void {
    this.#parser = this.#newParser(frame.offset);
    this.#options.onScreen(frame, this.#shownAt(frame.offset));
  }

  #newParser(offset: number): RecordParser {
    this.#shownOffset = this.#acknowledged = offset;
    return new RecordParser((type, payload) => this.#record(type, payload), offset);
  }

  #output(offset: number, bytes: Uint8Array): void {
    const parser = this.#parser;
    if (!parser) throw new WireError('OUTPUT: before WELCOME');
    if (offset > parser.offset) throw new WireError(`OUTPUT offset: ${offset} leaves a gap after ${parser.offset}`);
    const skip = parser.offset - offset;
    if (skip >= bytes.length) return;
    parser.push(bytes.subarray(skip));
    if (this.#pendingShown === 0) this.#acknowledge(parser.offset, true);
  }

  #record(type: number, payload: Uint8Array): void {
    switch (type) {
      case OutputRecord.data:
        this.#options.onOutput(payload.slice(), this.#shownAt(this.#parser!.boundary));
        return;
      case OutputRecord.resized: {
        const { cols, rows } = decodeSize(payload);
        this.#options.onResized?.(cols, rows);
        return;
      }
      case OutputRecord.exit:
        this.#options.onExit?.(decodeExit(payload));
    }
  }

  /** Output counts as shown in the order in which it came; the last piece that waits also covers records without a showing of their own. */
  #shownAt(offset: number): () => void {
    this.#pendingShown++;
    const parser = this.#parser;
    return () => {
      this.#pendingShown--;
      if (parser !== this.#parser || !parser) return;
      this.#acknowledge(this.#pendingShown === 0 ? parser.offset : offset, this.#pendingShown === 0);
    };
  }

  #acknowledge(offset: number, now: boolean): void {
    this.#shownOffset = Math.max(this.#shownOffset, offset);
    if (!this.#welcomed || this.#shownOffset === this.#acknowledged) return;
    if (!now && this.#shownOffset - this.#acknowledged < ACK_EVERY_BYTES) return;
    this.#acknowledged = this.#shownOffset;
    this.#socket?.send(encodeOutputAck(this.#shownOffset));
  }

  #confirmed(origin: string, offset: number): void {
    if (origin !== this.origin) return;
    if (this.#inputReady) this.#input.confirm(offset);
    else this.#resumeInput(offset);
    this.#flushInput();
    this.#options.onUnconfirmed?.(this.#input.unconfirmedBytes);
  }

  #resumeInput(offset: number): void {
    this.#inputReady = true;
    this.#input.resumeFrom(offset);
    this.#flushInput();
    this.#options.onUnconfirmed?.(this.#input.unconfirmedBytes);
  }

  #flushInput(): void {
    if (!this.#inputReady) return;
    for (let piece = this.#input.take(FRAME_PAYLOAD_MAX_BYTES); piece; piece = this.#input.take(FRAME_PAYLOAD_MAX_BYTES)) {
      this.#socket?.send(encodeInput(this.origin, piece.offset, piece.bytes));
    }
  }

  #notice(json: unknown): void {
    if (viewerBeat.safeParse(json).success) return;
    const notice = viewerNotice.safeParse(json);
    if (!notice.success) throw new WireError('NOTICE: does not fit its schema');
    // The agent is away: what was sent to it may be lost; its INPUT_ACK after the return says from where to go on.
    if (notice.data.kind === 'agent' && !notice.data.connected) this.#inputReady = false;
    // While the recording is paused the relay passes no input on; again an INPUT_ACK says from where.
    if (notice.data.kind === 'paused' && notice.data.paused) this.#inputReady = false;
    this.#options.onNotice?.(notice.data);
    if (notice.data.kind === 'ended') this.#end();
  }

  #closed(socket: WebSocketLike, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timer);
    this.#beats.stop();
    this.#socket = undefined;
    this.#welcomed = false;
    this.#inputReady = false;
    if (this.#status === 'ended') return;
    if (code === CloseCode.ended || code === CloseCode.replaced) {
      this.#fail(new Error(reason || 'the session is over'));
      return;
    }
    this.#retry(code === CloseCode.restarting ? this.#returnPauseMs() : undefined);
  }

  /** A short pause, unless there was one just before. */
  #returnPauseMs(): number | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#returnedAtMs < RETURN_EVERY_MS) return undefined;
    this.#returnedAtMs = nowMs;
    return (this.#options.random ?? Math.random)() * RETURN_PAUSE_MS;
  }

  #retry(pauseMs = this.#backOff.next()): void {
    if (this.#status === 'ended') return;
    this.#setStatus(this.#parser ? 'reconnecting' : 'connecting');
    this.#timer = setTimeout(() => void this.#connect(), pauseMs);
  }

  #fail(error: Error): void {
    this.#options.onError?.(error);
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#timer);
    this.#beats.stop();
    this.#setStatus('ended');
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #setStatus(status: ViewerStatus): void {
    if (this.#status === status && status !== 'connecting') return;
    this.#status = status;
    this.#options.onStatus?.(status);
  }
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
