import { useTranslation } from 'react-i18next';
import { Progress } from '@mantine/core';
import type { Installation, StepState } from '@bascule/protocol/api/updates.ts';
import { formatBytes, formatDuration } from '../../shared/format.ts';
import { stepNote, stepText } from './update-texts.ts';
import classes from './updates.module.css';

const MARKS: Record<StepState['state'], string> = {
  waiting: '○',
  running: '●',
  done: '✓',
  failed: '✕',
  skipped: '–',
  undone: '↶',
};

interface StepRowProps {
  step: StepState;
  tickingMs: number;
  operation: Installation['operation'];
}

/** One step: a mark whose shape says its state, its name, how far it is, how long it took. Rows keep their height in all states. */
export function StepRow({ step, tickingMs, operation }: StepRowProps) {
  const { t } = useTranslation();
  const { startedAtMs, endedAtMs, state } = step;
  const lengthMs = startedAtMs === null ? undefined : (endedAtMs ?? tickingMs) - startedAtMs;
  return (
    <li className={classes['step']} data-state={state} aria-current={state === 'running' ? 'step' : undefined}>
      <span className={classes['stepMark']} aria-hidden="true">
        {MARKS[state]}
      </span>
      <span className={classes['stepName']}>
        {stepText(t, step.step, operation)} <span className="b-visually-hidden">{t(`updates:stepState.${state}`)}</span>
      </span>
      <span className={classes['stepProgress']}>{state === 'running' && <StepProgress step={step} operation={operation} />}</span>
      <span className={classes['stepTime']}>{lengthMs === undefined ? '' : stepLength(lengthMs)}</span>
    </li>
  );
}

const SHORT_MS = 1_000;

function stepLength(lengthMs: number): string {
  return lengthMs < SHORT_MS ? `${Math.max(0, Math.round(lengthMs))} ms` : formatDuration(lengthMs);
}

function StepProgress({ step: { step, progress }, operation }: Omit<StepRowProps, 'tickingMs'>) {
  const { t } = useTranslation();
  if (progress === null) return <span>{stepNote(t, step, operation)}</span>;
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
          aria-label={stepText(t, step, operation)}
        />
      )}
      <span>{parts.filter(Boolean).join(' · ')}</span>
    </>
  );
}
