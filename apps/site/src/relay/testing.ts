/** For tests: an agent and a viewer that speak the wire, to a relay in this process or in another. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { newId } from '@bascule/core/ids.ts';
import { agentWelcome } from '@bascule/protocol/data-link.ts';
import type { RecordingHeader } from '@bascule/protocol/relay-control.ts';
import { readFrames } from '@bascule/recording/reader.ts';
import { decodeFrame, encodeDrained, encodeInputAck, encodeJson, encodeOutput, FrameType } from '@bascule/wire/frames.ts';
import { InputReceiver } from '@bascule/wire/input-receiver.ts';
import { OutputSender } from '@bascule/wire/output-sender.ts';
import { InputRecord, OutputRecord, RecordParser } from '@bascule/wire/records.ts';
import type { LinkSocket } from '@bascule/wire/web-socket.ts';

export const SESSION = newId('accessSession');
export const CLIENT = newId('jumpClient');
export const USER = newId('user');
export const LOGIN_SESSION = newId('loginSession');

export const HEADER: RecordingHeader = {
  format: 'bascule-recording/1',
  session: SESSION,
  startedAtMs: 1_790_000_000_000,
  appliance: 'test',
  user: { id: USER, name: 'ada' },
  fromAddress: '192.0.2.1',
  jumpItem: { id: CLIENT, name: 'web-1', hostName: 'web-1', runsAs: 'root' },
  program: 'shell',
  size: { cols: 80, rows: 24 },
  recordsInput: false,
};

export function sha256(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A source of numbers below 1 that a seed fixes (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The terminal's bytes in a recording (wire 6.4). */
export async function dataOf(file: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  const parser = new RecordParser((type, payload) => {
    if (type === OutputRecord.data) parts.push(Buffer.from(payload));
  });
  for await (const { frame } of readFrames(file)) if (frame.kind === 'output') parser.push(frame.bytes);
  return Buffer.concat(parts);
}

/** An agent without a process: its output is what the test appends, its input what arrived. Redials until it is closed. */
export class ScriptedAgent {
  readonly output = new OutputSender();
  readonly input = new InputReceiver();
  readonly keys = new Map<string, Buffer[]>();
  closeCodes: number[] = [];
  /** Largest frame sent; a test makes it small to cut records everywhere. */
  frameBytes = () => 64 * 1024;
  onChange: () => void = () => {};
  readonly #dial: () => Promise<WebSocket>;
  readonly #ticket: () => Promise<string>;
  readonly #parsers = new Map<string, RecordParser>();
  #socket: WebSocket | undefined;
  #live = false;
  #sent = 0;
  #closed = false;
  #exited = false;

  constructor(dial: () => Promise<WebSocket>, ticket: () => Promise<string>) {
    this.#dial = dial;
    this.#ticket = ticket;
  }

  append(record: Uint8Array, exit = false): void {
    this.output.append(record, Date.now() * 1000);
    this.#exited ||= exit;
    this.#pump();
  }

  connect(): void {
    void this.#connect().catch(() => this.#again());
  }

  drop(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  async #connect(): Promise<void> {
    const ticket = await this.#ticket();
    const socket = await this.#dial();
    if (this.#closed) return socket.terminate();
    this.#socket = socket;
    this.#live = false;
    const hello = () =>
      encodeJson(FrameType.hello, {
        v: 1,
        session: SESSION,
        ticket,
        outStart: this.output.start,
        outEnd: this.output.end,
        inputs: this.input.all(),
      });
    if (socket.readyState === socket.OPEN) socket.send(hello());
    else socket.on('open', () => socket.send(hello()));
    socket.on('error', () => {});
    socket.on('message', (data: Buffer) => this.#receive(socket, data));
    socket.on('close', (code) => {
      this.closeCodes.push(code);
      this.#live = false;
      this.onChange();
      if (code !== 4003) this.#again();
    });
  }

  #again(): void {
    if (!this.#closed) setTimeout(() => this.connect(), 20);
  }

  #receive(socket: WebSocket, data: Buffer): void {
    const frame = decodeFrame(data);
    if (frame.type === FrameType.welcome) {
      this.#sent = agentWelcome.parse(frame.json).outFrom;
      this.output.acknowledge(this.#sent);
      this.#live = true;
      this.#pump();
    } else if (frame.type === FrameType.outputAck) this.output.acknowledge(frame.offset);
    else if (frame.type === FrameType.input) {
      const fresh = this.input.accept(frame.origin, frame.offset, frame.bytes);
      if (fresh) this.#parserOf(frame.origin).push(fresh);
      socket.send(encodeInputAck(frame.origin, this.input.received(frame.origin)));
    }
    this.onChange();
  }

  #parserOf(origin: string): RecordParser {
    let parser = this.#parsers.get(origin);
    if (!parser) {
      const keys: Buffer[] = [];
      this.keys.set(origin, keys);
      parser = new RecordParser((type, payload) => {
        if (type === InputRecord.keys) keys.push(Buffer.from(payload));
      });
      this.#parsers.set(origin, parser);
    }
    return parser;
  }

  #pump(): void {
    const socket = this.#socket;
    if (!this.#live || !socket) return;
    for (
      let piece = this.output.next(this.#sent, this.frameBytes());
      piece;
      piece = this.output.next(this.#sent, this.frameBytes())
    ) {
      socket.send(encodeOutput(this.#sent, piece.timeUs, piece.bytes));
      this.#sent += piece.bytes.length;
    }
    if (this.#exited) socket.send(encodeDrained());
  }
}

/** Resolves when `condition` holds, which is asked every few milliseconds; rejects after `limitMs`. */
export async function until(condition: () => boolean, what: string, limitMs = 20_000): Promise<void> {
  const startedAtMs = Date.now();
  while (!condition()) {
    if (Date.now() - startedAtMs > limitMs) throw new Error(`timed out: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A WebSocket from both its ends. */
export async function pair(): Promise<{ server: { close(): void }; accepted: LinkSocket; client: WebSocket }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on('error', () => {});
  const [accepted] = (await once(server, 'connection')) as [LinkSocket];
  return { server, accepted, client };
}
