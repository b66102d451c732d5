import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { ZodType } from 'zod';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { addressKey, RateLimit } from '@bascule/http/rate-limit.ts';
import {
  ESTABLISH_CALL_MAX_BYTES,
  ESTABLISH_UNPROVEN_BODY_MAX_BYTES,
  ESTABLISH_VERSIONS,
  establishCall,
  establishHello,
  establishProof,
  establishSealed,
  siteKeys,
  type EstablishAnswer,
  type EstablishCall,
  type EstablishOffer,
} from '@bascule/protocol/pair-establish.ts';
import { signedStatement } from '@bascule/protocol/pair-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { provenKeySha256 } from '@bascule/wire/pinned-key.ts';
import { EstablishSeal, exporterOf, isProof, proofOf, transcriptOf, type ConnectionView } from './establish-channel.ts';
import type { Established, EstablishingOptions, EstablishStep, PairPeer } from './establish-contract.ts';
import { EstablishLine } from './establish-line.ts';
import { ownFacts } from './establish-facts.ts';
import { measureLine, paddingOf } from './establish-measure.ts';
import { readJournal, readUnfinished, writeJournal, writePhase, type JournalRow } from './establish-store.ts';
import { ESTABLISH_PREFIX } from './pair-door.ts';
import { PairRefusals } from './pair-refusals.ts';
import { PAIR_WRAP_KEY_FILE } from './pre-shared-key.ts';

/** Attempts to prove the pre-shared key from one address: so many at once, then one in ten seconds. Addresses remembered. */
const PROOF_BURST = 6;
const PROOFS_PER_SECOND = 0.1;
const ADDRESSES_MAX = 10_000;
const NONCE_BYTES = 32;
/** Keys that wait for a decision are given up after this time: the primary hands them over again if it decided after all. */
const PREPARED_LIFE_MS = 24 * 60 * 60_000;
/** A primary that has prepared this side decides at once: it is asked when it has not for so long. */
const PREPARED_QUIET_MS = 30_000;
const KEYS_PURPOSE = 'pair establishing keys';
/** The one answer to whoever is not entitled, whatever the reason (I8). */
const REFUSAL = Buffer.from(JSON.stringify({ code: 'PAIR_REFUSED' }));

const keysReceived = defineAuditEvent(
  'PAIR_KEYS_RECEIVED',
  'Took in, sealed, the site keys of {appliance}, which {by} wants to make the primary of this appliance',
);
const adopting = defineAuditEvent('PAIR_ADOPTING', '{appliance} is the primary now, by {by}: this appliance becomes its backup');
const given = defineAuditEvent(
  'PAIR_ESTABLISHING_CANCELLED',
  'The relationship that {appliance} had prepared was not established',
);

/** What is known of one connection that may become a proven one. */
interface Answering {
  view: ConnectionView;
  seal: EstablishSeal | undefined;
  isBusy: boolean;
}

/** The answering end of `/establish/*` (docs/spec/pair.md, 4): for the backup to be, and for a primary that is dialled back. */
export class AnsweringSide {
  readonly #options: EstablishingOptions;
  readonly #wrap: KeyWrap;
  readonly #now: () => number;
  readonly #connections = new WeakMap<Socket, Answering>();
  readonly #proofRate: RateLimit;
  readonly #refusals: PairRefusals;
  readonly #adopting = new Map<string, Promise<void>>();

  constructor(options: EstablishingOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#wrap = openKeyWrap(join(options.keysDir, PAIR_WRAP_KEY_FILE));
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
    await this.#step('proved');
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
    if (call.kind === 'commit') await this.#step('commit-answered');
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
        return await this.#prepare(call, peerKey);
      case 'commit':
        return await this.#commit(call, peerKey);
      case 'cancel':
        return { ok: true, outcome: this.#cancel(call.id, peerKey) };
      case 'outcome':
        return { ok: true, outcome: this.#journal(call.id, peerKey)?.phase ?? 'unknown' };
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

  async #prepare({ offer, keys }: Extract<EstablishCall, { kind: 'prepare' }>, peerKey: string): Promise<EstablishAnswer> {
    await this.#step('prepare-received');
    const row = this.#journal(offer.id, peerKey);
    if (row?.phase === 'adopting' || row?.phase === 'done') return { ok: true, outcome: row.phase };
    const unfinished = readUnfinished(this.#options.store).filter(({ id }) => id !== offer.id);
    if (unfinished.some(({ side, phase }) => side === 'asking' || phase === 'adopting')) throw busy();
    const { relationship } = await this.#options.facts();
    if (relationship !== null) throw paired(relationship.appliance);
    const peer: PairPeer = {
      name: offer.appliance,
      keySha256: peerKey,
      endpoint: offer.primary,
      version: offer.version,
    };
    const entry: JournalRow = {
      id: offer.id,
      side: 'answering',
      phase: 'prepared',
      peerKey,
      offer: JSON.stringify(offer),
      peer: JSON.stringify(peer),
      keys: this.#wrap.wrap(Buffer.from(JSON.stringify(keys)), KEYS_PURPOSE),
      statement: null,
      changedAtMs: this.#now(),
    };
    this.#options.store.transact(personOf(offer), keysReceived({ appliance: offer.appliance, by: offer.by }), (tx) => {
      for (const other of unfinished) writePhase(tx, other.id, 'cancelled', this.#now());
      writeJournal(tx, entry);
    });
    await this.#step('prepared');
    return { ok: true, outcome: 'prepared' };
  }

  async #commit({ id, statement }: Extract<EstablishCall, { kind: 'commit' }>, peerKey: string): Promise<EstablishAnswer> {
    await this.#step('commit-received');
    const row = this.#journal(id, peerKey);
    if (row === undefined || row.phase === 'cancelled') return { ok: true, outcome: row?.phase ?? 'unknown' };
    if (row.phase === 'done') return { ok: true, outcome: 'done' };
    const offer = JSON.parse(row.offer) as EstablishOffer;
    if (row.phase === 'prepared') {
      const { relationship } = await this.#options.facts();
      if (relationship !== null) throw paired(relationship.appliance);
      const event = adopting({ appliance: offer.appliance, by: offer.by });
      this.#options.store.transact(personOf(offer), event, (tx) =>
        writeJournal(tx, {
          ...row,
          phase: 'adopting',
          statement: statement === null ? null : JSON.stringify(statement),
          changedAtMs: this.#now(),
        }),
      );
    }
    await this.#adopt(id);
    return { ok: true, outcome: 'done' };
  }

  /** Once at a time for each id: a second `commit` waits for the first. */
  #adopt(id: string): Promise<void> {
    const running = this.#adopting.get(id) ?? this.#adoptNow(id).finally(() => this.#adopting.delete(id));
    this.#adopting.set(id, running);
    return running;
  }

  async #adoptNow(id: string): Promise<void> {
    const row = readJournal(this.#options.store, id);
    if (row?.phase !== 'adopting' || row.keys === null) return;
    await this.#step('adopting');
    const offer = JSON.parse(row.offer) as EstablishOffer;
    const keys = siteKeys.parse(JSON.parse(Buffer.from(this.#wrap.unwrap(row.keys, KEYS_PURPOSE)).toString('utf8')));
    if (keys.webCertificate !== null) await this.#takeCertificate(keys.webCertificate);
    const established: Established = {
      id,
      peer: JSON.parse(row.peer) as PairPeer,
      own: offer.backup,
      mode: offer.mode,
      by: offer.by,
    };
    const statement = row.statement === null ? null : signedStatement.parse(JSON.parse(row.statement));
    await this.#options.adopt(keys, { ...established, statement }, (tx) => writePhase(tx, id, 'done', this.#now()));
    await this.#step('adopted');
  }

  /** A base that cannot take it leaves the backup with its own certificate: the check of names goes on to say so, and everything else works. */
  async #takeCertificate(certificate: { certificatePem: string; keyPem: string }): Promise<void> {
    try {
      await this.#options.certificate.take(certificate);
      await this.#step('certificate-taken');
    } catch (error) {
      this.#options.log.error({ err: error }, 'pair-certificate-not-taken');
    }
  }

  #cancel(id: string, peerKey: string): JournalRow['phase'] | 'unknown' {
    const row = this.#journal(id, peerKey);
    if (row?.phase !== 'prepared') return row?.phase ?? 'unknown';
    this.#giveUp(row);
    return 'cancelled';
  }

  #giveUp(row: JournalRow): void {
    const { appliance } = JSON.parse(row.offer) as EstablishOffer;
    this.#options.store.transact(SYSTEM, given({ appliance }), (tx) => writePhase(tx, row.id, 'cancelled', this.#now()));
  }

  /** What was noted of `id` with this very appliance; others learn nothing of it. */
  #journal(id: string, peerKey: string): JournalRow | undefined {
    const row = readJournal(this.#options.store, id);
    return row?.peerKey === peerKey ? row : undefined;
  }

  /** After a start: takes over what was decided. */
  async resume(): Promise<void> {
    for (const row of readUnfinished(this.#options.store))
      if (row.side === 'answering' && row.phase === 'adopting') await this.#adopt(row.id);
  }

  /** Asks the primary about what was prepared and never decided; goes on with what failed half-way. Never throws. */
  async settle(): Promise<void> {
    for (const row of readUnfinished(this.#options.store)) {
      if (row.side !== 'answering') continue;
      try {
        if (row.phase === 'adopting') await this.#adopt(row.id);
        else if (row.phase === 'prepared') await this.#askOutcome(row);
      } catch (error) {
        this.#options.log.warn({ err: error, id: row.id }, 'pair-establishing-not-settled');
      }
    }
  }

  async #askOutcome(row: JournalRow): Promise<void> {
    const ageMs = this.#now() - row.changedAtMs;
    if (ageMs > PREPARED_LIFE_MS) return this.#giveUp(row);
    if (ageMs < PREPARED_QUIET_MS) return;
    const { key, preSharedKey } = this.#options;
    const { endpoint } = JSON.parse(row.peer) as PairPeer;
    const line = await EstablishLine.open({ key, preSharedKey, endpoint, expected: row.peerKey });
    try {
      const { outcome } = await line.call({ kind: 'outcome', id: row.id });
      if (outcome !== 'offered' && outcome !== 'committed') this.#giveUp(row);
    } finally {
      line.close();
    }
  }

  async #step(step: EstablishStep): Promise<void> {
    await this.#options.onStep?.(step);
  }
}

/** The person at the primary, as this side's audit names them. */
function personOf(offer: EstablishOffer): Context {
  return {
    actor: { kind: 'user', id: null, name: `${offer.by} at ${offer.appliance}`.slice(0, 200) },
    address: offer.primary.host,
  };
}

function whyOf(error: AppError): { why?: string } {
  const { why } = error.params;
  return typeof why === 'string' ? { why } : {};
}

function busy(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_ESTABLISH_BUSY',
    'The other appliance is establishing a relationship itself: wait for it, or cancel it there.',
  );
}

function paired(appliance: string): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_ALREADY_PAIRED',
    `The other appliance is in a failover relationship with ${appliance}: break that one first.`,
    { params: { appliance } },
  );
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
