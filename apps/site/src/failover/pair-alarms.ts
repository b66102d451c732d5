/** Alarms of a pair: lag, stopped sync, peer, witness, the backup's disk, clocks, copies that differ; in pair.db, on every page's header, and by mail (B154). */
import type { ALARM_CODES, PairAlarm } from '@bascule/protocol/api/failover.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { alarmEnded, alarmRaised } from './failover-events.ts';
import { copyOf, peerSideOf } from './pair-figures.ts';
import { alarms, putAlarm, removeAlarm } from './pair-store.ts';
import type { Pair } from './pair.ts';

const LOOK_INTERVAL_MS = 1000;
/** A backup that is not followed, or a peer that is silent, for a moment (a restart, a swap) is no alarm. */
export const STOPPED_AFTER_MS = 30_000;
/** From here on a copy counts as behind; it is an alarm when it has stayed so for the limit that people set. */
const BEHIND_FROM_SECONDS = 1;
/** Clocks that differ by more make times of the two sides unlike. */
export const CLOCK_LIMIT_MS = 5000;
/** Less on the backup's disk: the copy would stop soon. */
export const BACKUP_FREE_MIN_BYTES = 512 * 1024 * 1024;

type Code = (typeof ALARM_CODES)[number];
type Params = PairAlarm['params'];

export interface PairAlarmsOptions {
  pair: Pair;
  /** By mail, when the mailer of this side can. */
  mail(alarm: { code: Code; text: string }): void;
  changed(): void;
}

export class PairAlarms {
  readonly #options: PairAlarmsOptions;
  readonly #timer: NodeJS.Timeout;
  /** Since when what may become an alarm is so. */
  readonly #since = new Map<Code, number>();
  /** Since when the copy is behind, as it was seen here. */
  #behindSinceMs: number | undefined;
  #raised: PairAlarm[];

  constructor(options: PairAlarmsOptions) {
    this.#options = options;
    this.#raised = alarms(options.pair.parts.records.store);
    this.#timer = setInterval(() => this.look(), LOOK_INTERVAL_MS).unref();
  }

  get codes(): Code[] {
    return this.#raised.map(({ code }) => code);
  }

  /** Raises and ends what is due; a fault of the disk leaves it for the next second. */
  look(): void {
    const { pair } = this.#options;
    const nowMs = pair.parts.now();
    const found = findAlarms(pair);
    const lag = this.#lag(nowMs);
    if (lag !== undefined) found.set('lag', { params: lag, afterMs: 0 });
    for (const code of this.#since.keys()) if (!found.has(code)) this.#since.delete(code);
    for (const code of found.keys()) if (!this.#since.has(code)) this.#since.set(code, nowMs);
    try {
      for (const [code, { params, afterMs }] of found)
        if (nowMs - (this.#since.get(code) ?? nowMs) >= afterMs && !this.codes.includes(code))
          this.#raise({ code, sinceMs: nowMs, params });
      for (const { code } of this.#raised) if (!found.has(code) && code !== 'rehearsal-failed') this.#end(code);
    } catch (error) {
      pair.parts.log.warn({ err: error }, 'failover.alarm-not-written');
    }
  }

  /** A rehearsal of the standby has passed, or failed with `reason`. */
  rehearsed(reason: string | undefined): void {
    const isRaised = this.codes.includes('rehearsal-failed');
    if (reason !== undefined && !isRaised)
      this.#raise({ code: 'rehearsal-failed', sinceMs: this.#options.pair.parts.now(), params: { reason } });
    else if (reason === undefined && isRaised) this.#end('rehearsal-failed');
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * The copy is too far behind, and has been for as long as the limit says: changes that were made before this side was followed are old at once, but are copied in a moment. Before it
   * has followed for the first time since the relationship was established, there is no copy that could be behind.
   */
  #lag(nowMs: number): Params | undefined {
    const { pair } = this.#options;
    const { records, source, sink, gate } = pair.parts;
    const copy = copyOf(pair);
    const wasWhole = (pair.copied.completedAtMs ?? 0) >= (records.peer?.sinceMs ?? 0);
    const hasFollowed = records.serves ? source.isFollowed || gate.ackedSeq > 0 : sink.isFollowing || wasWhole;
    const isBehind = copy !== null && hasFollowed && copy.lagSeconds >= BEHIND_FROM_SECONDS;
    this.#behindSinceMs = isBehind ? (this.#behindSinceMs ?? nowMs) : undefined;
    if (!isBehind || this.#behindSinceMs === undefined) return undefined;
    const limit = records.settings.alarmLagSeconds;
    if (copy.lagSeconds < limit || nowMs - this.#behindSinceMs < limit * 1000) return undefined;
    return { seconds: Math.round(copy.lagSeconds), changes: copy.lagChanges };
  }

  #raise(alarm: PairAlarm): void {
    const { pair, mail, changed } = this.#options;
    const { store } = pair.parts.records;
    store.transact(SYSTEM, alarmRaised({ code: alarm.code }), (tx) => putAlarm(tx, alarm));
    this.#raised = alarms(store);
    mail({ code: alarm.code, text: textOf(alarm) });
    changed();
  }

  #end(code: Code): void {
    const { pair, changed } = this.#options;
    const { store } = pair.parts.records;
    store.transact(SYSTEM, alarmEnded({ code }), (tx) => removeAlarm(tx, code));
    this.#raised = alarms(store);
    changed();
  }
}

/** What is so now, and for how long it has to be so before it is an alarm. */
function findAlarms(pair: Pair): Map<Code, { params: Params; afterMs: number }> {
  const found = new Map<Code, { params: Params; afterMs: number }>();
  const { records, watch, sink, source } = pair.parts;
  const { peer, settings } = records;
  if (peer?.state !== 'active') return found;
  const copy = copyOf(pair);
  const isStopped = records.serves ? !source.isFollowed : sink.state === 'stopped';
  if (isStopped) found.set('sync-stopped', { params: { reason: copy?.stopped?.text ?? '' }, afterMs: STOPPED_AFTER_MS });
  if (!watch.isReachable) found.set('peer-unreachable', { params: { peer: peer.name }, afterMs: STOPPED_AFTER_MS });
  const offsetMs = watch.clockOffsetMs ?? 0;
  if (Math.abs(offsetMs) > CLOCK_LIMIT_MS)
    found.set('clock', { params: { seconds: Math.round(Math.abs(offsetMs) / 1000) }, afterMs: STOPPED_AFTER_MS });
  const backupFree = records.serves ? (pair.follower?.freeBytes ?? peerSideOf(pair)?.freeBytes ?? null) : pair.freeBytes;
  if (backupFree !== null && backupFree < BACKUP_FREE_MIN_BYTES)
    found.set('backup-disk', { params: { freeBytes: backupFree }, afterMs: 0 });
  const witness = settings.automatic ? pair.lease.state() : null;
  if (witness !== null && witness.state !== 'connected')
    found.set('witness-unreachable', { params: { host: witness.endpoint.host }, afterMs: STOPPED_AFTER_MS });
  if (pair.isInConflict) found.set('diverged', { params: { peer: peer.name }, afterMs: 0 });
  return found;
}

/** For mail, in English. */
function textOf({ code, params }: PairAlarm): string {
  const texts: Record<Code, string> = {
    lag: `The backup is ${params['seconds']} seconds (${params['changes']} changes) behind the primary.`,
    'sync-stopped': `The backup does not follow the primary. ${params['reason']}`,
    'peer-unreachable': `${params['peer']} cannot be reached from here.`,
    'backup-disk': 'The disk of the backup is almost full: copying stops when it is.',
    'witness-unreachable': `The witness at ${params['host']} cannot be reached: nobody could take over by itself.`,
    'rehearsal-failed': 'The rehearsal of the standby failed.',
    diverged: 'The two appliances disagree, or have different data: a person has to choose under Management > Failover.',
    clock: `The clocks of the two appliances differ by ${params['seconds']} seconds.`,
  };
  return texts[code];
}
