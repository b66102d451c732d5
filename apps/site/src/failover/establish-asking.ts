import { randomUUID } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import type { EstablishPreview, EstablishRequest } from '@bascule/protocol/api/failover.ts';
import type { EstablishOffer, SiteKeys } from '@bascule/protocol/pair-establish.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import { blocks } from './establish-checks.ts';
import type { Established, EstablishingOptions, EstablishStep, PairPeer } from './establish-contract.ts';
import { EstablishLine } from './establish-line.ts';
import { lookAtPeer, type Look } from './establish-look.ts';
import { readJournal, readUnfinished, writeJournal, writePhase, type JournalRow } from './establish-store.ts';
import { collectSiteKeys } from './sealed-keys.ts';

/** The backup archives what it has, and opens anew: moving folders, normally. */
const ADOPT_LIMIT_MS = 120_000;
const PREPARE_LIMIT_MS = 30_000;

const offered = defineAuditEvent('PAIR_ESTABLISHING', 'Hands the site keys over to {peer}, which is to be the backup');
const notEstablished = defineAuditEvent('PAIR_NOT_ESTABLISHED', 'The relationship with {peer} was not established: {why}');
const finished = defineAuditEvent('PAIR_ESTABLISHED_THERE', '{peer} has become the backup');

/** The asking end of establishing: the primary to be (docs/spec/pair.md, 4). */
export class AskingSide {
  readonly #options: EstablishingOptions;
  readonly #now: () => number;
  /** Of the `establish` that is under way and not decided. */
  #running: { cancelled: boolean; line: EstablishLine | undefined } | undefined;
  #isClosed = false;

  constructor(options: EstablishingOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  async preview(request: EstablishRequest): Promise<EstablishPreview> {
    const look = await lookAtPeer(this.#options, request);
    look.line?.close();
    return previewOf(look);
  }

  async establish(context: Context, request: EstablishRequest): Promise<PairPeer> {
    if (this.#running !== undefined || readUnfinished(this.#options.store).length > 0) throw busy();
    const running = { cancelled: false, line: undefined as EstablishLine | undefined };
    this.#running = running;
    try {
      const look = await lookAtPeer(this.#options, request);
      running.line = look.line;
      await this.#step('checked');
      const refusing = look.checks.find(blocks);
      if (refusing !== undefined || look.line === undefined || look.peer === undefined)
        throw new AppError('conflict', 'FAILOVER_CHECKS_FAILED', refusing?.text ?? 'The other appliance cannot be reached.', {
          params: { check: refusing?.code ?? 'peer-answers' },
        });
      if (running.cancelled) throw cancelled();
      return await this.#handOver(context, request, { ...look, line: look.line, peer: look.peer }, running);
    } finally {
      running.line?.close();
      this.#running = undefined;
    }
  }

  cancel(): boolean {
    const running = this.#running;
    if (running === undefined) return false;
    running.cancelled = true;
    running.line?.close();
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#running?.line?.close();
  }

  async #handOver(
    context: Context,
    request: EstablishRequest,
    { line, own, peer: facts }: Look & { line: EstablishLine; peer: NonNullable<Look['peer']> },
    running: { cancelled: boolean },
  ): Promise<PairPeer> {
    const { store } = this.#options;
    const peer: PairPeer = {
      name: facts.appliance,
      keySha256: line.peerKey,
      endpoint: request.backup,
      version: facts.version,
    };
    const offer: EstablishOffer = {
      id: randomUUID(),
      by: context.actor.name,
      mode: request.mode,
      withCertificate: request.withCertificate,
      primary: request.primary,
      backup: request.backup,
      appliance: own.appliance,
      version: own.version,
    };
    const keys = await this.#keys(offer);
    store.transact(context, offered({ peer: peer.name }), (tx) => writeJournal(tx, this.#entry(offer, peer)));
    try {
      await this.#step('offered');
      const sent = line.call({ kind: 'prepare', offer, keys }, { timeoutMs: PREPARE_LIMIT_MS });
      await this.#step('prepare-sent');
      const answer = await sent;
      if (!answer.ok) throw saidNo(answer);
      await this.#step('prepare-answered');
      if (running.cancelled || this.#isClosed) throw cancelled();
      await this.#decide(context, offer, peer);
    } catch (error) {
      await this.#giveUp(context, offer.id, peer, running.cancelled ? 'cancelled' : 'it could not be finished', line);
      throw running.cancelled ? cancelled() : error;
    }
    this.#running = undefined;
    // From here on both are a pair: what is not done now is done as soon as the other can be reached.
    await this.#finish(offer.id, line).catch((error: unknown) => this.#notFinished(offer.id, error));
    return peer;
  }

  async #keys({ withCertificate }: EstablishOffer): Promise<SiteKeys> {
    const { keysDir, certificate } = this.#options;
    return collectSiteKeys(keysDir, withCertificate ? await certificate.give() : null);
  }

  /** The one step that decides; before it nothing has changed on either side. */
  async #decide(context: Context, offer: EstablishOffer, peer: PairPeer): Promise<void> {
    await this.#options.commit(establishedOf(offer, peer), context, (tx) => writePhase(tx, offer.id, 'committed', this.#now()));
    await this.#step('committed');
  }

  /** Has the other side do its part; again and again until it did. */
  async #finish(id: string, open?: EstablishLine): Promise<void> {
    const { store, key, preSharedKey } = this.#options;
    const row = readJournal(store, id);
    if (row?.phase !== 'committed') return;
    const peer = JSON.parse(row.peer) as PairPeer;
    const { relationship } = await this.#options.facts();
    // A person has broken it since: then the other side stays what it is.
    if (relationship?.keySha256 !== row.peerKey)
      return await this.#giveUp(SYSTEM, id, peer, 'it was broken before the other side was told', open, 'committed');
    const line = open ?? (await EstablishLine.open({ key, preSharedKey, endpoint: peer.endpoint, expected: row.peerKey }));
    try {
      let outcome = await this.#sendCommit(line, id);
      if (outcome === 'unknown' || outcome === 'cancelled') {
        await this.#prepareAgain(line, row);
        outcome = await this.#sendCommit(line, id);
      }
      if (outcome !== 'done') throw saidNo({ message: `it is still ${outcome ?? 'silent'}` });
    } finally {
      if (open === undefined) line.close();
    }
    store.transact(SYSTEM, finished({ peer: peer.name }), (tx) => writePhase(tx, id, 'done', this.#now()));
    await this.#step('done');
  }

  async #sendCommit(line: EstablishLine, id: string): Promise<string | undefined> {
    const sent = line.call({ kind: 'commit', id, statement: this.#options.statement() }, { timeoutMs: ADOPT_LIMIT_MS });
    await this.#step('commit-sent');
    const answer = await sent;
    if (!answer.ok) throw saidNo(answer);
    return answer.outcome;
  }

  /** The other side has given up what was prepared, or lost it: it gets it once more, under the same id. */
  async #prepareAgain(line: EstablishLine, row: JournalRow): Promise<void> {
    const offer = JSON.parse(row.offer) as EstablishOffer;
    const keys = await this.#keys(offer);
    const answer = await line.call({ kind: 'prepare', offer, keys }, { timeoutMs: PREPARE_LIMIT_MS });
    if (!answer.ok) throw saidNo(answer);
  }

  /** Goes on with what was decided, and gives up what was not when the program ended. Never throws. */
  async settle(): Promise<void> {
    for (const row of readUnfinished(this.#options.store)) {
      if (row.side !== 'asking' || this.#isClosed || this.#running !== undefined) continue;
      const peer = JSON.parse(row.peer) as PairPeer;
      try {
        if (row.phase === 'committed') await this.#finish(row.id);
        else await this.#giveUp(SYSTEM, row.id, peer, 'the program was stopped before it was decided');
      } catch (error) {
        this.#notFinished(row.id, error);
      }
    }
  }

  #notFinished(id: string, error: unknown): void {
    this.#options.log.warn({ err: error, id }, 'pair-establishing-not-finished');
  }

  /** Back to how it was; the other side is told if it can be, and finds out by itself if not. */
  async #giveUp(
    context: Context,
    id: string,
    peer: PairPeer,
    why: string,
    open?: EstablishLine,
    from: 'offered' | 'committed' = 'offered',
  ): Promise<void> {
    const { store, key, preSharedKey } = this.#options;
    if (readJournal(store, id)?.phase !== from) return;
    store.transact(context, notEstablished({ peer: peer.name, why }), (tx) => writePhase(tx, id, 'cancelled', this.#now()));
    open?.close();
    try {
      const line = await EstablishLine.open({ key, preSharedKey, endpoint: peer.endpoint, expected: peer.keySha256 });
      await line.call({ kind: 'cancel', id }).finally(() => line.close());
    } catch (error) {
      this.#options.log.info({ err: error, id }, 'pair-peer-not-told');
    }
  }

  #entry(offer: EstablishOffer, peer: PairPeer): JournalRow {
    return {
      id: offer.id,
      side: 'asking',
      phase: 'offered',
      peerKey: peer.keySha256,
      offer: JSON.stringify(offer),
      peer: JSON.stringify(peer),
      keys: null,
      statement: null,
      changedAtMs: this.#now(),
    };
  }

  async #step(step: EstablishStep): Promise<void> {
    await this.#options.onStep?.(step);
  }
}

function establishedOf(offer: EstablishOffer, peer: PairPeer): Established {
  return { id: offer.id, peer, own: offer.primary, mode: offer.mode, by: offer.by };
}

function previewOf({ checks, peer, peerKey, own, bytesPerSecond }: Look): EstablishPreview {
  const { databaseBytes, recordingBytes, fileBytes } = own.stored;
  const seconds = bytesPerSecond === undefined ? null : Math.ceil((databaseBytes + recordingBytes + fileBytes) / bytesPerSecond);
  return {
    checks,
    peer: peer === undefined ? null : { name: peer.appliance, version: peer.version, keySha256: peerKey ?? '' },
    firstCopy: { databaseBytes, recordingBytes, fileBytes, seconds },
    replaced:
      peer === undefined
        ? null
        : {
            users: peer.stored.users,
            jumpItems: peer.stored.jumpItems,
            sessions: peer.stored.sessions,
            recordingBytes: peer.stored.recordingBytes,
          },
  };
}

function busy(): AppError {
  return new AppError(
    'conflict',
    'FAILOVER_ESTABLISH_BUSY',
    'A relationship is being established already: wait until it is, or cancel it.',
  );
}

function cancelled(): AppError {
  return new AppError('conflict', 'FAILOVER_ESTABLISH_CANCELLED', 'Cancelled: both appliances are as they were.');
}

function saidNo({ code = 'FAILOVER_PEER_REFUSED', message = '' }: { code?: string; message?: string }): AppError {
  return new AppError('conflict', code, `The other appliance says: ${message}`);
}
