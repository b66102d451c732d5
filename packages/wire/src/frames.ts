/** The frames of data links and viewer links (wire 4.1). Runs in browsers and in Node. */

export const FrameType = {
  hello: 0x01,
  welcome: 0x02,
  output: 0x03,
  outputAck: 0x04,
  input: 0x05,
  inputAck: 0x06,
  screen: 0x07,
  notice: 0x08,
  drained: 0x09,
  outputStored: 0x0a,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bytes of a stream in one frame at most (wire 4.1). */
export const FRAME_PAYLOAD_MAX_BYTES = 256 * 1024;
/** A whole frame at most; also the limit of a WebSocket message. A SCREEN is cut to it by its sender. */
export const FRAME_MAX_BYTES = FRAME_PAYLOAD_MAX_BYTES + 64;
const ORIGIN_BYTES = 16;
const JSON_TYPES: readonly number[] = [FrameType.hello, FrameType.welcome, FrameType.notice];

export type Frame =
  | { type: typeof FrameType.hello | typeof FrameType.welcome | typeof FrameType.notice; json: unknown }
  | { type: typeof FrameType.output; offset: number; timeUs: number; bytes: Uint8Array }
  | { type: typeof FrameType.outputAck | typeof FrameType.outputStored; offset: number }
  | { type: typeof FrameType.input; origin: string; offset: number; bytes: Uint8Array }
  | { type: typeof FrameType.inputAck; origin: string; offset: number }
  | { type: typeof FrameType.screen; offset: number; cols: number; rows: number; text: string }
  | { type: typeof FrameType.drained };

/** A frame or record that breaks the protocol; `message` names the field. The link is closed with 4002. */
export class WireError extends Error {
  override name = 'WireError';
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Encodes HELLO, WELCOME and NOTICE. */
export function encodeJson(type: 0x01 | 0x02 | 0x08, value: unknown): Uint8Array<ArrayBuffer> {
  const text = encoder.encode(JSON.stringify(value));
  const frame = new Uint8Array(1 + text.length);
  frame[0] = type;
  frame.set(text, 1);
  return frame;
}

/** Encodes OUTPUT: `offset` of the first byte, `timeUs` in microseconds since the epoch. */
export function encodeOutput(offset: number, timeUs: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(17 + bytes.length);
  frame[0] = FrameType.output;
  const view = new DataView(frame.buffer);
  setUint53(view, 1, offset);
  setUint53(view, 9, timeUs);
  frame.set(bytes, 17);
  return frame;
}

export function encodeOutputAck(offset: number): Uint8Array<ArrayBuffer> {
  return offsetFrame(FrameType.outputAck, offset);
}

/** Encodes OUTPUT_STORED: everything before `offset` is on the disk of one appliance of a pair (wire 4.11). */
export function encodeOutputStored(offset: number): Uint8Array<ArrayBuffer> {
  return offsetFrame(FrameType.outputStored, offset);
}

/** Encodes INPUT of `origin` (32 hex digits). */
export function encodeInput(origin: string, offset: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = originFrame(FrameType.input, origin, offset, bytes.length);
  frame.set(bytes, 1 + ORIGIN_BYTES + 8);
  return frame;
}

export function encodeInputAck(origin: string, offset: number): Uint8Array<ArrayBuffer> {
  return originFrame(FrameType.inputAck, origin, offset, 0);
}

/** Encodes SCREEN; the text must fit into a frame. */
export function encodeScreen(offset: number, cols: number, rows: number, text: string): Uint8Array<ArrayBuffer> {
  const bytes = encoder.encode(text);
  if (bytes.length > FRAME_PAYLOAD_MAX_BYTES) throw new WireError(`screen: ${bytes.length} bytes are more than a frame holds`);
  const frame = new Uint8Array(13 + bytes.length);
  frame[0] = FrameType.screen;
  const view = new DataView(frame.buffer);
  setUint53(view, 1, offset);
  view.setUint16(9, cols);
  view.setUint16(11, rows);
  frame.set(bytes, 13);
  return frame;
}

export function encodeDrained(): Uint8Array<ArrayBuffer> {
  return new Uint8Array([FrameType.drained]);
}

/** Decodes one frame; `bytes` inside it are views on `message`, not copies. Throws WireError. */
export function decodeFrame(message: Uint8Array): Frame {
  if (message.length === 0) throw new WireError('frame: empty');
  if (message.length > FRAME_MAX_BYTES) throw new WireError(`frame: ${message.length} bytes are more than ${FRAME_MAX_BYTES}`);
  const type = message[0] as FrameType;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (JSON_TYPES.includes(type)) return { type: type as typeof FrameType.hello, json: parseJson(message.subarray(1)) };
  switch (type) {
    case FrameType.output:
      need(message, 17, 'OUTPUT');
      return { type, offset: getUint53(view, 1, 'offset'), timeUs: getUint53(view, 9, 'time'), bytes: message.subarray(17) };
    case FrameType.outputAck:
      needExactly(message, 9, 'OUTPUT_ACK');
      return { type, offset: getUint53(view, 1, 'offset') };
    case FrameType.outputStored:
      needExactly(message, 9, 'OUTPUT_STORED');
      return { type, offset: getUint53(view, 1, 'offset') };
    case FrameType.input:
      need(message, 25, 'INPUT');
      return { type, origin: hex(message.subarray(1, 17)), offset: getUint53(view, 17, 'offset'), bytes: message.subarray(25) };
    case FrameType.inputAck:
      needExactly(message, 25, 'INPUT_ACK');
      return { type, origin: hex(message.subarray(1, 17)), offset: getUint53(view, 17, 'offset') };
    case FrameType.screen:
      need(message, 13, 'SCREEN');
      return {
        type,
        offset: getUint53(view, 1, 'offset'),
        cols: view.getUint16(9),
        rows: view.getUint16(11),
        text: decodeText(message.subarray(13), 'text'),
      };
    case FrameType.drained:
      needExactly(message, 1, 'DRAINED');
      return { type };
    default:
      throw new WireError(`type: 0x${Number(type).toString(16)} is no frame`);
  }
}

function offsetFrame(type: FrameType, offset: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(9);
  frame[0] = type;
  setUint53(new DataView(frame.buffer), 1, offset);
  return frame;
}

function originFrame(type: FrameType, origin: string, offset: number, payloadBytes: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(1 + ORIGIN_BYTES + 8 + payloadBytes);
  frame[0] = type;
  for (let index = 0; index < ORIGIN_BYTES; index++)
    frame[1 + index] = Number.parseInt(origin.slice(index * 2, index * 2 + 2), 16);
  setUint53(new DataView(frame.buffer), 1 + ORIGIN_BYTES, offset);
  return frame;
}

function need(message: Uint8Array, bytes: number, name: string): void {
  if (message.length < bytes) throw new WireError(`${name}: ${message.length} bytes are too short`);
}

function needExactly(message: Uint8Array, bytes: number, name: string): void {
  if (message.length !== bytes) throw new WireError(`${name}: must have ${bytes} bytes, not ${message.length}`);
}

function parseJson(bytes: Uint8Array): unknown {
  const text = decodeText(bytes, 'json');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new WireError('json: is not JSON');
  }
}

function decodeText(bytes: Uint8Array, field: string): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new WireError(`${field}: is not UTF-8`);
  }
}

/** Lower-case hex of `bytes`. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Writes `value` (a whole number up to 2^53 - 1) as a big-endian u64. */
export function setUint53(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value % 2 ** 32);
}

/** Reads a big-endian u64; throws WireError above 2^53 - 1. */
export function getUint53(view: DataView, at: number, field: string): number {
  const high = view.getUint32(at);
  if (high > 0x1fffff) throw new WireError(`${field}: is beyond 2^53`);
  return high * 2 ** 32 + view.getUint32(at + 4);
}
