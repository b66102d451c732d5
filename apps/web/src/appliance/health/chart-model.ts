/** Geometry of charts: pure. */

export interface ChartSeries {
  label: string;
  /** Null: not measured. */
  points: readonly (number | null)[];
}

/** Of all points; 0 when nothing was measured. */
export function highest(series: readonly ChartSeries[]): number {
  return series.reduce((most, { points }) => points.reduce<number>((sum, point) => Math.max(sum, point ?? 0), most), 0);
}

/** Where a scale ends: the next number that is 1, 2 or 5 with zeros; of bytes, such a number of KiB, MiB ... */
export function niceMaximum(value: number, isBytes = false): number {
  if (value <= 0) return 1;
  const unit = isBytes ? 1024 ** Math.floor(Math.log2(Math.max(1, value)) / 10) : 1;
  const step = unit * 10 ** Math.floor(Math.log10(value / unit));
  return ([1, 2, 5, 10].find((factor) => factor * step >= value) ?? 10) * step;
}

/** An SVG path of lines through the points; a gap where nothing was measured, and a dot for a point by itself. */
export function linesOf(points: readonly (number | null)[], maximum: number, width: number, height: number): string {
  return runsOf(points)
    .map((run) => {
      const path = run.map(({ index, value }) => place(index, value, points.length, maximum, width, height));
      // A line of no length with round ends is a dot.
      return `M${path.length === 1 ? `${path[0]}L${path[0]}` : path.join('L')}`;
    })
    .join('');
}

/** As `linesOf`, filled down to the ground. */
export function areaOf(points: readonly (number | null)[], maximum: number, width: number, height: number): string {
  return runsOf(points)
    .filter((run) => run.length > 1)
    .map((run) => {
      const path = run.map(({ index, value }) => place(index, value, points.length, maximum, width, height));
      const ground = (index: number) => `${round((index / Math.max(1, points.length - 1)) * width)},${height}`;
      return `M${ground(run[0]?.index ?? 0)}L${path.join('L')}L${ground(run.at(-1)?.index ?? 0)}Z`;
    })
    .join('');
}

interface Point {
  index: number;
  value: number;
}

function runsOf(points: readonly (number | null)[]): Point[][] {
  const runs: Point[][] = [];
  let isInRun = false;
  for (const [index, value] of points.entries()) {
    if (value !== null) {
      if (isInRun) runs.at(-1)?.push({ index, value });
      else runs.push([{ index, value }]);
    }
    isInRun = value !== null;
  }
  return runs;
}

function place(index: number, value: number, count: number, maximum: number, width: number, height: number): string {
  const x = (index / Math.max(1, count - 1)) * width;
  const y = height - (Math.min(value, maximum) / maximum) * height;
  return `${round(x)},${round(y)}`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
