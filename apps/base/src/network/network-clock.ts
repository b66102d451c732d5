import { AppError } from '@bascule/errors/app-error.ts';
import type { Log } from '@bascule/log/log.ts';
import { ntpSettings, type ClockState, type NtpSettings } from '@bascule/protocol/api/updates.ts';
import { defineAuditEvent } from '@bascule/store/audit.ts';
import { SYSTEM, type Context, type Store, type Tx } from '@bascule/store/store.ts';
import { hostServers } from './network-host-time.ts';
import { askServer, chooseSample, parseServer, type NtpOutcome } from './network-ntp-query.ts';

/** Between two checks by itself. */
export const CHECK_INTERVAL_MS = 60 * 60_000;
/** How often the highest time seen is written down, and how much it must have grown for that. */
export const NOTE_INTERVAL_MS = 10 * 60_000;
const NOTE_STEP_MS = 60_000;
/** Within this of the servers the clock is synchronised; TOTP codes and download keys need no better. */
export const OFF_LIMIT_MS = 2_000;
/** A time service that corrects the clock may step it back a little: that is no clock that lost its time. */
export const BEHIND_LIMIT_MS = 2_000;
/** A server that said RATE (RFC 4330, 8) is left alone for so long; one that said DENY or RSTR until the settings change. */
export const KISS_RATE_PAUSE_MS = 4 * 60 * 60_000;
/** Asked by button, one after another: not more often than this. */
const CHECK_PAUSE_MS = 2_000;

const ntpChanged = defineAuditEvent<{ isOn: boolean; servers: string[] }>(
  'NTP_SETTINGS_CHANGED',
  'Time servers: switched on {isOn}, servers {servers}',
);
const highestTimeNoted = defineAuditEvent<{ seenMs: number }>('HIGHEST_TIME_NOTED', 'Highest time seen {seenMs}', {
  housekeeping: true,
});

const highestTimeLowered = defineAuditEvent<{ fromMs: number; toMs: number }>(
  'HIGHEST_TIME_LOWERED',
  'Took the system clock for right: the highest time seen is {toMs} instead of {fromMs}',
);

export interface ClockOptions {
  store: Store;
  log: Log;
  systemNow?(): number;
  /** The servers to ask while the settings name none. */
  hostServers?(): string[];
  answerWaitMs?: number;
  checkPauseMs?: number;
}

/**
 * The time that signatures and their expiry are judged by: never below the highest seen, also after a restart with a clock that lost its time. It asks time
 * servers how far the system clock is off, shows it, and never sets it: that is the operating system's (docs/decisions/0104).
 */
export class Clock {
  readonly #options: ClockOptions;
  readonly #systemNow: () => number;
  /** Written down, or about to be. */
  #seenMs: number;
  #notedMs: number;
  /** The highest reading of the system clock; forgotten when time servers say that it runs ahead. */
  #readMs = 0;
  #checkedAtMs: number | null = null;
  #checkedAtSteadyMs = -Infinity;
  /** Raised with each change of the settings: what was asked under earlier ones counts no more. */
  #revision = 0;
  #best: { server: string; offsetMs: number; delayMs: number } | undefined;
  #isAhead = false;
  #firstCheckDone = false;
  readonly #leftAloneUntilMs = new Map<string, number>();
  #running: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];

  constructor(options: ClockOptions) {
    this.#options = options;
    this.#systemNow = options.systemNow ?? Date.now;
    this.#notedMs = options.store.get<{ ms: number }>('SELECT seen_ms AS ms FROM highest_time')?.ms ?? 0;
    this.#seenMs = this.#notedMs;
  }

  /** Begins to check and to note by itself. */
  start(): void {
    void this.check();
    this.#timers = [
      setInterval(() => void this.check(), CHECK_INTERVAL_MS).unref(),
      setInterval(() => this.#note(), NOTE_INTERVAL_MS).unref(),
    ];
  }

  /** Stops; what was seen last is written down. */
  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#note();
  }

  /** The effective time, milliseconds since the epoch: never falls. */
  now(): number {
    const systemMs = this.#systemNow();
    if (!this.#isAhead) this.#readMs = Math.max(this.#readMs, systemMs);
    return Math.max(systemMs, this.#readMs, this.#seenMs);
  }

  state(): ClockState {
    const effectiveMs = this.now();
    const systemMs = this.#systemNow();
    const highestSeenMs = Math.max(this.#seenMs, this.#readMs);
    return {
      systemMs: Math.floor(systemMs),
      effectiveMs: Math.floor(effectiveMs),
      highestSeenMs: Math.floor(highestSeenMs),
      state: systemMs < highestSeenMs - BEHIND_LIMIT_MS ? 'behind' : this.#stateByServers(),
      server: this.#best?.server ?? null,
      offsetMs: this.#best?.offsetMs ?? null,
      delayMs: this.#best?.delayMs ?? null,
      checkedAtMs: this.#checkedAtMs,
    };
  }

  #stateByServers(): ClockState['state'] {
    if (!this.settings().isOn) return 'switched-off';
    if (this.#checkedAtMs === null) return 'unchecked';
    if (this.#best === undefined) return 'unreachable';
    return Math.abs(this.#best.offsetMs) > OFF_LIMIT_MS ? 'off' : 'synchronised';
  }

  /**
   * Takes the system clock for right although a later time was seen: somebody at the machine says that the later one was wrong (a clock that ran years ahead
   * where no time server could tell). Otherwise the appliance would refuse all updates for as many years. Throws `CLOCK_NOT_BEHIND`.
   */
  acceptSystemTime(context: Context): void {
    const { systemMs: toMs, highestSeenMs: fromMs, state } = this.state();
    if (state !== 'behind')
      throw new AppError(
        'conflict',
        'CLOCK_NOT_BEHIND',
        'The system clock is not behind the latest time that was seen: nothing to do.',
      );
    this.#options.store.transact(context, highestTimeLowered({ fromMs, toMs }), (tx) =>
      tx.run('UPDATE highest_time SET seen_ms = ?', toMs),
    );
    this.#readMs = 0;
    this.#seenMs = toMs;
    this.#notedMs = toMs;
  }

  /** Asks the time servers now. Never throws: `state()` shows what came of it. */
  check(): Promise<void> {
    this.#running ??= this.#check().finally(() => (this.#running = undefined));
    return this.#running;
  }

  settings(): NtpSettings {
    const row = this.#options.store.get<{ value: string }>("SELECT value FROM network_settings WHERE name = 'ntp'");
    return row === undefined ? { isOn: true, servers: [] } : ntpSettings.parse(JSON.parse(row.value));
  }

  /** The servers asked now: those of the settings, else those that the machine's own time service has. */
  servers(): string[] {
    const { servers } = this.settings();
    return servers.length > 0 ? servers : (this.#options.hostServers ?? hostServers)();
  }

  /** Changes the settings and checks at once. Throws `NTP_SERVER_INVALID`. */
  change(context: Context, settings: NtpSettings): void {
    const wrong = settings.servers.findIndex((server) => parseServer(server) === undefined);
    if (wrong !== -1)
      throw new AppError(
        'invalid',
        'NTP_SERVER_INVALID',
        'A time server is a host name or an address, with a port if it is not 123: time.example.org, [2001:db8::1]:1123.',
        { field: `body.servers.${wrong}` },
      );
    this.#options.store.transact(context, ntpChanged(settings), (tx) => this.write(tx, settings));
    this.replaced();
  }

  /** Settings that `change` would take, inside a transaction of somebody else's; `replaced` is to be called after it. */
  write(tx: Tx, settings: NtpSettings): void {
    tx.run(
      "INSERT INTO network_settings (name, value) VALUES ('ntp', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      JSON.stringify(settings),
    );
  }

  /** The settings are other ones now: what was known of servers counts no more. */
  replaced(): void {
    this.#leftAloneUntilMs.clear();
    this.#forget();
    void this.check();
  }

  #forget(): void {
    this.#revision++;
    this.#best = undefined;
    this.#checkedAtMs = null;
    this.#checkedAtSteadyMs = -Infinity;
    this.#isAhead = false;
  }

  async #check(): Promise<void> {
    for (let revision = -1; revision !== this.#revision;) {
      revision = this.#revision;
      if (performance.now() - this.#checkedAtSteadyMs < (this.#options.checkPauseMs ?? CHECK_PAUSE_MS)) break;
      const servers = this.settings().isOn ? this.servers() : [];
      if (servers.length === 0) break;
      await this.#ask(servers, revision);
    }
    this.#firstCheckDone = true;
  }

  async #ask(servers: string[], revision: number): Promise<void> {
    const steadyMs = performance.now();
    const asked = servers.filter((server) => (this.#leftAloneUntilMs.get(server) ?? 0) <= steadyMs);
    const outcomes = await Promise.all(asked.map((server) => askServer(server, this.#systemNow, this.#options.answerWaitMs)));
    if (revision !== this.#revision) return;
    for (const outcome of outcomes) this.#heed(outcome);
    const best = chooseSample(outcomes.filter((outcome) => outcome.kind === 'time'));
    this.#best = best && {
      server: best.server,
      offsetMs: Math.round(best.offsetMs),
      delayMs: Math.round(best.delayMs * 10) / 10,
    };
    this.#checkedAtMs = Math.floor(this.#systemNow());
    this.#checkedAtSteadyMs = performance.now();
    this.#isAhead = best !== undefined && best.offsetMs < -OFF_LIMIT_MS;
    // What a clock that runs ahead has shown must not bind us once it is right again.
    if (this.#isAhead) this.#readMs = 0;
    this.#options.log.info({ ...this.#best, asked: asked.length }, 'clock.checked');
  }

  #heed(outcome: NtpOutcome): void {
    if (outcome.kind === 'time') return;
    if (outcome.kind === 'silent') {
      this.#options.log.warn({ server: outcome.server, reason: outcome.reason }, 'clock.server-silent');
      return;
    }
    const pauseMs = outcome.code === 'DENY' || outcome.code === 'RSTR' ? Infinity : KISS_RATE_PAUSE_MS;
    this.#leftAloneUntilMs.set(outcome.server, performance.now() + pauseMs);
    this.#options.log.warn({ server: outcome.server, code: outcome.code }, 'clock.server-sent-us-away');
  }

  /** Takes the system clock's own reading as seen, once time servers have had their say about it. */
  #note(): void {
    this.now();
    if (this.#isAhead || !this.#firstCheckDone) return;
    this.#seenMs = Math.max(this.#seenMs, this.#readMs);
    if (this.#seenMs - this.#notedMs >= NOTE_STEP_MS) this.#write();
  }

  #write(): void {
    const seenMs = Math.floor(this.#seenMs);
    try {
      this.#options.store.transact(SYSTEM, highestTimeNoted({ seenMs }), (tx) =>
        tx.run(
          'INSERT INTO highest_time (one, seen_ms) VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET seen_ms = max(seen_ms, excluded.seen_ms)',
          seenMs,
        ),
      );
      this.#notedMs = seenMs;
    } catch (error) {
      // A full disk: it is tried again with the next.
      this.#options.log.warn({ err: error }, 'clock.not-noted');
    }
  }
}
