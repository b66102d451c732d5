/** For tests: the relay's side of data links. */
import assert from 'node:assert/strict';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { DATA_ALPN } from '@bascule/protocol/control-link.ts';
import { agentHello, type AgentHello } from '@bascule/protocol/data-link.ts';
import { FrameType, decodeFrame, encodeInput, encodeJson, encodeOutputAck } from '@bascule/wire/frames.ts';
import { InputRecord, OutputRecord, RecordParser, decodeExit, decodeSize, encodeRecord } from '@bascule/wire/records.ts';
import { WebSocketServer, type WebSocket } from 'ws';

/** Of what is typed. */
export const ORIGIN = '0123456789abcdef0123456789abcdef';

/** The relay's side of data links, as the tests want it: checks offsets, acknowledges when told to. */
export class ScriptedRelay {
  link: WebSocket | undefined;
  hellos: AgentHello[] = [];
  received = 0;
  autoAck = true;
  /** Nothing but what was acknowledged is on disk at WELCOME; the rest of `received` follows as an OUTPUT_ACK. */
  slowDisk = false;
  drained = 0;
  acks: number[] = [];
  text = '';
  sizes: string[] = [];
  exit: { code: number; signal: number } | undefined;
  /** Bytes of input that were not confirmed when the exit came. */
  unconfirmedAtExit: number | undefined;
  #server: HttpsServer;
  #parser = new RecordParser((type, payload) => {
    if (type === OutputRecord.data) this.text += Buffer.from(payload).toString('latin1');
    else if (type === OutputRecord.resized) this.sizes.push(Object.values(decodeSize(payload)).join('x'));
    else if (type === OutputRecord.exit) {
      this.exit = decodeExit(payload);
      this.unconfirmedAtExit = this.#inputOffset - (this.acks.at(-1) ?? 0);
    }
  });
  #wake: (() => void)[] = [];

  /** `alpn`: another than that of data links. */
  constructor(tls: { key: string; certificate: string; authority: string }, alpn: string = DATA_ALPN) {
    this.#server = createHttpsServer({
      key: tls.key,
      cert: tls.certificate,
      ca: tls.authority,
      requestCert: true,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [alpn],
    });
    const webSockets = new WebSocketServer({ noServer: true, maxPayload: 1024 * 1024 });
    this.#server.on('upgrade', (request, socket, head) =>
      webSockets.handleUpgrade(request, socket, head, (webSocket) => this.#accept(webSocket, socket)),
    );
  }

  take(socket: Socket, head: Buffer): void {
    socket.unshift(head);
    this.#server.emit('connection', socket);
  }

  #accept(webSocket: WebSocket, connection: Duplex): void {
    this.link = webSocket;
    webSocket.on('error', () => undefined);
    webSocket.on('message', (data: Buffer) => {
      const frame = decodeFrame(data);
      if (frame.type === FrameType.hello) {
        const hello = agentHello.parse(frame.json);
        this.hellos.push(hello);
        // In one piece, so that the client reads both before it has sent more than a megabyte.
        connection.cork();
        webSocket.send(encodeJson(FrameType.welcome, { v: 1, outFrom: this.slowDisk ? hello.outStart : this.received }));
        if (this.slowDisk) webSocket.send(encodeOutputAck(this.received));
        connection.uncork();
      } else if (frame.type === FrameType.output) {
        assert.ok(frame.offset <= this.received, `a gap: ${frame.offset} after ${this.received}`);
        const fresh = frame.bytes.subarray(this.received - frame.offset);
        this.#parser.push(fresh);
        this.received += fresh.length;
        if (this.autoAck) webSocket.send(encodeOutputAck(this.received));
      } else if (frame.type === FrameType.inputAck) {
        this.acks.push(frame.offset);
      } else if (frame.type === FrameType.drained) {
        this.drained += 1;
      }
      for (const wake of this.#wake.splice(0)) wake();
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #inputOffset = 0;
  type(text: string): void {
    this.sendInput(encodeRecord(InputRecord.keys, Buffer.from(text)));
  }

  sendInput(record: Uint8Array): void {
    this.link?.send(encodeInput(ORIGIN, this.#inputOffset, record));
    this.#inputOffset += record.length;
  }

  sendAgain(offset: number, record: Uint8Array): void {
    this.link?.send(encodeInput(ORIGIN, offset, record));
  }

  async next(text: string): Promise<void> {
    await this.until(() => this.text.includes(text));
  }
}
