/** Backups by themselves (B191): when, what of, where to, how many are kept, and who is told when one is missing. */
import { Buffer } from 'node:buffer';
import type { KeyWrap } from '@bascule/accounts/key-wrap.ts';
import type { z } from 'zod';
import type { Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { HERE, type backupSchedule, type changeBackupScheduleBody } from '@bascule/protocol/api/backup.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import { checkInclude, unknownDestination } from './backup-errors.ts';
import { scheduleChanged, scheduleNoted } from './backup-events.ts';
import { readBackups, readDestinations, readSchedule, writeSchedule, type KeptBackup, type ScheduleRow } from './backup-store.ts';
import { nextDue } from './backup-times.ts';
import { SCHEDULE_PASSWORD_PURPOSE } from './backup-wrapped.ts';

type Shown = z.infer<typeof backupSchedule>;
type Change = z.infer<typeof changeBackupScheduleBody>;

/** How often the clock is looked at. */
const LOOK_EVERY_MS = 30_000;
/** A backup may take so long after it was due before somebody is told that it is missing. */
export const OVERDUE_AFTER_MS = 12 * 60 * 60_000;
const ADVICE = 'See Management > Software > Backup, and make a backup now.';

const OFF: Shown = {
  isOn: false,
  times: { kind: 'daily', atMinute: 2 * 60 },
  include: { history: true, files: true, recordings: false, boxSettings: true },
  destination: HERE,
  hasPassword: false,
  retention: { count: 14, days: null },
};

export interface ScheduleOptions {
  store: Store;
  keyWrap: KeyWrap;
  mail: Pick<Mailer, 'tell'>;
  /** The backup page. */
  page(): string;
  /** Makes a backup for the schedule. */
  make(settings: ScheduleRow['settings'], password: string | undefined): Promise<void>;
  log: Log;
  now(): number;
}

export class Schedule {
  readonly #options: ScheduleOptions;
  #timer: NodeJS.Timeout | undefined;
  #isMaking = false;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  settings(): Shown {
    const row = readSchedule(this.#options.store);
    return row === undefined ? OFF : { ...row.settings, hasPassword: row.password !== null };
  }

  /** Throws `BACKUP_DESTINATION_UNKNOWN`, `BACKUP_RECORDINGS_NEED_HISTORY`. */
  change(context: Context, { password, ...settings }: Change): Shown {
    const { store, keyWrap, now } = this.#options;
    checkInclude(settings.include);
    const isKnown = settings.destination === HERE || readDestinations(store).some(({ id }) => id === settings.destination);
    if (!isKnown) throw unknownDestination();
    const before = readSchedule(store);
    const wrapped =
      password === undefined
        ? (before?.password ?? null)
        : password === null
          ? null
          : keyWrap.wrap(Buffer.from(password), SCHEDULE_PASSWORD_PURPOSE);
    const changes = describe(before?.settings ?? OFF, settings, password);
    if (changes === '') return this.settings();
    // A change of times counts from now: nothing is made up for.
    const row = { settings, password: wrapped, followedAtMs: now(), toldDueMs: 0 };
    store.transact(context, scheduleChanged({ changes }), (tx) => writeSchedule(tx, row));
    return this.settings();
  }

  /** In clear, for a check of what was made with it. Throws `KEY_WRAP_FAILED`. */
  password(): string | undefined {
    const wrapped = readSchedule(this.#options.store)?.password ?? undefined;
    return wrapped && Buffer.from(this.#options.keyWrap.unwrap(wrapped, SCHEDULE_PASSWORD_PURPOSE)).toString();
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), LOOK_EVERY_MS).unref();
    void this.look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  nextAtMs(): number | null {
    const row = readSchedule(this.#options.store);
    return row?.settings.isOn === true ? nextDue(row.settings.times, row.followedAtMs) : null;
  }

  /** What is wrong with the scheduled backups, in words; null: nothing, or the schedule is off. */
  problem(): { code: string; message: string } | null {
    const row = readSchedule(this.#options.store);
    if (row?.settings.isOn !== true) return null;
    const [newest] = this.#own().filter(({ state }) => state === 'restorable' || state === 'failed');
    if (newest?.state === 'failed' && newest.problem !== null)
      return { code: 'BACKUP_SCHEDULE_FAILED', message: `The last scheduled backup failed. ${newest.problem.message}` };
    if (this.#missingSince(row) === undefined) return null;
    return { code: 'BACKUP_OVERDUE', message: 'A scheduled backup was due more than 12 hours ago and is not there.' };
  }

  /** A backup of the schedule failed: tells it by mail. */
  failed({ fileName, problem }: Pick<KeptBackup, 'fileName' | 'problem'>): void {
    const what = `the scheduled backup ${fileName} failed. ${problem?.message ?? ''}`.trim();
    this.#options.mail.tell({ kind: 'needs-attention', what, advice: ADVICE, page: this.#options.page() });
  }

  /** Makes what is due, and tells what is overdue. Never throws. */
  async look(): Promise<void> {
    const { store, log, now } = this.#options;
    if (this.#isMaking) return;
    this.#isMaking = true;
    try {
      const row = readSchedule(store);
      if (row?.settings.isOn !== true) return;
      const toldDueMs = this.#tellOverdue(row);
      if (now() >= nextDue(row.settings.times, row.followedAtMs)) await this.#follow({ ...row, toldDueMs });
    } catch (error) {
      log.error({ err: error }, 'backup.schedule-failed');
    } finally {
      this.#isMaking = false;
    }
  }

  async #follow(row: ScheduleRow): Promise<void> {
    const { store, keyWrap, make, now, mail, page } = this.#options;
    // First: what cannot be begun is not tried again at every look.
    store.transact(SYSTEM, scheduleNoted({}), (tx) => writeSchedule(tx, { ...row, followedAtMs: now() }));
    try {
      const password =
        row.password === null ? undefined : Buffer.from(keyWrap.unwrap(row.password, SCHEDULE_PASSWORD_PURPOSE)).toString();
      await make(row.settings, password);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      mail.tell({ kind: 'needs-attention', what: `the scheduled backup was not begun. ${reason}`, advice: ADVICE, page: page() });
      throw error;
    }
  }

  /** Gives the time of which somebody was told now, or before. */
  #tellOverdue(row: ScheduleRow): number {
    const { store, mail, page } = this.#options;
    const sinceMs = this.#missingSince(row);
    if (sinceMs === undefined || sinceMs <= row.toldDueMs) return row.toldDueMs;
    store.transact(SYSTEM, scheduleNoted({}), (tx) => writeSchedule(tx, { ...row, toldDueMs: sinceMs }));
    const what = `a scheduled backup was due at ${new Date(sinceMs).toISOString()} and is not there`;
    mail.tell({ kind: 'needs-attention', what, advice: ADVICE, page: page() });
    return sinceMs;
  }

  /** The time at which a backup was due that should be there by now and is not. */
  #missingSince(row: ScheduleRow): number | undefined {
    const { now } = this.#options;
    // A schedule that was just set, or just followed, is waited for.
    if (now() <= row.followedAtMs + OVERDUE_AFTER_MS) return undefined;
    const own = this.#own();
    const lastMs = own.find(({ state }) => state === 'restorable')?.madeAtMs ?? own.at(-1)?.madeAtMs ?? row.followedAtMs;
    const dueMs = nextDue(row.settings.times, lastMs);
    return now() > dueMs + OVERDUE_AFTER_MS ? dueMs : undefined;
  }

  #own(): KeptBackup[] {
    return readBackups(this.#options.store).filter(({ reason }) => reason === 'schedule');
  }
}

function describe(
  before: Partial<ScheduleRow['settings']>,
  after: ScheduleRow['settings'],
  password: string | null | undefined,
): string {
  const names = (Object.keys(after) as (keyof typeof after)[]).filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const changes = names.map((name) => `${name} to ${JSON.stringify(after[name])}`);
  if (password !== undefined) changes.push(password === null ? 'password removed' : 'password set');
  return changes.join(', ');
}
