import type { Log } from '@bascule/log/log.ts';
import { readStatement } from '@bascule/pair/epoch-statement.ts';
import {
  openWitnessSite,
  stepWitness,
  WITNESS_RECORD_FORMAT,
  type WitnessEffect,
  type WitnessMessage,
  type WitnessSite,
  type WitnessSiteRecord,
} from '@bascule/pair/witness-core.ts';
import type { EpochStatement, SignedStatement } from '@bascule/protocol/pair-link.ts';
import { WITNESS_MEMBERS_MAX, type FromWitness, type ToWitness } from '@bascule/protocol/witness-link.ts';
import type { WitnessCodes } from './witness-codes.ts';
import { SITES_MAX, type WitnessRecords } from './witness-records.ts';

export interface WitnessOptions {
  records: WitnessRecords;
  codes: WitnessCodes;
  /** The boot clock. */
  clockMs(): number;
  log: Log;
}

/** What `status` shows of a site. */
export interface SiteStatus {
  record: WitnessSiteRecord;
  leftMs: number | null;
  heard: { key: string; agoMs: number }[];
}

/** All sites of one witness: carries out what the cores decide, the writing before the answering. */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #sites = new Map<string, WitnessSite>();

  /** Takes the folder over, and counts every lease on record as granted just now. Throws `WITNESS_RECORD_DAMAGED`. */
  constructor(options: WitnessOptions) {
    this.#options = options;
    options.records.takeOver();
    for (const record of options.records.readAll()) this.#sites.set(record.site, openWitnessSite(record, options.clockMs()));
  }

  /**
   * The answer to a message of `key`; undefined: none is given. Throws when the record could not be written (then nothing has changed) and `WITNESS_REPLACED`.
   */
  answer(key: string, connection: number, message: ToWitness): FromWitness | undefined {
    this.#options.records.assertOurs();
    if (message.kind === 'enrol') return this.#enrol(key, message);
    const site = this.#sites.get(message.site);
    if (site === undefined) return { nonce: message.nonce, outcome: 'not-enrolled', record: null };
    return this.#step(site, key, connection, message);
  }

  status(): SiteStatus[] {
    const nowMs = this.#options.clockMs();
    return Array.from(this.#sites.values(), ({ record, endsAtMs, heard }) => ({
      record,
      leftMs: record.lease === null ? null : Math.max(0, endsAtMs - nowMs),
      heard: Object.entries(heard).map(([key, { atMs }]) => ({ key, agoMs: nowMs - atMs })),
    }));
  }

  #step(site: WitnessSite, key: string, connection: number, message: WitnessMessage): FromWitness | undefined {
    const statement = message.kind === 'lease' ? stated(message.statement, site.record.identity) : undefined;
    const nowMs = this.#options.clockMs();
    const { state, effects } = stepWitness(site, { nowMs, key, connection, message, statement });
    for (const effect of effects) this.#keep(effect);
    this.#sites.set(state.record.site, state);
    const answered = effects.find((effect) => effect.kind === 'answer')?.answer;
    this.#note(site, state, key, answered, message);
    return answered;
  }

  #keep(effect: WitnessEffect): void {
    if (effect.kind !== 'keep') return;
    try {
      this.#options.records.write(effect.record);
    } catch (error) {
      if (effect.isNeeded) throw error;
      this.#options.log.warn({ err: error, site: effect.record.site }, 'witness.not-written');
    }
  }

  /** The log tells who got the lease, and who was turned down; not every renewal. */
  #note(before: WitnessSite, after: WitnessSite, key: string, answer: FromWitness | undefined, message: WitnessMessage): void {
    const { log } = this.#options;
    const { site, lease } = after.record;
    const isNew = before.record.lease?.epoch !== lease?.epoch || before.record.lease?.inSync.join() !== lease?.inSync.join();
    if (isNew) log.info({ site, holder: lease?.holder, epoch: lease?.epoch, inSync: lease?.inSync }, 'witness.recorded');
    if (message.kind === 'release' && answer?.outcome === 'answer')
      log.info({ site, by: answer.record?.holder }, 'witness.released');
    if (message.kind === 'lease' && message.forcedBy !== undefined && before.claim === undefined)
      log.warn({ site, by: key, person: message.forcedBy, epoch: message.epoch, outcome: answer?.outcome }, 'witness.forced');
  }

  #enrol(key: string, message: Extract<ToWitness, { kind: 'enrol' }>): FromWitness {
    const { nonce, site, secret, identity, name } = message;
    const known = this.#sites.get(site);
    const isMember = known?.record.members.some((member) => member.key === key) ?? false;
    const isRoom = known === undefined ? this.#sites.size < SITES_MAX : known.record.members.length < WITNESS_MEMBERS_MAX;
    if (!isMember && (!isRoom || !this.#options.codes.use(secret, site))) return { nonce, outcome: 'not-enrolled', record: null };
    const others = known?.record.members.filter((member) => member.key !== key) ?? [];
    const record: WitnessSiteRecord = {
      format: WITNESS_RECORD_FORMAT,
      site,
      identity,
      members: [...others, { key, name }],
      lease: known?.record.lease ?? null,
    };
    this.#options.records.write(record);
    this.#sites.set(site, known ? { ...known, record } : openWitnessSite(record, this.#options.clockMs()));
    this.#options.log.info({ site, by: key, name, isNew: !isMember }, 'witness.enrolled');
    return { nonce, outcome: 'answer', record: null };
  }
}

/** What a statement says, if the site identity signed it. */
function stated(signed: SignedStatement, identity: string): EpochStatement | undefined {
  try {
    return readStatement(signed, [identity]);
  } catch {
    return undefined;
  }
}
