import type { z } from 'zod';
import type { FleetSettings, Rollout, rolloutCounts, uninstalled, UpgradeState } from '@bascule/protocol/api/fleet.ts';
import { csvLine } from '../../shared/csv.ts';
import type { NumberLimits } from '../../shared/number-limits.ts';

export type RolloutCounts = z.infer<typeof rolloutCounts>;
export type Tone = 'ok' | 'warn' | 'bad' | 'off';
export type Uninstalled = z.infer<typeof uninstalled>['clients'][number];

/** The parts of the bar, in its order; each client is in one of them. `pending` are those that are here and wait. */
export const SEGMENTS = [
  'current',
  'restarting',
  'downloading',
  'waitingForSession',
  'pending',
  'absent',
  'failed',
  'rolledBack',
  'unsupported',
] as const;
export type Segment = (typeof SEGMENTS)[number];

export const SEGMENT_TONES: Record<Segment, Tone> = {
  current: 'ok',
  restarting: 'ok',
  downloading: 'ok',
  waitingForSession: 'warn',
  pending: 'off',
  absent: 'off',
  failed: 'bad',
  rolledBack: 'bad',
  unsupported: 'warn',
};

export const STATE_TONES: Record<UpgradeState, Tone> = {
  current: 'ok',
  pending: 'off',
  'waiting-for-session': 'warn',
  downloading: 'ok',
  restarting: 'ok',
  failed: 'bad',
  'rolled-back': 'bad',
  unsupported: 'warn',
  ahead: 'off',
};

/** How many clients are in each part of the bar: those that are pending and away are counted once, as away. */
export function segmentsOf(counts: RolloutCounts): Record<Segment, number> {
  const { total: _, ...parts } = counts;
  return { ...parts, pending: Math.max(0, counts.pending - counts.absent) };
}

/** Share that is done, in whole per cent: 100 only when all are. */
export function percentCurrent({ current, total }: RolloutCounts): number {
  return total === 0 ? 100 : Math.floor((current * 100) / total);
}

export type HeadlineKind =
  Exclude<Rollout['state'], 'done'> | 'nobody' | 'done' | 'doneFailures' | 'doneAbsent' | 'doneUnsupported';

/** The state in one word for its sentence, and how it is marked: done is not all well while some did not come along. */
export function headlineOf({ state, counts }: Rollout): { kind: HeadlineKind; tone: Tone; count: number } {
  if (state === 'halted') return { kind: state, tone: 'bad', count: 0 };
  if (state === 'paused') return { kind: state, tone: 'warn', count: counts.total - counts.current };
  // Those that cannot upgrade themselves are not to go: they are named beside it.
  if (state === 'running') return { kind: state, tone: 'ok', count: counts.total - counts.current - counts.unsupported };
  if (state !== 'done') return { kind: state, tone: 'off', count: counts.total - counts.current };
  const failed = counts.failed + counts.rolledBack;
  if (failed > 0) return { kind: 'doneFailures', tone: 'bad', count: failed };
  if (counts.pending > 0) return { kind: 'doneAbsent', tone: 'warn', count: counts.pending };
  if (counts.unsupported > 0) return { kind: 'doneUnsupported', tone: 'warn', count: counts.unsupported };
  return counts.total === 0 ? { kind: 'nobody', tone: 'off', count: 0 } : { kind: 'done', tone: 'ok', count: counts.total };
}

/** How many cannot upgrade themselves, where the headline itself does not say so. */
export function unsupportedBeside(rollout: Rollout): number {
  return headlineOf(rollout).kind === 'doneUnsupported' ? 0 : rollout.counts.unsupported;
}

export const CHART = { width: 600, height: 120 } as const;

/** A line of values over time as points of an SVG polyline, scaled to the box CHART; '' without two points in time. */
export function chartLine(points: readonly { atMs: number; value: number }[], max: number): string {
  const first = points[0]?.atMs ?? 0;
  const span = (points.at(-1)?.atMs ?? 0) - first;
  if (span <= 0) return '';
  return points
    .map(({ atMs, value }) => {
      const x = ((atMs - first) / span) * CHART.width;
      const y = CHART.height - (Math.min(value, max) / Math.max(max, 1)) * CHART.height;
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(' ');
}

/** A round upper end for an axis of bytes: 1, 2 or 5 times a power of ten of the unit that `formatBytes` shows, not below `bytes`. */
export function bytesAxisEnd(bytes: number): number {
  const unit = KIBIBYTE ** Math.floor(Math.log2(Math.max(bytes, 1)) / 10);
  const value = bytes / unit;
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power * unit;
}

/** The list for redeployment as CSV, with a head; what is bare of a group has an empty field. */
export function redeployCsv(clients: readonly Uninstalled[]): string {
  return [
    csvLine(['id', 'name', 'host', 'group', 'state']),
    ...clients.map((client) => csvLine([client.id, client.name, client.hostName, client.groupName ?? '', client.state])),
  ].join('');
}

export type NumberField =
  | 'maxConcurrent'
  | 'maxStartsPerSecond'
  | 'haltPercent'
  | 'haltMinimum'
  | 'ringPatienceHours'
  | 'healthSeconds'
  | 'checkInHours'
  | 'offlineAfterSeconds';
/** The limits of the schema `fleetSettings`. */
export const LIMITS: Record<NumberField, NumberLimits> = {
  maxConcurrent: { min: 1, max: 10_000 },
  maxStartsPerSecond: { min: 1, max: 1000 },
  haltPercent: { min: 1, max: 100 },
  haltMinimum: { min: 1, max: 100 },
  ringPatienceHours: { min: 1, max: 720 },
  healthSeconds: { min: 10, max: 3600 },
  checkInHours: { min: 1, max: 168 },
  offlineAfterSeconds: { min: 30, max: 600 },
};
export const KIBIBYTE = 1024;
/** Of the bandwidth, in KiB a second: what lies within the schema's bytes. */
export const BANDWIDTH_LIMITS: NumberLimits = { min: 10, max: Math.floor(10_000_000_000 / KIBIBYTE) };
export const WAIT_MINUTES_LIMITS: NumberLimits = { min: 0, max: 30 * 24 * 60 };
export const PERCENT_LIMITS: NumberLimits = { min: 0, max: 100 };

type Ring = FleetSettings['rings'][number];

/** The rings with the one at `index` moved by one place (`by` -1 or 1); unchanged at the ends. */
export function moveRing(rings: readonly Ring[], index: number, by: -1 | 1): Ring[] {
  const moved = [...rings];
  const [ring] = moved.splice(index, 1);
  const place = index + by;
  if (ring === undefined || place < 0 || place >= rings.length) return [...rings];
  moved.splice(place, 0, ring);
  return moved;
}
