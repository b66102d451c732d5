import { join } from 'node:path';
import { openKeyWrap, type KeyWrap } from '@bascule/accounts/key-wrap.ts';
import { AppError } from '@bascule/errors/app-error.ts';
import { siteKeys, type EstablishAnswer, type EstablishCall, type EstablishOffer } from '@bascule/protocol/pair-establish.ts';
import { signedStatement } from '@bascule/protocol/pair-link.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { Established, EstablishingOptions, EstablishStep, PairPeer } from './establish-contract.ts';
import { EstablishLine } from './establish-line.ts';
import { readJournal, readUnfinished, writeJournal, writePhase, type JournalRow } from './establish-store.ts';
import { PAIR_WRAP_KEY_FILE } from './pre-shared-key.ts';

/** Keys that wait for a decision are given up after this time: the primary hands them over again if it decided after all. */
const PREPARED_LIFE_MS = 24 * 60 * 60_000;
/** A primary that has prepared this side decides at once: it is asked when it has not for so long. */
const PREPARED_QUIET_MS = 30_000;
const KEYS_PURPOSE = 'pair establishing keys';

const keysReceived = defineAuditEvent(
  'PAIR_KEYS_RECEIVED',
  'Took in, sealed, the site keys of {appliance}, which {by} wants to make the primary of this appliance',
);
const adopting = defineAuditEvent('PAIR_ADOPTING', '{appliance} is the primary now, by {by}: this appliance becomes its backup');
const given = defineAuditEvent(
  'PAIR_ESTABLISHING_CANCELLED',
  'The relationship that {appliance} had prepared was not established',
);

/** The backup to be: keeps what it is prepared with, and takes it over when the primary has decided (docs/spec/pair.md, 4.6). */
export class BackupSide {
  readonly #options: EstablishingOptions;
  readonly #wrap: KeyWrap;
  readonly #now: () => number;
  readonly #adopting = new Map<string, Promise<void>>();

  constructor(options: EstablishingOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#wrap = openKeyWrap(join(options.keysDir, PAIR_WRAP_KEY_FILE));
  }

  /** Takes the keys in and keeps them, wrapped; nothing is replaced. Throws `FAILOVER_ESTABLISH_BUSY`, `FAILOVER_ALREADY_PAIRED`. */
  async prepare({ offer, keys }: Extract<EstablishCall, { kind: 'prepare' }>, peerKey: string): Promise<EstablishAnswer> {
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

  /** Does what the primary has decided; the answer's outcome says whether there was anything to do. Throws what `adopt` throws. */
  async commit({ id, statement }: Extract<EstablishCall, { kind: 'commit' }>, peerKey: string): Promise<EstablishAnswer> {
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

  /** Gives up what was prepared; the phase it has now. */
  cancel(id: string, peerKey: string): JournalRow['phase'] | 'unknown' {
    const row = this.#journal(id, peerKey);
    if (row?.phase !== 'prepared') return row?.phase ?? 'unknown';
    this.#giveUp(row);
    return 'cancelled';
  }

  /** How far `id` is with the appliance of `peerKey`, of either side. */
  outcome(id: string, peerKey: string): JournalRow['phase'] | 'unknown' {
    return this.#journal(id, peerKey)?.phase ?? 'unknown';
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
