import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, SegmentedControl, Skeleton } from '@mantine/core';
import { health as healthSchema, HEALTH_RANGES, type Health, type HealthSeriesName } from '@bascule/protocol/api/health.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { Chart } from './Chart.tsx';
import { ThresholdsForm } from './ThresholdsForm.tsx';
import classes from './health.module.css';

const REFRESH_MS = 15_000;

/** Status > Health: how the machine and the programs are, and have been. */
export function HealthPage() {
  const { t } = useTranslation();
  const api = useApi();
  const [range, setRange] = useState<Health['range']>('hour');
  const health = useQuery({
    queryKey: ['health', range],
    queryFn: ({ signal }) => api.get(apiPaths.health, healthSchema, { range }, signal),
    refetchInterval: REFRESH_MS,
    placeholderData: (before) => before,
  });
  if (health.isError && health.data === undefined) return <QueryFailure query={health} />;
  const ranges = HEALTH_RANGES.map((value) => ({ value, label: t(`health:range.${value}`) }));
  return (
    <>
      <Section title={t('health:alarms.title')}>
        {health.data === undefined ? (
          <Skeleton height={24} aria-label={t('shared:loading')} />
        ) : (
          <Alarms alarms={health.data.alarms} />
        )}
      </Section>
      <Section
        title={t('health:title')}
        note={t('health:note')}
        actions={
          <SegmentedControl
            size="xs"
            aria-label={t('health:range.label')}
            data={ranges}
            value={range}
            onChange={(value) => setRange(HEALTH_RANGES.find((known) => known === value) ?? 'hour')}
          />
        }
      >
        {health.data === undefined ? <Skeleton height={640} aria-label={t('shared:loading')} /> : <Charts health={health.data} />}
      </Section>
      {health.data !== undefined && (
        <Section title={t('health:thresholds.title')} note={t('health:thresholds.note')}>
          <ThresholdsForm saved={health.data.thresholds} />
        </Section>
      )}
    </>
  );
}

function Alarms({ alarms }: { alarms: Health['alarms'] }) {
  const { t } = useTranslation();
  if (alarms.length === 0) return <StateMark tone="ok">{t('health:alarms.none')}</StateMark>;
  return (
    <Alert color="red" role="status">
      <ul className={classes['alarms']}>
        {alarms.map(({ code, raisedAtMs, text }) => (
          <li key={code}>
            <strong>{t(`health:alarm.${code}`)}</strong> – {t('health:alarms.since', { time: formatInstant(raisedAtMs) })}
            <br />
            <span lang="en">{text}</span>
          </li>
        ))}
      </ul>
    </Alert>
  );
}

function Charts({ health }: { health: Health }) {
  const { t, i18n } = useTranslation();
  const points = (name: HealthSeriesName) => health.series.find((series) => series.name === name)?.points ?? [];
  const of = (...names: HealthSeriesName[]) => names.map((name) => ({ label: t(`health:series.${name}`), points: points(name) }));
  const number = (digits: number) => (value: number) => value.toLocaleString(i18n.language, { maximumFractionDigits: digits });
  const percent = (value: number) => `${number(0)(value)} %`;
  const perSecond = (value: number) => `${formatBytes(value)}/s`;
  const milliseconds = (value: number) => `${number(1)(value)} ms`;
  const over = { fromMs: health.fromMs, stepSeconds: health.stepSeconds };
  return (
    <div className={classes['charts']}>
      <Chart {...over} title={t('health:chart.cpu')} series={of('cpuPercent')} most={100} format={percent} />
      <Chart {...over} title={t('health:chart.load', { count: health.processors })} series={of('load')} format={number(2)} />
      <Chart
        {...over}
        title={t('health:chart.memory')}
        series={of('memoryUsedBytes')}
        most={health.memoryTotalBytes}
        format={formatBytes}
      />
      <Chart
        {...over}
        title={t('health:chart.programs')}
        isBytes
        series={of('rssSiteBytes', 'rssBaseBytes', 'rssRelayBytes', 'rssHelperBytes', 'rssBootBytes')}
        format={formatBytes}
      />
      <Chart
        {...over}
        title={t('health:chart.disk')}
        series={of('diskUsedBytes')}
        most={health.diskTotalBytes}
        format={formatBytes}
      />
      <Chart
        {...over}
        title={t('health:chart.diskTraffic')}
        isBytes
        series={of('diskWriteBytesPerSecond', 'diskReadBytesPerSecond')}
        format={perSecond}
      />
      <Chart {...over} title={t('health:chart.delay')} series={of('siteDelayMs', 'baseDelayMs')} format={milliseconds} />
      <Chart {...over} title={t('health:chart.clients')} series={of('clientsOnline')} format={number(0)} />
      <Chart {...over} title={t('health:chart.sessions')} series={of('accessSessions')} format={number(0)} />
      <Chart
        {...over}
        title={t('health:chart.network')}
        isBytes
        series={of('sentBytesPerSecond', 'receivedBytesPerSecond')}
        format={perSecond}
      />
    </div>
  );
}
