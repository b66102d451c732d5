import { healthThresholds, type HealthAlarm, type HealthAlarmCode, type HealthThresholds } from '@bascule/protocol/api/health.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { Figures } from './health-ring.ts';

/** What lasts so many minutes counts; shorter peaks are everyday. */
export const LASTING_MINUTES = 5;
/** Free space has to rise by so much above the threshold for the alarm to be over: no mail for each file that comes and goes. */
const CLEAR_PERCENT_POINTS = 2;
export const DEFAULT_THRESHOLDS: HealthThresholds = { diskFreePercent: 10, memoryFreePercent: 5, clock: true, delayMs: 1000 };

const raised = defineAuditEvent<{ alarm: string; text: string }>('HEALTH_ALARM_RAISED', 'Alarm: {text}');
const cleared = defineAuditEvent<{ alarm: string }>('HEALTH_ALARM_CLEARED', 'The alarm {alarm} is over');
const thresholdsChanged = defineAuditEvent<{ before: HealthThresholds; after: HealthThresholds }>(
  'HEALTH_THRESHOLDS_CHANGED',
  'Changed what raises an alarm from {before} to {after}',
);

const ADVICE: Record<HealthAlarmCode, string> = {
  'disk-low':
    'Open Storage to see what takes the room; shorten the retention, remove backups, or give the machine a larger disk.',
  'memory-low': 'Open Status > Health to see which program takes it; give the machine more memory.',
  clock: 'Look at Networking > Time: signatures, certificates and download keys need the right time.',
  'base-late': 'The machine is too slow for what it does, or its disk is: open Status > Health.',
  'site-late': 'The machine is too slow for what it does, or its disk is: open Status > Health.',
  'syslog-dropped': 'A syslog server takes nothing for too long: look at Security > Syslog.',
};

/** What alarms are judged by. */
export interface HealthFacts {
  /** The last minutes, newest last. */
  minutes: readonly (Figures | undefined)[];
  diskTotalBytes: number;
  memoryTotalBytes: number;
  /** Why the clock is not to be trusted; undefined: it is. */
  clockFault: string | undefined;
  /** Messages that syslog has dropped in the last hour. */
  syslogDropped: number;
}

/** Which alarms are raised: rows of box.db, so that each is told once, also over a restart. */
export class HealthAlarms {
  readonly #store: Store;
  readonly #tell: (alarm: HealthAlarm, advice: string) => void;
  readonly #now: () => number;

  /** `tell`: by mail and syslog, once for each. */
  constructor(store: Store, tell: (alarm: HealthAlarm, advice: string) => void, now: () => number) {
    this.#store = store;
    this.#tell = tell;
    this.#now = now;
  }

  list(): HealthAlarm[] {
    return this.#store.all<HealthAlarm>('SELECT code, raised_at_ms AS raisedAtMs, text FROM health_alarms ORDER BY raised_at_ms');
  }

  thresholds(): HealthThresholds {
    const row = this.#store.get<{ thresholds: string }>('SELECT thresholds FROM health_settings');
    return row === undefined ? DEFAULT_THRESHOLDS : healthThresholds.parse(JSON.parse(row.thresholds));
  }

  change(context: Context, after: HealthThresholds): void {
    const before = this.thresholds();
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    this.#store.transact(context, thresholdsChanged({ before, after }), (tx) =>
      tx.run(
        'INSERT INTO health_settings (one, thresholds) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET thresholds = excluded.thresholds',
        JSON.stringify(after),
      ),
    );
  }

  /** Raises and clears what has changed. Throws what the store does (a full disk); then it is tried with the next minute. */
  judge(facts: HealthFacts): void {
    const standing = new Set(this.list().map(({ code }) => code));
    for (const [code, judge] of Object.entries(JUDGES) as [HealthAlarmCode, Judge][]) {
      const text = judge(facts, this.thresholds(), standing.has(code));
      if (text !== undefined && !standing.has(code)) this.#raise(code, text);
      if (text === undefined && standing.has(code))
        this.#store.transact(SYSTEM, cleared({ alarm: code }), (tx) => tx.run('DELETE FROM health_alarms WHERE code = ?', code));
    }
  }

  #raise(code: HealthAlarmCode, text: string): void {
    const alarm = { code, raisedAtMs: this.#now(), text };
    this.#store.transact(SYSTEM, raised({ alarm: code, text }), (tx) => {
      tx.run('INSERT INTO health_alarms (code, raised_at_ms, text) VALUES (?, ?, ?)', code, alarm.raisedAtMs, text);
      tx.afterCommit(() => this.#tell(alarm, ADVICE[code]));
    });
  }
}

/** A sentence while the alarm holds. `stands`: it is raised already. */
type Judge = (facts: HealthFacts, thresholds: HealthThresholds, stands: boolean) => string | undefined;

const JUDGES: Record<HealthAlarmCode, Judge> = {
  'disk-low': ({ minutes, diskTotalBytes }, { diskFreePercent }, stands) => {
    const used = minutes.at(-1)?.diskUsedBytes;
    if (diskFreePercent === null || used === undefined || diskTotalBytes === 0) return undefined;
    const freePercent = 100 - (100 * used) / diskTotalBytes;
    if (freePercent >= diskFreePercent + (stands ? CLEAR_PERCENT_POINTS : 0)) return undefined;
    return `Only ${freePercent.toFixed(1)} % of the disk is free (less than ${diskFreePercent} %).`;
  },
  'memory-low': ({ minutes, memoryTotalBytes }, { memoryFreePercent }) => {
    if (memoryFreePercent === null || memoryTotalBytes === 0) return undefined;
    const isLow = lasts(
      minutes,
      ({ memoryUsedBytes: used }) => used !== undefined && free(used, memoryTotalBytes) < memoryFreePercent,
    );
    return isLow ? `Less than ${memoryFreePercent} % of the memory has been free for ${LASTING_MINUTES} minutes.` : undefined;
  },
  clock: ({ clockFault }, { clock }) => (clock ? clockFault : undefined),
  'base-late': (facts, thresholds) => late('base', 'baseDelayMs', facts, thresholds),
  'site-late': (facts, thresholds) => late('the site', 'siteDelayMs', facts, thresholds),
  'syslog-dropped': ({ syslogDropped }) =>
    syslogDropped > 0
      ? `${syslogDropped} syslog messages had no room in the spool in the last hour and were dropped.`
      : undefined,
};

function late(
  who: string,
  series: 'baseDelayMs' | 'siteDelayMs',
  { minutes }: HealthFacts,
  { delayMs }: HealthThresholds,
): string | undefined {
  if (delayMs === null || !lasts(minutes, (figures) => (figures[series] ?? 0) > delayMs)) return undefined;
  return `The event loop of ${who} has been late by more than ${delayMs} ms for ${LASTING_MINUTES} minutes.`;
}

const free = (used: number, total: number): number => 100 - (100 * used) / total;

function lasts(minutes: readonly (Figures | undefined)[], holds: (figures: Figures) => boolean): boolean {
  const last = minutes.slice(-LASTING_MINUTES);
  return last.length === LASTING_MINUTES && last.every((figures) => figures !== undefined && holds(figures));
}
