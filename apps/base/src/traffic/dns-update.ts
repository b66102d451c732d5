/** Points a name at an address (RFC 2136), signed, and only if the record is still as it was read: the other side may be doing the same. */
import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import net from 'node:net';
import { AppError } from '@bascule/errors/app-error.ts';
import { dnsErrorText } from './dns-errors.ts';
import {
  addressData,
  addressText,
  addressType,
  CLASS,
  encodeMessage,
  MESSAGE_MAX_BYTES,
  OPCODE,
  readName,
  encodeName,
  TYPE,
  type DnsRecord,
  type Message,
} from './dns-message.ts';
import { sign, verify, type TsigKey } from './dns-tsig.ts';

/** How long one try may take, by UDP and by TCP. */
export const UDP_WAIT_MS = 1_500;
export const TCP_WAIT_MS = 5_000;
const UDP_TRIES = 2;
/** The record was changed between reading and writing that often: somebody else changes it all the time. */
const CHANGED_TRIES = 3;
const NO_ERROR = 0;
const NAME_MISSING = 3;
const RECORD_EXISTS = 7;
const RECORD_MISSING = 8;

export interface DnsTarget {
  server: string;
  port: number;
  zone: string;
  name: string;
  address: string;
  ttlSeconds: number;
}
export interface DnsOptions {
  key: TsigKey;
  /** Milliseconds since the epoch, for signatures. */
  now?: () => number;
  signal?: AbortSignal;
  /** For tests. */
  udpWaitMs?: number;
}

/** What the record said before; `changed` false: it was right already. */
export interface DnsOutcome {
  changed: boolean;
  before: string[];
}

/**
 * Makes `name` point at `address` alone, and gives what it pointed at before. Throws `DNS_REFUSED` (the server says no, and why), `DNS_SILENT` (no answer),
 * `DNS_FORGED` (an answer that is not signed with our key), `DNS_CHANGED` (somebody else changes the record too), `DNS_NAME_INVALID`.
 */
export async function pointName(target: DnsTarget, options: DnsOptions): Promise<DnsOutcome> {
  const { name, zone, address, ttlSeconds } = target;
  const type = addressType(address);
  const data = addressData(address);
  const record = (over: Partial<DnsRecord>): DnsRecord => ({
    name,
    type,
    class: CLASS.IN,
    ttlSeconds: 0,
    data: Buffer.alloc(0),
    ...over,
  });
  for (let tries = 0; tries < CHANGED_TRIES; tries++) {
    options.signal?.throwIfAborted();
    const before = await readRecords(target, options);
    const isRight = before.length === 1 && before[0]!.data.equals(data) && before[0]!.ttlSeconds === ttlSeconds;
    if (isRight) return { changed: false, before: [address] };
    const answers = before.length === 0 ? [record({ class: CLASS.NONE })] : before.map((one) => record({ data: one.data }));
    const authority = [record({ class: CLASS.ANY }), record({ ttlSeconds, data })];
    options.signal?.throwIfAborted();
    const draft = { opcode: OPCODE.update, question: { name: zone, type: TYPE.SOA }, answers, authority };
    const { rcode, extendedError: extended } = await ask(target, draft, options);
    if (rcode === NO_ERROR) return { changed: true, before: before.map((one) => addressText(one.data)) };
    if (rcode !== RECORD_MISSING && rcode !== RECORD_EXISTS) throw refused(target, dnsErrorText({ rcode, extended }));
  }
  throw new AppError(
    'conflict',
    'DNS_CHANGED',
    `${name} was changed by somebody else each time just before this appliance did.`,
    {
      params: { name },
    },
  );
}

/** The records of the name at the server that is in charge of it: no cache stands between. */
async function readRecords(target: DnsTarget, options: DnsOptions): Promise<DnsRecord[]> {
  const type = addressType(target.address);
  const message = await ask(target, { opcode: OPCODE.query, question: { name: target.name, type } }, options);
  if (message.rcode === NAME_MISSING) return [];
  if (message.rcode !== NO_ERROR) throw refused(target, dnsErrorText({ rcode: message.rcode, extended: message.extendedError }));
  const name = readName(encodeName(target.name), 0).name;
  return message.answers.filter((one) => one.type === type && one.class === CLASS.IN && one.name === name);
}

/** Sends a signed message and gives the answer whose signature fits. */
async function ask(
  target: DnsTarget,
  draft: Omit<Parameters<typeof encodeMessage>[0], 'id'>,
  { key, now = Date.now, signal, udpWaitMs = UDP_WAIT_MS }: DnsOptions,
): Promise<Message> {
  const server = await serverAddress(target);
  const id = randomInt(0x1_0000);
  const { bytes, mac } = sign(encodeMessage({ id, ...draft }), key, Math.floor(now() / 1000));
  let forged = false;
  const read = (answer: Buffer): Message | undefined => {
    // RFC 8945, 5.3: what does not verify is not there; the true answer may come yet.
    if (answer.length < 12 || answer.readUInt16BE(0) !== id) return undefined;
    const verified = verify(answer, key, mac, Math.floor(now() / 1000));
    if (verified.kind === 'good') return verified.message.opcode === draft.opcode ? verified.message : undefined;
    if (verified.kind === 'refused') {
      const { error, serverTimeSeconds: time, message } = verified;
      const clockOffsetSeconds = time === undefined ? undefined : Math.round(Math.abs(now() / 1000 - time));
      const text = { rcode: message.rcode, tsigError: error, extended: message.extendedError };
      throw refused(target, dnsErrorText({ ...text, ...(clockOffsetSeconds !== undefined && { clockOffsetSeconds }) }));
    }
    // A server that does not speak TSIG at all says no without a signature: that much is believed, a yes is not.
    if (verified.kind === 'unsigned' && verified.message.rcode !== NO_ERROR)
      throw refused(target, dnsErrorText({ rcode: verified.message.rcode, extended: verified.message.extendedError }));
    forged = true;
    return undefined;
  };
  const answer =
    (await byUdp(server, target.port, bytes, read, udpWaitMs, signal)) ?? (await byTcp(server, target.port, bytes, read, signal));
  if (answer !== undefined) return answer;
  const at = { server: target.server, port: target.port };
  if (forged)
    throw new AppError('unavailable', 'DNS_FORGED', `What ${at.server} port ${at.port} answers is not signed with this key.`, {
      params: at,
    });
  throw new AppError('unavailable', 'DNS_SILENT', `The DNS server ${at.server} port ${at.port} does not answer.`, { params: at });
}

async function serverAddress({ server }: DnsTarget): Promise<string> {
  if (net.isIP(server) !== 0) return server;
  try {
    return (await lookup(server)).address;
  } catch {
    throw new AppError(
      'unavailable',
      'DNS_SILENT',
      `The name of the DNS server, ${server}, does not resolve; enter its address.`,
      {
        params: { server, port: 0 },
      },
    );
  }
}

type ReadAnswer = (answer: Buffer) => Message | undefined;

/** Undefined: no answer came, or one that did not fit in. */
function byUdp(
  server: string,
  port: number,
  bytes: Buffer,
  read: ReadAnswer,
  waitMs: number,
  signal?: AbortSignal,
): Promise<Message | undefined> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(net.isIPv6(server) ? 'udp6' : 'udp4');
    let tries = 0;
    let isOver = false;
    const end = (outcome: () => void): void => {
      if (isOver) return;
      isOver = true;
      clearInterval(timer);
      signal?.removeEventListener('abort', stop);
      socket.close();
      outcome();
    };
    const stop = (): void => end(() => reject(abortReason(signal)));
    const send = (): void => {
      if (++tries > UDP_TRIES) return end(() => resolve(undefined));
      socket.send(bytes, (error) => {
        if (error !== null && tries <= UDP_TRIES) tries = UDP_TRIES;
      });
    };
    const timer = setInterval(send, waitMs);
    socket.on('error', () => end(() => resolve(undefined)));
    socket.on('message', (answer) => {
      try {
        const message = read(answer);
        if (message !== undefined) end(() => resolve(message.isTruncated ? undefined : message));
      } catch (error) {
        end(() => reject(error as Error));
      }
    });
    signal?.addEventListener('abort', stop, { once: true });
    // Connected: the kernel lets nobody else's packets in, and tells when nothing listens there.
    socket.connect(port, server, send);
  });
}

function byTcp(
  server: string,
  port: number,
  bytes: Buffer,
  read: ReadAnswer,
  signal?: AbortSignal,
): Promise<Message | undefined> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, server);
    let collected = Buffer.alloc(0);
    const end = (outcome: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      socket.destroy();
      outcome();
    };
    const stop = (): void => end(() => reject(abortReason(signal)));
    const timer = setTimeout(() => end(() => resolve(undefined)), TCP_WAIT_MS);
    signal?.addEventListener('abort', stop, { once: true });
    socket.on('error', () => end(() => resolve(undefined)));
    socket.on('end', () => end(() => resolve(undefined)));
    socket.once('connect', () => socket.write(Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])));
    socket.on('data', (piece: Buffer) => {
      collected = Buffer.concat([collected, piece]);
      const length = collected.length < 2 ? MESSAGE_MAX_BYTES : collected.readUInt16BE(0);
      if (collected.length < 2 + length) return;
      try {
        const message = read(collected.subarray(2, 2 + length));
        end(() => resolve(message));
      } catch (error) {
        end(() => reject(error as Error));
      }
    });
  });
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('stopped');
}

function refused({ server, name }: DnsTarget, text: string): AppError {
  return new AppError('conflict', 'DNS_REFUSED', `The DNS server ${server} did not change ${name}: ${text}.`, {
    params: { server, name, reason: text },
  });
}
