import { useTranslation } from 'react-i18next';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { formatBytes, formatCount, formatDuration, formatInstant } from '../../shared/format.ts';
import { useTickingNow } from '../../appliance/updates/use-ticking-now.ts';
import { percentCurrent, segmentsOf, SEGMENT_TONES, SEGMENTS, type RolloutCounts } from './fleet-model.ts';
import classes from './fleet.module.css';

/** How many are in which state, as a bar and in numbers, and how fast it goes. */
export function RolloutProgress({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const { counts, version } = rollout;
  return (
    <div className="b-panel">
      <p className={classes['share']}>
        <strong>{t('fleet:progress.percent', { percent: percentCurrent(counts) })}</strong>{' '}
        {t('fleet:progress.share', { current: formatCount(counts.current), total: formatCount(counts.total), version })}
      </p>
      <StateBar counts={counts} />
      <StateLegend counts={counts} />
      <Pace rollout={rollout} />
    </div>
  );
}

/** The counts as widths. The legend below says the same in numbers, so the bar itself is only an image. */
function StateBar({ counts }: { counts: RolloutCounts }) {
  const { t } = useTranslation();
  const segments = segmentsOf(counts);
  return (
    <div className={classes['bar']} role="img" aria-label={t('fleet:progress.bar', { percent: percentCurrent(counts) })}>
      {SEGMENTS.filter((segment) => segments[segment] > 0).map((segment) => (
        <span key={segment} data-segment={segment} style={{ flexGrow: segments[segment] }} />
      ))}
    </div>
  );
}

function StateLegend({ counts }: { counts: RolloutCounts }) {
  const { t } = useTranslation();
  const segments = segmentsOf(counts);
  return (
    <ul className={classes['legend']} aria-label={t('fleet:progress.legend')}>
      {SEGMENTS.map((segment) => (
        <li key={segment} data-none={segments[segment] === 0} data-tone={SEGMENT_TONES[segment]}>
          <span className={classes['swatch']} data-segment={segment} aria-hidden="true" />
          <span className={classes['count']}>{formatCount(segments[segment])}</span>
          <span className={classes['segmentName']}>{t(`fleet:segment.${segment}`)}</span>
        </li>
      ))}
    </ul>
  );
}

function Pace({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const nowMs = useTickingNow(rollout.nowMs);
  const { startedAtMs, endedAtMs, secondsLeft } = rollout;
  const facts: [string, string][] = [
    [
      t('fleet:pace.left'),
      endedAtMs !== null
        ? '–'
        : secondsLeft === null
          ? t('fleet:pace.leftUnknown')
          : t('fleet:pace.about', { time: formatDuration(secondsLeft * 1000) }),
    ],
    [t('fleet:pace.upgrades'), t('fleet:pace.perMinute', { number: formatCount(rollout.upgradesPerMinute) })],
    [t('fleet:pace.bandwidth'), t('fleet:pace.perSecond', { bytes: formatBytes(rollout.bytesPerSecond) })],
    [t('fleet:pace.each'), formatBytes(rollout.bytesPerClient)],
    [t('fleet:pace.sent'), formatBytes(rollout.bytesSent)],
    [t('fleet:pace.started'), startedAtMs === null ? '–' : formatInstant(startedAtMs)],
    [t('fleet:pace.took'), startedAtMs === null ? '–' : formatDuration((endedAtMs ?? nowMs) - startedAtMs)],
  ];
  return (
    <dl className={classes['pace']}>
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
