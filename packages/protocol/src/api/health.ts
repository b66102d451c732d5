/** Box interface, below `/appliance/api/status/health`: how the machine and the programs have been, and what raises an alarm. */
import { z } from 'zod';
import { instantMs } from '../text.ts';

/** How far a chart goes back: the last hour and day by the minute, the last month and year by the hour. */
export const HEALTH_RANGES = ['hour', 'day', 'month', 'year'] as const;
export const healthRange = z.enum(HEALTH_RANGES);
export type HealthRange = z.infer<typeof healthRange>;

/** What is measured; the order is that of the file (never change it, only add at the end). */
export const HEALTH_SERIES = [
  'cpuPercent',
  'load',
  'memoryUsedBytes',
  'rssBootBytes',
  'rssHelperBytes',
  'rssBaseBytes',
  'rssSiteBytes',
  'rssRelayBytes',
  'diskUsedBytes',
  'diskReadBytesPerSecond',
  'diskWriteBytesPerSecond',
  'baseDelayMs',
  'siteDelayMs',
  'clientsOnline',
  'accessSessions',
  'receivedBytesPerSecond',
  'sentBytesPerSecond',
] as const;
export type HealthSeriesName = (typeof HEALTH_SERIES)[number];

/** GET status/health */
export const healthQuery = z.object({ range: healthRange.default('hour') });
export const healthSeries = z.object({
  name: z.enum(HEALTH_SERIES),
  /** One for each step from `fromMs` on; null where nothing was measured. */
  points: z.array(z.number().nullable()).max(10_000),
});

/** What raises an alarm. Null: never. */
export const healthThresholds = z.strictObject({
  /** Free disk space below this share. */
  diskFreePercent: z.number().int().min(1).max(50).nullable(),
  /** Memory that is left for programs, below this share for five minutes. */
  memoryFreePercent: z.number().int().min(1).max(50).nullable(),
  /** The clock is further off than signatures bear, or behind the latest time that was seen. */
  clock: z.boolean(),
  /** The event loop of base or site is late by so much (99th percentile of a minute) for five minutes. */
  delayMs: z.number().int().min(50).max(60_000).nullable(),
});
export type HealthThresholds = z.infer<typeof healthThresholds>;

export const HEALTH_ALARMS = ['disk-low', 'memory-low', 'clock', 'base-late', 'site-late', 'syslog-dropped'] as const;
export type HealthAlarmCode = (typeof HEALTH_ALARMS)[number];
export const healthAlarm = z.object({
  code: z.enum(HEALTH_ALARMS),
  raisedAtMs: instantMs,
  /** One sentence, in English, with the figures. */
  text: z.string(),
});
export type HealthAlarm = z.infer<typeof healthAlarm>;

export const health = z.object({
  nowMs: instantMs,
  range: healthRange,
  fromMs: instantMs,
  stepSeconds: z.number().int().positive(),
  series: z.array(healthSeries),
  /** What there is in all, for scales. */
  memoryTotalBytes: z.number(),
  diskTotalBytes: z.number(),
  processors: z.number().int(),
  alarms: z.array(healthAlarm),
  /** PUT status/health/thresholds changes them. */
  thresholds: healthThresholds,
});
export type Health = z.infer<typeof health>;
