import type { Rollout } from '@bascule/protocol/api/fleet.ts';

type Point = Rollout['chart'][number];

export const CHART_POINTS_MAX = 240;
const CHART_FIRST_INTERVAL_MS = 2000;
const RATE_WINDOW_S = 10;
const MINUTE_S = 60;

/** Measured figures of a rollout: rates over the last seconds, and a chart that gets coarser as it gets longer. */
export class RolloutFigures {
  bytesSent: number;
  #chart: Point[];
  #intervalMs: number;
  /** By second, newest last. */
  readonly #bytes: number[] = Array.from({ length: RATE_WINDOW_S }, () => 0);
  readonly #upgrades: number[] = Array.from({ length: MINUTE_S }, () => 0);
  #bytesNow = 0;
  #upgradesNow = 0;
  #atMs: number;

  constructor(saved: { bytesSent: number; chart: string }, nowMs: number) {
    this.bytesSent = saved.bytesSent;
    this.#chart = JSON.parse(saved.chart) as Point[];
    const [first, second] = this.#chart.slice(-2);
    this.#intervalMs = Math.max(CHART_FIRST_INTERVAL_MS, first && second ? second.atMs - first.atMs : 0);
    this.#atMs = nowMs;
  }

  get chart(): readonly Point[] {
    return this.#chart;
  }

  /** Over the last ten seconds. */
  get bytesPerSecond(): number {
    return this.#bytes.reduce((sum, bytes) => sum + bytes, 0) / RATE_WINDOW_S;
  }

  get upgradesPerMinute(): number {
    return this.#upgrades.reduce((sum, count) => sum + count, 0);
  }

  sent(bytes: number): void {
    this.#bytesNow += bytes;
    this.bytesSent += bytes;
  }

  upgraded(): void {
    this.#upgradesNow += 1;
  }

  /** Called often; once a second is enough. `isUnderWay`: points are taken. */
  tick(nowMs: number, counts: { current: number; failed: number }, isUnderWay: boolean): void {
    const seconds = Math.min(MINUTE_S, Math.floor((nowMs - this.#atMs) / 1000));
    if (seconds < 1) return;
    this.#atMs += Math.floor((nowMs - this.#atMs) / 1000) * 1000;
    for (let second = 0; second < seconds; second += 1) {
      this.#bytes.shift();
      this.#upgrades.shift();
      this.#bytes.push(second === 0 ? this.#bytesNow : 0);
      this.#upgrades.push(second === 0 ? this.#upgradesNow : 0);
    }
    this.#bytesNow = 0;
    this.#upgradesNow = 0;
    if (isUnderWay && nowMs - (this.#chart.at(-1)?.atMs ?? 0) >= this.#intervalMs) this.point(nowMs, counts);
  }

  /** A point of the chart, whatever the interval. */
  point(nowMs: number, { current, failed }: { current: number; failed: number }): void {
    this.#chart.push({ atMs: nowMs, current, failed, bytesPerSecond: this.bytesPerSecond });
    if (this.#chart.length <= CHART_POINTS_MAX) return;
    this.#chart = this.#chart.filter((_, index) => index % 2 === 0);
    this.#intervalMs *= 2;
  }
}
