import { useTranslation } from 'react-i18next';
import { Progress } from '@mantine/core';
import type { StepState } from '@bascule/protocol/api/updates.ts';
import { formatBytes, formatDuration } from '../../shared/format.ts';
import classes from './updates.module.css';

const MARKS: Record<StepState['state'], string> = {
  waiting: '○',
  running: '●',
  done: '✓',
  failed: '✕',
  skipped: '–',
  undone: '↶',
};

/** One step: a mark whose shape says its state, its name, how far it is, how long it took. Rows keep their height in all states. */
export function StepRow({ step, tickingMs }: { step: StepState; tickingMs: number }) {
  const { t } = useTranslation();
  const { startedAtMs, endedAtMs, state } = step;
  const lengthMs = startedAtMs === null ? undefined : (endedAtMs ?? tickingMs) - startedAtMs;
  return (
    <li className={classes['step']} data-state={state} aria-current={state === 'running' ? 'step' : undefined}>
      <span className={classes['stepMark']} aria-hidden="true">
        {MARKS[state]}
      </span>
      <span className={classes['stepName']}>
        {t(`updates:step.${step.step}`)} <span className="b-visually-hidden">{t(`updates:stepState.${state}`)}</span>
      </span>
      <span className={classes['stepProgress']}>{state === 'running' && <StepProgress step={step} />}</span>
      <span className={classes['stepTime']}>{lengthMs === undefined ? '' : stepLength(lengthMs)}</span>
    </li>
  );
}

const SHORT_MS = 1_000;

function stepLength(lengthMs: number): string {
  return lengthMs < SHORT_MS ? `${Math.max(0, Math.round(lengthMs))} ms` : formatDuration(lengthMs);
}

function StepProgress({ step: { step, progress } }: { step: StepState }) {
  const { t } = useTranslation();
  if (progress === null) return <span>{t(`updates:stepNote.${step}`)}</span>;
  const isBytes = progress.unit === 'bytes';
  const amount = (value: number) => (isBytes ? formatBytes(value) : String(Math.floor(value)));
  const parts = [
    progress.total === null
      ? amount(progress.done)
      : t(`updates:progress.of.${progress.unit}`, { done: amount(progress.done), total: amount(progress.total) }),
    isBytes && progress.perSecond !== null ? `${formatBytes(progress.perSecond)}/s` : '',
    progress.secondsLeft === null || progress.unit === 'seconds'
      ? ''
      : t('updates:progress.left', { time: formatDuration(progress.secondsLeft * 1000) }),
  ];
  return (
    <>
      {progress.total !== null && progress.total > 0 && (
        <Progress
          className={classes['stepBar'] ?? ''}
          value={Math.min(100, (progress.done / progress.total) * 100)}
          aria-label={t(`updates:step.${step}`)}
        />
      )}
      <span>{parts.filter(Boolean).join(' · ')}</span>
    </>
  );
}
