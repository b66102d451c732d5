import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EventLoopDelay } from '@bascule/core/event-loop-delay.ts';
import { route, type AnyRoute } from '@bascule/http/route.ts';
import type { Log } from '@bascule/log/log.ts';
import * as api from '@bascule/protocol/api/health.ts';
import type { ProcessState } from '@bascule/protocol/appliance-control.ts';
import type { ClockState } from '@bascule/protocol/api/updates.ts';
import type { Store } from '@bascule/store/store.ts';
import { HealthAlarms, LASTING_MINUTES } from './health-alarms.ts';
import { HealthRing, HOUR_MS, joined, MINUTE_MS, type Figures } from './health-ring.ts';
import { diskOf, HealthSampler, memoryOf } from './health-sample.ts';

export { healthMigrations } from './health-migrations.ts';

export const SAMPLE_INTERVAL_MS = 10_000;
/** What main says of itself counts so long. */
const SITE_FIGURES_LIFE_MS = 30_000;
/** Each range by its length and its steps: never more points than a chart can show. */
const RANGES: Record<api.HealthRange, { lengthMs: number; stepMs: number }> = {
  hour: { lengthMs: HOUR_MS, stepMs: MINUTE_MS },
  day: { lengthMs: 24 * HOUR_MS, stepMs: 5 * MINUTE_MS },
  month: { lengthMs: 30 * 24 * HOUR_MS, stepMs: 2 * HOUR_MS },
  year: { lengthMs: 365 * 24 * HOUR_MS, stepMs: 24 * HOUR_MS },
};

export interface HealthOptions {
  store: Store;
  home: string;
  /** Where the ring is. */
  boxDirectory: string;
  processes(): ProcessState[];
  clock: { state(): Pick<ClockState, 'state' | 'offsetMs'> };
  /** Messages that syslog dropped in the last hour. */
  syslogDropped(): number;
  /** Once for each alarm: by mail and syslog. */
  tell(alarm: api.HealthAlarm, advice: string): void;
  log: Log;
  now?: () => number;
}

/** How the machine and the programs are, and have been: Status > Health. */
export class Health {
  readonly #options: HealthOptions;
  readonly #now: () => number;
  readonly #ring: HealthRing;
  readonly #sampler: HealthSampler;
  readonly #alarms: HealthAlarms;
  readonly #delay = new EventLoopDelay();
  #samples: Figures[] = [];
  #minute: number;
  #site: { atMs: number; figures: Figures } | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Throws what the file system says of the ring. */
  constructor(options: HealthOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#ring = new HealthRing(join(options.boxDirectory, 'health.ring'));
    this.#sampler = new HealthSampler(options.home, () => options.processes());
    this.#alarms = new HealthAlarms(options.store, (alarm, advice) => options.tell(alarm, advice), this.#now);
    this.#minute = Math.floor(this.#now() / MINUTE_MS);
  }

  start(): void {
    this.sample();
    this.#timer = setInterval(() => this.sample(), SAMPLE_INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#delay.close();
    this.#ring.close();
  }

  /** What main says of itself, every ten seconds. */
  noteSite(detail: Readonly<Record<string, string | number | boolean>>): void {
    const number = (name: string): number | undefined => {
      const value = detail[name];
      return typeof value === 'number' ? value : undefined;
    };
    const named = {
      clientsOnline: number('clientsOnline'),
      accessSessions: number('accessSessions'),
      siteDelayMs: number('eventLoopDelayMs'),
    };
    const figures = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Figures;
    this.#site = { atMs: performance.now(), figures };
  }

  /** Takes a sample; the first one of a minute notes the minute before. */
  sample(): void {
    const nowMs = this.#now();
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) this.#noteMinute(this.#minute * MINUTE_MS);
    this.#minute = minute;
    const isFresh = this.#site !== undefined && performance.now() - this.#site.atMs < SITE_FIGURES_LIFE_MS;
    this.#samples.push({ ...this.#sampler.take(), ...(isFresh && this.#site?.figures) });
  }

  /** The answer to GET status/health. */
  state(range: api.HealthRange): api.Health {
    const { stepMs, lengthMs } = RANGES[range];
    const nowMs = this.#now();
    const toMs = (Math.floor(nowMs / stepMs) + 1) * stepMs;
    const fromMs = toMs - lengthMs;
    const unitMs = stepMs < HOUR_MS ? MINUTE_MS : HOUR_MS;
    const units = unitMs === MINUTE_MS ? this.#ring.minutes(fromMs, toMs) : this.#ring.hours(fromMs, toMs);
    const perStep = stepMs / unitMs;
    const steps = Array.from({ length: lengthMs / stepMs }, (_, index) =>
      joined(units.slice(index * perStep, (index + 1) * perStep)),
    );
    return {
      nowMs,
      range,
      fromMs,
      stepSeconds: stepMs / 1000,
      series: api.HEALTH_SERIES.map((name) => ({ name, points: steps.map((figures) => rounded(figures[name])) })),
      memoryTotalBytes: memoryOf()?.totalBytes ?? 0,
      diskTotalBytes: diskOf(this.#options.home).totalBytes,
      processors: availableParallelism(),
      alarms: this.#alarms.list(),
      thresholds: this.#alarms.thresholds(),
    };
  }

  routes(): AnyRoute[] {
    return [
      route({
        method: 'GET',
        url: '/status/health',
        action: 'box.status.read',
        query: api.healthQuery,
        answer: api.health,
        handle: ({ query }) => this.state(query.range),
      }),
      route({
        method: 'PUT',
        url: '/status/health/thresholds',
        action: 'box.status.change',
        body: api.healthThresholds,
        answer: api.healthThresholds,
        handle: ({ body, context }) => {
          this.#alarms.change(context, body);
          return this.#alarms.thresholds();
        },
      }),
    ];
  }

  #noteMinute(atMs: number): void {
    const figures = { ...joined(this.#samples), baseDelayMs: this.#delay.takeMs() };
    this.#samples = [];
    try {
      this.#ring.note(atMs, figures);
      this.#alarms.judge({
        minutes: this.#ring.minutes(atMs - (LASTING_MINUTES - 1) * MINUTE_MS, atMs + MINUTE_MS),
        diskTotalBytes: diskOf(this.#options.home).totalBytes,
        memoryTotalBytes: memoryOf()?.totalBytes ?? 0,
        clockFault: clockFault(this.#options.clock.state()),
        syslogDropped: this.#options.syslogDropped(),
      });
    } catch (error) {
      // A full disk: the next minute tries again.
      this.#options.log.warn({ err: error }, 'health.not-noted');
    }
  }
}

function clockFault({ state, offsetMs }: Pick<ClockState, 'state' | 'offsetMs'>): string | undefined {
  if (state === 'behind') return 'The clock is behind the latest time that this appliance has seen.';
  if (state === 'off') return `The clock is off by ${Math.round((offsetMs ?? 0) / 1000)} s against the time servers.`;
  return undefined;
}

const rounded = (value: number | undefined): number | null => (value === undefined ? null : Math.round(value * 100) / 100);
