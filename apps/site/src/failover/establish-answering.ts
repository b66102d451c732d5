import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ZodType } from 'zod';
import { addressKey } from '@bascule/core/address-key.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { RateLimit } from '@bascule/http/rate-limit.ts';
import {
  ESTABLISH_CALL_MAX_BYTES,
  ESTABLISH_UNPROVEN_BODY_MAX_BYTES,
  ESTABLISH_VERSIONS,
  establishCall,
  establishHello,
  establishProof,
  establishSealed,
  type EstablishAnswer,
  type EstablishCall,
} from '@bascule/protocol/pair-establish.ts';
import { provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { EstablishSeal, exporterOf, isProof, proofOf, transcriptOf, type ConnectionView } from './establish-channel.ts';
import type { EstablishingOptions } from './establish-contract.ts';
import { BackupSide } from './establish-backup.ts';
import { EstablishLine } from './establish-line.ts';
import { ownFacts } from './establish-facts.ts';
import { measureLine, paddingOf } from './establish-measure.ts';
import { ESTABLISH_PREFIX } from './pair-door.ts';
import { PairRefusals } from './pair-refusals.ts';

/** Attempts to prove the pre-shared key from one address: so many at once, then one in ten seconds. Addresses remembered. */
const PROOF_BURST = 6;
const PROOFS_PER_SECOND = 0.1;
const ADDRESSES_MAX = 10_000;
const NONCE_BYTES = 32;
/** The one answer to whoever is not entitled, whatever the reason (I8). */
const REFUSAL = Buffer.from(JSON.stringify({ code: 'PAIR_REFUSED' }));

/** What is known of one connection that may become a proven one. */
interface Answering {
  view: ConnectionView;
  seal: EstablishSeal | undefined;
  isBusy: boolean;
}

/** The answering end of `/establish/*` (docs/spec/pair.md, 4): for the backup to be, and for a primary that is dialled back. */
export class AnsweringSide {
  readonly #options: EstablishingOptions;
  readonly #now: () => number;
  readonly #connections = new WeakMap<Socket, Answering>();
  readonly #proofRate: RateLimit;
  readonly #refusals: PairRefusals;
  readonly #backup: BackupSide;

  constructor(options: EstablishingOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#backup = new BackupSide(options);
    this.#proofRate = new RateLimit({
      burst: PROOF_BURST,
      perSecond: PROOFS_PER_SECOND,
      keysLimit: ADDRESSES_MAX,
      now: this.#now,
    });
    this.#refusals = new PairRefusals({ store: options.store, log: options.log, now: this.#now });
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {});
    this.#answer(request, response).catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'pair-establish-answer-failed');
      refuse(response);
    });
  }

  /** After a start: takes over what was decided. */
  resume(): Promise<void> {
    return this.#backup.resume();
  }

  /** Goes on with what is not finished. Never throws. */
  settle(): Promise<void> {
    return this.#backup.settle();
  }

  close(): void {
    this.#refusals.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.method === 'POST' ? request.url : undefined;
    const known = this.#connections.get(request.socket);
    if (known?.isBusy === true) return refuse(response);
    if (path === `${ESTABLISH_PREFIX}hello` && known === undefined) return await this.#hello(request, response);
    if (known === undefined) return refuse(response);
    known.isBusy = true;
    try {
      if (path === `${ESTABLISH_PREFIX}prove` && known.seal === undefined) return await this.#prove(request, response, known);
      if (path === `${ESTABLISH_PREFIX}call` && known.seal !== undefined)
        return await this.#call(request, response, known.view, known.seal);
    } finally {
      known.isBusy = false;
    }
    refuse(response);
  }

  async #hello(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const socket = request.socket as TLSSocket;
    const diallerKey = provenKeySha256(socket);
    const hello = await readBody(request, ESTABLISH_UNPROVEN_BODY_MAX_BYTES, establishHello);
    const version = ESTABLISH_VERSIONS.findLast((one) => hello?.versions.includes(one) === true);
    if (hello === undefined || diallerKey === undefined || version === undefined || this.#connections.has(socket))
      return refuse(response);
    const view: ConnectionView = {
      version,
      diallerKey,
      answererKey: this.#options.key.sha256,
      diallerNonce: Buffer.from(hello.nonce, 'base64'),
      answererNonce: randomBytes(NONCE_BYTES),
      exporter: exporterOf(socket),
    };
    this.#connections.set(socket, { view, seal: undefined, isBusy: false });
    give(response, { version, nonce: view.answererNonce.toString('base64') });
  }

  /** The dialler proves first: a stranger gets nothing that was made with the pre-shared key. */
  async #prove(request: IncomingMessage, response: ServerResponse, known: Answering): Promise<void> {
    const { preSharedKey } = this.#options;
    const address = request.socket.remoteAddress ?? '';
    const body = await readBody(request, ESTABLISH_UNPROVEN_BODY_MAX_BYTES, establishProof);
    const transcript = transcriptOf(known.view);
    const isInRate = this.#proofRate.take(addressKey(address)) === 0;
    const isRight = isProof(preSharedKey, 'dialler', transcript, body?.proof ?? '');
    if (!isInRate || !isRight) {
      this.#refusals.note(isInRate ? 'wrong-proof' : 'rate', address);
      return refuse(response);
    }
    const proof = proofOf(preSharedKey, 'answerer', transcript).toString('base64');
    known.seal = new EstablishSeal(preSharedKey, 'answerer', known.view);
    await this.#options.onStep?.('proved');
    give(response, { proof });
  }

  async #call(request: IncomingMessage, response: ServerResponse, view: ConnectionView, seal: EstablishSeal): Promise<void> {
    const body = await readBody(request, ESTABLISH_CALL_MAX_BYTES, establishSealed);
    let call: EstablishCall;
    try {
      call = establishCall.parse(seal.open(body?.sealed ?? ''));
    } catch {
      this.#refusals.note('wrong-seal', request.socket.remoteAddress ?? '');
      return refuse(response);
    }
    // What takes long here is ours: the connection must not be cut for its silence.
    request.socket.setTimeout(0);
    let answer: EstablishAnswer;
    try {
      answer = await this.#handle(call, view.diallerKey);
    } catch (error) {
      this.#options.log.warn({ err: error, call: call.kind }, 'pair-establish-call-failed');
      answer =
        error instanceof AppError
          ? { ok: false, code: error.code, message: error.message.slice(0, 1000), ...whyOf(error) }
          : { ok: false, code: 'INTERNAL', message: 'The other appliance could not do it: its log says why.' };
    }
    give(response, { sealed: seal.seal(answer) });
    if (call.kind === 'commit') await this.#options.onStep?.('commit-answered');
  }

  async #handle(call: EstablishCall, peerKey: string): Promise<EstablishAnswer> {
    switch (call.kind) {
      case 'facts':
        return { ok: true, facts: await ownFacts(this.#options) };
      case 'clock':
        return { ok: true, timeMs: this.#now() };
      case 'reverse':
        return await this.#dialBack(call, peerKey);
      case 'measure':
        return { ok: true, padding: paddingOf(call.bytes) };
      case 'prepare':
        return await this.#backup.prepare(call, peerKey);
      case 'commit':
        return await this.#backup.commit(call, peerKey);
      case 'cancel':
        return { ok: true, outcome: this.#backup.cancel(call.id, peerKey) };
      case 'outcome':
        return { ok: true, outcome: this.#backup.outcome(call.id, peerKey) };
    }
  }

  /** The same appliance must answer there, with the same pair key and the same pre-shared key. */
  async #dialBack({ primary }: Extract<EstablishCall, { kind: 'reverse' }>, expected: string): Promise<EstablishAnswer> {
    const { key, preSharedKey } = this.#options;
    const line = await EstablishLine.open({ key, preSharedKey, endpoint: primary, expected });
    try {
      return { ok: true, bytesPerSecond: await measureLine(line) };
    } finally {
      line.close();
    }
  }
}

function whyOf(error: AppError): { why?: string } {
  const { why } = error.params;
  return typeof why === 'string' ? { why } : {};
}

function give(response: ServerResponse, value: unknown): void {
  const text = Buffer.from(JSON.stringify(value));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
}

function refuse(response: ServerResponse): void {
  if (response.headersSent) return void response.destroy();
  response
    .writeHead(403, { 'content-type': 'application/json', 'content-length': REFUSAL.length, connection: 'close' })
    .end(REFUSAL);
}

/** The body as `schema` wants it; undefined when it is too large, no JSON, or something else. */
async function readBody<T>(request: IncomingMessage, maxBytes: number, schema: ZodType<T>): Promise<T | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    pieces.push(piece);
  }
  try {
    return schema.safeParse(JSON.parse(Buffer.concat(pieces).toString('utf8'))).data;
  } catch {
    return undefined;
  }
}
