import { useTranslation } from 'react-i18next';
import i18next from 'i18next';
import { Alert, Progress } from '@mantine/core';
import type { CopyState, Exposure, FailoverState } from '@bascule/protocol/api/failover.ts';
import { Section, StateMark } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatDuration, formatInstant } from '../../shared/format.ts';
import { formatSeconds, losesAnything, namesOf } from './failover-model.ts';
import classes from './failover.module.css';

const TONES: Record<CopyState['state'], 'ok' | 'warn' | 'bad' | 'off'> = {
  idle: 'off',
  snapshot: 'warn',
  'catching-up': 'warn',
  following: 'ok',
  stopped: 'bad',
};

/** Why nothing is copied when the other side cannot be reached, at either side. */
const OF_UNREACHABLE = new Set(['unreachable', 'not-followed']);

/** How far the copy on the backup is, and what would be lost if the primary were gone this moment. */
export function CopySection({ state, withExposure = true }: { state: FailoverState; withExposure?: boolean }) {
  const { t } = useTranslation();
  const { copy, exposure } = state;
  // That the other side cannot be reached is the headline already.
  const isSaid = state.peerState === 'unreachable' && OF_UNREACHABLE.has(copy?.stopped?.code ?? '');
  const stopped = isSaid ? null : (copy?.stopped ?? null);
  const source = namesOf(state)[state.self.role === 'backup' ? 'peer' : 'self'];
  return (
    <Section title={t('failover:copy.title')} note={t('failover:copy.note', { source })}>
      {stopped !== null && (
        <Alert color="red" role="alert" py="xs" mb="sm" title={t('failover:copy.stoppedTitle')}>
          {stoppedText(stopped)}
        </Alert>
      )}
      <div className={classes['panels']}>
        {copy !== null && <CopyPanel copy={copy} isBackup={state.self.role === 'backup'} />}
        {withExposure && exposure !== null && <ExposurePanel exposure={exposure} when="gone" />}
      </div>
    </Section>
  );
}

function stoppedText({ code, text }: NonNullable<CopyState['stopped']>): string {
  const key = `failover:stopped.${code}`;
  return i18next.exists(key) ? i18next.t(key) : text;
}

function CopyPanel({ copy, isBackup }: { copy: CopyState; isBackup: boolean }) {
  const { t, i18n } = useTranslation();
  const seconds = formatSeconds(copy.lagSeconds, i18n.language);
  const { leftAsOfMs } = copy;
  const bytesLeft = (bytes: number) => (leftAsOfMs === null ? '–' : formatBytes(bytes));
  const facts: [string, string][] = [
    ['lagChanges', formatCount(copy.lagChanges)],
    ['lagSeconds', t('failover:copy.inSeconds', { seconds })],
    ['database', bytesLeft(copy.databaseBytesLeft)],
    ['recordings', bytesLeft(copy.recordingBytesLeft)],
    ['files', bytesLeft(copy.fileBytesLeft)],
    ['speed', t('failover:copy.perSecond', { bytes: formatBytes(copy.bytesPerSecond) })],
    [
      'left',
      copy.secondsLeft === null || copy.secondsLeft === 0
        ? '–'
        : t('failover:about', { time: formatDuration(copy.secondsLeft * 1000) }),
    ],
    ['compared', copy.lastComparedAtMs === null ? t('shared:never') : formatInstant(copy.lastComparedAtMs)],
  ];
  const whole = copy.newestChange === 0 ? 100 : Math.floor((100 * copy.copiedChange) / copy.newestChange);
  return (
    <div className={classes['panel']}>
      <p className={classes['panelTitle']} role="status" aria-live="polite">
        <StateMark tone={TONES[copy.state]}>{t(`failover:copy.state.${copy.state}`)}</StateMark>
      </p>
      {(copy.state === 'snapshot' || copy.state === 'catching-up') && (
        <Progress.Root size="lg" mb="sm">
          <Progress.Section
            value={copy.state === 'snapshot' ? 100 : whole}
            striped={copy.state === 'snapshot'}
            animated={copy.state === 'snapshot'}
            aria-label={
              copy.state === 'snapshot' ? t('failover:copy.state.snapshot') : t('failover:copy.progress', { percent: whole })
            }
          />
        </Progress.Root>
      )}
      <Figures facts={facts.map(([name, value]) => [t(`failover:copy.${name}`), value])} />
      {leftAsOfMs !== undefined && (
        <p className={classes['pulled']}>
          {leftAsOfMs === null ? t('failover:copy.leftUnknown') : t('failover:copy.leftAsOf', { at: formatInstant(leftAsOfMs) })}
        </p>
      )}
      <p className={classes['pulled']}>
        {copy.lastCompletedAtMs === null
          ? t('failover:copy.neverPulled')
          : t(isBackup ? 'failover:copy.pulled' : 'failover:copy.pulledByPeer', { at: formatInstant(copy.lastCompletedAtMs) })}
      </p>
    </div>
  );
}

/** What would be lost, if the primary were gone or this side became primary at this moment. */
export function ExposurePanel({ exposure, when }: { exposure: Exposure; when: 'gone' | 'becoming' }) {
  const { t } = useTranslation();
  const loses = losesAnything(exposure);
  return (
    <div className={classes['panel']} data-part="exposure">
      <p className={classes['panelTitle']}>
        <StateMark tone={loses ? 'warn' : 'ok'}>{t(`failover:loss.${when}.${loses ? 'some' : 'none'}`)}</StateMark>
      </p>
      <ExposureFigures exposure={exposure} when={when} />
      <p className={classes['pulled']}>{t('failover:loss.asOf', { at: formatInstant(exposure.asOfMs) })}</p>
    </div>
  );
}

/** What would be lost, each by its own number. */
function ExposureFigures({ exposure, when }: { exposure: Exposure; when: 'gone' | 'becoming' }) {
  const { t, i18n } = useTranslation();
  const seconds = formatSeconds(exposure.seconds, i18n.language);
  return (
    <Figures
      facts={[
        [t('failover:loss.changes'), formatCount(exposure.changes)],
        [
          t(when === 'becoming' ? 'failover:loss.unknownFor' : 'failover:loss.seconds'),
          t('failover:copy.inSeconds', { seconds }),
        ],
        [t('failover:loss.sessions'), formatCount(exposure.sessions)],
        [t('failover:loss.recordings'), formatBytes(exposure.recordingBytes)],
        [t('failover:loss.files'), formatBytes(exposure.fileBytes)],
      ]}
    />
  );
}

/** Numbers under each other: digits of one width, aligned at the right, so that a change of one moves nothing. */
export function Figures({ facts }: { facts: [string, string][] }) {
  return (
    <dl className={classes['figures']}>
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
