import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { bytesAxisEnd, CHART, chartLine } from './fleet-model.ts';
import classes from './fleet.module.css';

type Point = Rollout['chart'][number];

/** The course of the rollout: clients and bandwidth over time, and the same figures as a table for whoever cannot see lines. */
export function RolloutCharts({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const { chart, counts } = rollout;
  const last = chart.at(-1);
  const bandwidth = bytesAxisEnd(Math.max(0, ...chart.map((point) => point.bytesPerSecond)));
  return (
    <div className={classes['charts']}>
      <Chart
        title={t('fleet:chart.clients')}
        summary={t('fleet:chart.clientsSummary', {
          current: formatCount(last?.current ?? counts.current),
          failed: formatCount(last?.failed ?? counts.failed),
          total: formatCount(counts.total),
        })}
        chart={chart}
        end={Math.max(counts.total, 1)}
        endText={formatCount(counts.total)}
        lines={[
          { kind: 'current', name: t('fleet:segment.current'), value: (point) => point.current },
          { kind: 'failed', name: t('fleet:segment.failed'), value: (point) => point.failed },
        ]}
      />
      <Chart
        title={t('fleet:chart.bandwidth')}
        summary={t('fleet:chart.bandwidthSummary', {
          now: formatBytes(last?.bytesPerSecond ?? 0),
          most: formatBytes(Math.max(0, ...chart.map((point) => point.bytesPerSecond))),
        })}
        chart={chart}
        end={bandwidth}
        endText={t('fleet:pace.perSecond', { bytes: formatBytes(bandwidth) })}
        lines={[{ kind: 'bandwidth', name: t('fleet:pace.bandwidth'), value: (point) => point.bytesPerSecond }]}
      />
      <details className={classes['figures']}>
        <summary>{t('fleet:chart.table')}</summary>
        <Figures chart={chart} />
      </details>
    </div>
  );
}

interface ChartProps {
  title: string;
  /** The chart in a sentence. */
  summary: string;
  chart: Point[];
  /** Upper end of the axis. */
  end: number;
  endText: string;
  lines: { kind: string; name: string; value: (point: Point) => number }[];
}

function Chart({ title, summary, chart, end, endText, lines }: ChartProps) {
  const { t } = useTranslation();
  const first = chart[0];
  const last = chart.at(-1);
  const drawn = lines.map(({ kind, value }) => ({
    kind,
    points: chartLine(
      chart.map((point) => ({ atMs: point.atMs, value: value(point) })),
      end,
    ),
  }));
  const isEmpty = drawn.every(({ points }) => points === '');
  return (
    <figure className={classes['chart']}>
      <figcaption>
        {title}
        {lines.length > 1 &&
          lines.map(({ kind, name }) => (
            <span key={kind} className={classes['lineKey']} data-line={kind}>
              {name}
            </span>
          ))}
        <span className={classes['axisEnd']}>{t('fleet:chart.upTo', { end: endText })}</span>
      </figcaption>
      <div className={classes['plot']}>
        {isEmpty && <span className={classes['noPlot']}>{t('fleet:chart.empty')}</span>}
        <svg
          viewBox={`0 0 ${CHART.width} ${CHART.height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`${title}: ${summary}`}
        >
          {drawn.map(({ kind, points }) => (
            <g key={kind} data-line={kind}>
              {kind !== 'failed' && points !== '' && (
                <polygon points={`0,${CHART.height} ${points} ${CHART.width},${CHART.height}`} />
              )}
              <polyline points={points} vectorEffect="non-scaling-stroke" />
            </g>
          ))}
        </svg>
      </div>
      <div className={classes['axis']}>
        <span>{first === undefined ? '' : formatInstant(first.atMs)}</span>
        <span>{last === undefined || last === first ? '' : formatInstant(last.atMs)}</span>
      </div>
    </figure>
  );
}

function Figures({ chart }: { chart: Point[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Point>[]>(
    () => [
      { key: 'at', header: t('fleet:chart.at'), cell: (point) => <span className="b-mono">{formatInstant(point.atMs)}</span> },
      { key: 'current', header: t('fleet:segment.current'), cell: (point) => formatCount(point.current), align: 'right' },
      { key: 'failed', header: t('fleet:segment.failed'), cell: (point) => formatCount(point.failed), align: 'right' },
      {
        key: 'bandwidth',
        header: t('fleet:pace.bandwidth'),
        cell: (point) => t('fleet:pace.perSecond', { bytes: formatBytes(point.bytesPerSecond) }),
        align: 'right',
      },
    ],
    [t],
  );
  return (
    <div className={classes['figuresBox']}>
      <DataTable
        label={t('fleet:chart.table')}
        rows={chart}
        rowKey={(point) => String(point.atMs)}
        columns={columns}
        empty={t('fleet:chart.empty')}
      />
    </div>
  );
}
