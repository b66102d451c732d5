/** How far this follower is: what it tells the source of itself, what it has applied, and what the page shows of it over restarts. */
import type { FollowHello, SignedStatement } from '@bascule/protocol/pair-link.ts';
import { PAIR_VERSIONS } from '@bascule/protocol/pair-link.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { wrongSource } from './failover-errors.ts';
import { copyNoted } from './failover-events.ts';
import type { Pair } from './pair.ts';
import { readValue, writeValue } from './pair-store.ts';
import { isAbove, ownStatement } from './statements.ts';

/** Figures that change all the time are written down this often at most. */
const NOTE_INTERVAL_MS = 10_000;
export const ZERO_HASH = '0'.repeat(64);

export class CopyProgress {
  readonly #pair: Pair;
  #sourceHead: { seq: number; atMs: number } | undefined;
  #copied: { completedAtMs: number | null; comparedAtMs: number | null };
  #notedAtMs = 0;
  #ackedAtMs = 0;

  constructor(pair: Pair) {
    this.#pair = pair;
    const { store } = pair.options;
    this.#copied = readValue(store, 'copied') ?? { completedAtMs: null, comparedAtMs: null };
    this.#sourceHead = readValue(store, 'sourceHead');
  }

  /** When everything that was there had been copied, and was last found equal. */
  get copied(): { completedAtMs: number | null; comparedAtMs: number | null } {
    return this.#copied;
  }

  /** The newest entry of the source that was heard of, and when it was made. */
  get sourceHead(): { seq: number; atMs: number } | undefined {
    return this.#sourceHead;
  }

  /** Everything that was there is copied. */
  completed(): void {
    this.#copied = { ...this.#copied, completedAtMs: this.#pair.parts.now() };
  }

  /** What this follower has. */
  hello(): FollowHello {
    const { records, database, config } = this.#pair.parts;
    const head = database.store?.head();
    return {
      versions: [...PAIR_VERSIONS],
      history: records.self.history,
      epoch: head?.epoch ?? 0,
      seq: head?.seq ?? 0,
      hash: head === undefined ? ZERO_HASH : Buffer.from(head.hash).toString('hex'),
      knownMigrations: this.#pair.options.knownMigrations,
      softwareVersion: config.version,
    };
  }

  /** The source's right to be followed: the newest statement is about it. */
  async following(signed: SignedStatement): Promise<void> {
    const { records, statements } = this.#pair.parts;
    const statement = await statements.read(signed);
    const own = ownStatement(records.self.statement);
    const { history } = records.self;
    if (history !== '' && statement.history !== history) throw wrongSource();
    if (statement.holder !== records.peer?.keySha256 || (own !== undefined && own.epoch > statement.epoch)) throw wrongSource();
    if (own === undefined || isAbove(statement, own)) await this.#pair.word.learn(signed);
  }

  /** Entries up to `seq` are on the disk. */
  applied(seq: number, tables: string[]): void {
    const { database, accounts, now } = this.#pair.parts;
    if (database.store !== undefined) accounts.changed(database.store, tables);
    if (seq >= (this.#sourceHead?.seq ?? 0)) this.#copied = { ...this.#copied, completedAtMs: now() };
    this.#pair.options.applied(tables);
    this.noteReady();
    this.noteFigures(false);
  }

  /** The source's newest entry. */
  noteHead(seq: number, atMs: number): void {
    this.#sourceHead = { seq, atMs };
    if ((this.#pair.parts.database.store?.head().seq ?? -1) >= seq)
      this.#copied = { ...this.#copied, completedAtMs: this.#pair.parts.now() };
    this.noteReady();
    this.noteFigures(false);
  }

  /** A standby may take over by itself (if the primary had it in sync) unless its copy is just being replaced. */
  noteReady(): void {
    const { sink, database, records } = this.#pair.parts;
    if (records.serves) return;
    this.#pair.lease.setFit(database.store !== undefined && sink.state !== 'snapshot');
  }

  /** All tables were compared at one entry. */
  compared(differing: string[]): void {
    const { log, now, sink } = this.#pair.parts;
    if (differing.length === 0) {
      this.#copied = { ...this.#copied, comparedAtMs: now() };
      this.#pair.options.changed();
      return;
    }
    log.error({ tables: differing }, 'failover.copy-differs');
    sink.takeSnapshot();
  }

  /** Up to where the follower has everything: what a primary shows after a restart, until its follower comes. */
  noteAcked(isLast: boolean): void {
    const { records, gate, now } = this.#pair.parts;
    if (!isLast && now() - this.#ackedAtMs < NOTE_INTERVAL_MS) return;
    this.#ackedAtMs = now();
    const { ackedSeq: seq } = gate;
    if (!records.serves || !records.isActive || readValue(records.store, 'acked')?.seq === seq) return;
    records.store.transact(SYSTEM, copyNoted({ what: `the backup has entry ${seq}` }), (tx) =>
      writeValue(tx, 'acked', { seq, atMs: now() }),
    );
  }

  /** What was noted before the restart. */
  assumeAcked(): void {
    const { records, gate } = this.#pair.parts;
    const noted = readValue(records.store, 'acked');
    if (noted !== undefined && records.serves) gate.assume(noted.seq);
  }

  /** Figures for the page outlive a restart, but are not worth a write each time. */
  noteFigures(isLast: boolean): void {
    const { records, now } = this.#pair.parts;
    if (!isLast && now() - this.#notedAtMs < NOTE_INTERVAL_MS) return;
    this.#notedAtMs = now();
    const head = this.#sourceHead;
    if (records.self.role !== 'backup' || head === undefined) return;
    records.store.transact(SYSTEM, copyNoted({ what: `entry ${head.seq}` }), (tx) => {
      writeValue(tx, 'copied', this.#copied);
      writeValue(tx, 'sourceHead', head);
    });
  }
}
