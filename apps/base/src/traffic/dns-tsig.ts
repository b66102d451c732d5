/** Signatures of DNS messages by a shared secret (RFC 8945). */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { CLASS, decodeMessage, encodeName, numbers16, readName, TYPE, type Message } from './dns-message.ts';

/** How far the clocks of both may differ (RFC 8945, 10). */
export const FUDGE_SECONDS = 300;

export interface TsigKey {
  name: string;
  algorithm: 'hmac-sha256' | 'hmac-sha512';
  secret: Uint8Array;
}

export interface Signed {
  bytes: Buffer;
  /** What the answer's signature covers too: it answers this very question. */
  mac: Buffer;
}

interface Tsig {
  name: string;
  algorithm: string;
  timeSeconds: number;
  fudgeSeconds: number;
  mac: Buffer;
  originalId: number;
  error: number;
  other: Buffer;
}

/** What came of checking an answer. `error`: of the TSIG record (16 BADSIG, 17 BADKEY, 18 BADTIME, 22 BADTRUNC); a server that does not know us cannot sign it. */
export type Verified =
  | { kind: 'good'; message: Message }
  | { kind: 'refused'; message: Message; error: number; serverTimeSeconds: number | undefined }
  | { kind: 'unsigned'; message: Message }
  | { kind: 'forged' };

/** Puts the signature behind `message`. */
export function sign(message: Buffer, key: TsigKey, nowSeconds: number): Signed {
  const variables = { name: key.name, algorithm: key.algorithm, timeSeconds: nowSeconds, fudgeSeconds: FUDGE_SECONDS, error: 0 };
  const mac = macOf(key, [message, signedVariables({ ...variables, other: Buffer.alloc(0) })]);
  const id = message.readUInt16BE(0);
  const data = Buffer.concat([
    encodeName(key.algorithm),
    time48(nowSeconds),
    numbers16(FUDGE_SECONDS, mac.length),
    mac,
    numbers16(id, 0, 0),
  ]);
  const record = Buffer.concat([encodeName(key.name), numbers16(TYPE.TSIG, CLASS.ANY, 0, 0, data.length), data]);
  const bytes = Buffer.concat([message, record]);
  bytes.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/** Checks `bytes` as the answer to what was signed with `requestMac`. */
export function verify(bytes: Buffer, key: TsigKey, requestMac: Buffer, nowSeconds: number): Verified {
  const message = decodeMessage(bytes);
  if (message === undefined || !message.isAnswer) return { kind: 'forged' };
  const last = message.additional.at(-1);
  if (last?.type !== TYPE.TSIG) return { kind: 'unsigned', message };
  const tsig = readTsig(last.name, last.data);
  if (tsig === undefined || last.class !== CLASS.ANY || last.ttlSeconds !== 0) return { kind: 'forged' };
  if (tsig.name !== nameOf(key.name) || tsig.algorithm !== key.algorithm) return { kind: 'forged' };
  // RFC 8945, 5.3.2: whoever does not know the key cannot sign that it does not.
  if (tsig.mac.length === 0 && (tsig.error === 16 || tsig.error === 17))
    return { kind: 'refused', message, error: tsig.error, serverTimeSeconds: undefined };
  const plain = Buffer.from(bytes.subarray(0, message.lastRecordAt));
  plain.writeUInt16BE(tsig.originalId, 0);
  plain.writeUInt16BE(bytes.readUInt16BE(10) - 1, 10);
  const expected = macOf(key, [numbers16(requestMac.length), requestMac, plain, signedVariables(tsig)]);
  if (expected.length !== tsig.mac.length || !timingSafeEqual(expected, tsig.mac)) return { kind: 'forged' };
  if (tsig.error !== 0) {
    const serverTimeSeconds = tsig.error === 18 && tsig.other.length === 6 ? tsig.other.readUIntBE(0, 6) : undefined;
    return { kind: 'refused', message, error: tsig.error, serverTimeSeconds };
  }
  if (Math.abs(nowSeconds - tsig.timeSeconds) > tsig.fudgeSeconds)
    return { kind: 'refused', message, error: 18, serverTimeSeconds: tsig.timeSeconds };
  return { kind: 'good', message };
}

function macOf(key: TsigKey, parts: readonly Buffer[]): Buffer {
  const hmac = createHmac(key.algorithm.slice('hmac-'.length), key.secret);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** RFC 8945, 4.3.3 */
function signedVariables({ name, algorithm, timeSeconds, fudgeSeconds, error, other }: Omit<Tsig, 'mac' | 'originalId'>): Buffer {
  return Buffer.concat([
    encodeName(name),
    numbers16(CLASS.ANY, 0, 0),
    encodeName(algorithm),
    time48(timeSeconds),
    numbers16(fudgeSeconds, error, other.length),
    other,
  ]);
}

function time48(seconds: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUIntBE(Math.floor(seconds), 0, 6);
  return bytes;
}

/** The name as it is compared: lower case, without the last dot. */
function nameOf(name: string): string {
  return readName(encodeName(name), 0).name;
}

function readTsig(name: string, data: Buffer): Tsig | undefined {
  try {
    const { name: algorithm, end: at } = readName(data, 0);
    const macBytes = data.readUInt16BE(at + 8);
    const behind = at + 10 + macBytes;
    const otherBytes = data.readUInt16BE(behind + 4);
    if (behind + 6 + otherBytes !== data.length) return undefined;
    return {
      name,
      algorithm,
      timeSeconds: data.readUIntBE(at, 6),
      fudgeSeconds: data.readUInt16BE(at + 6),
      mac: data.subarray(at + 10, behind),
      originalId: data.readUInt16BE(behind),
      error: data.readUInt16BE(behind + 2),
      other: data.subarray(behind + 6),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
