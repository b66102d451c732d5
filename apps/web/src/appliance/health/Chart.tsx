import { useId, useState, type KeyboardEvent, type PointerEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { formatMinute } from '../../shared/format.ts';
import { areaOf, highest, linesOf, niceMaximum, type ChartSeries } from './chart-model.ts';
import classes from './health.module.css';

const WIDTH = 600;
const HEIGHT = 120;

interface ChartProps {
  title: string;
  series: readonly ChartSeries[];
  fromMs: number;
  stepSeconds: number;
  /** What the scale reaches to in any case: all there is. */
  most?: number | undefined;
  isBytes?: boolean;
  format: (value: number) => string;
}

/**
 * Lines over time. With the arrow keys (or the pointer) a reader goes from point to point, which is said aloud; the same figures are a table below. Lines differ by their dashes, too, not
 * only by colour.
 */
export function Chart({ title, series, fromMs, stepSeconds, most, isBytes = false, format }: ChartProps) {
  const { t } = useTranslation();
  const titleId = useId();
  const [at, setAt] = useState<number>();
  const count = series[0]?.points.length ?? 0;
  const maximum = Math.max(most ?? 0, niceMaximum(highest(series), isBytes));
  const timeOf = (index: number) => formatMinute(fromMs + index * stepSeconds * 1000);
  const shown = at === undefined || at >= count ? undefined : at;
  const keys: Record<string, (index: number) => number> = {
    ArrowLeft: (index) => index - 1,
    ArrowRight: (index) => index + 1,
    Home: () => 0,
    End: () => count - 1,
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const move = keys[event.key];
    if (move === undefined) return;
    event.preventDefault();
    setAt(Math.min(count - 1, Math.max(0, move(shown ?? count))));
  };
  const onPointerMove = (event: PointerEvent<SVGSVGElement>) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    setAt(Math.min(count - 1, Math.max(0, Math.round(((event.clientX - left) / width) * (count - 1)))));
  };
  const valueAt = (points: ChartSeries['points'], index: number) => {
    const value = points[index] ?? null;
    return value === null ? '–' : format(value);
  };
  const newest = series.map(({ points }) => points.findLast((point) => point !== null) ?? null);
  return (
    <figure className={classes['chart']} aria-labelledby={titleId}>
      <figcaption id={titleId} className={classes['caption']}>
        <strong>{title}</strong>
        <span className={classes['maximum']}>{t('health:upTo', { value: format(maximum) })}</span>
      </figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        className={classes['lines']}
        role="img"
        aria-label={t('health:chartLabel', { title })}
        tabIndex={0}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
        onPointerLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
      >
        {[0.25, 0.5, 0.75].map((part) => (
          <line key={part} x1={0} x2={WIDTH} y1={HEIGHT * part} y2={HEIGHT * part} className={classes['grid']} />
        ))}
        {series.length === 1 &&
          series.map(({ points, label }) => (
            <path key={label} d={areaOf(points, maximum, WIDTH, HEIGHT)} className={classes['area']} />
          ))}
        {series.map(({ points, label }, index) => (
          <path key={label} d={linesOf(points, maximum, WIDTH, HEIGHT)} className={classes['line']} data-series={index} />
        ))}
        {shown !== undefined && (
          <line
            x1={(shown / (count - 1)) * WIDTH}
            x2={(shown / (count - 1)) * WIDTH}
            y1={0}
            y2={HEIGHT}
            className={classes['cursor']}
          />
        )}
      </svg>
      <ul className={classes['legend']}>
        {series.map(({ label, points }, index) => (
          <li key={label}>
            <svg viewBox="0 0 24 8" className={classes['key']} aria-hidden="true">
              <path d="M0 4H24" className={classes['line']} data-series={index} />
            </svg>
            {label}:{' '}
            <span className="b-mono">{shown === undefined ? sayNewest(newest[index], format) : valueAt(points, shown)}</span>
          </li>
        ))}
        <li className={classes['when']} aria-live="polite">
          {shown === undefined ? '' : timeOf(shown)}
        </li>
      </ul>
      <details className={classes['figures']}>
        <summary>{t('health:asTable')}</summary>
        <div className={classes['scroll']}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t('health:time')}</th>
                {series.map(({ label }) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {Array.from({ length: count }, (_, index) => count - 1 - index)
                .filter((index) => series.some(({ points }) => points[index] !== null))
                .map((index) => (
                  <tr key={index}>
                    <th scope="row">{timeOf(index)}</th>
                    {series.map(({ label, points }) => (
                      <td key={label}>{valueAt(points, index)}</td>
                    ))}
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

function sayNewest(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}
