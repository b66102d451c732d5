import { Fragment } from 'react';
import { useTranslation } from 'react-i18next';
import { Progress } from '@mantine/core';
import type { Plan, PlanStep } from '@bascule/protocol/api/plans.ts';
import { formatDuration, formatMinute } from '../../shared/format.ts';
import { noteText, stepText } from './plan-texts.ts';
import { dividersBefore, isOver, type Divider } from './plans-model.ts';
import classes from './plans.module.css';

const MARKS: Record<PlanStep['state'], string> = {
  waiting: '○',
  ready: '○',
  running: '●',
  'waits-for-person': '▲',
  done: '✓',
  skipped: '✓',
  failed: '✕',
  undone: '↶',
};

/** The steps in order, in their maintenance windows: what each does, how it is undone, how far it is, and what was found. */
export function PlanSteps({ plan, tickingMs }: { plan: Plan; tickingMs: number }) {
  return (
    <ol className={classes['steps']}>
      {plan.steps.map((step, index) => (
        <Fragment key={step.number}>
          {dividersBefore(plan.steps, index).map((divider) => (
            <DividerRow key={`${divider.kind} ${divider.window ?? ''}`} divider={divider} plan={plan} />
          ))}
          <StepRow step={step} tickingMs={tickingMs} isOver={isOver(plan)} />
        </Fragment>
      ))}
    </ol>
  );
}

function DividerRow({ divider, plan }: { divider: Divider; plan: Plan }) {
  const { t } = useTranslation();
  if (divider.kind !== 'window')
    return (
      <li className={classes['divider']} data-kind={divider.kind}>
        {divider.kind === 'interval' ? t('plans:interval') : t('plans:noReturn')}
      </li>
    );
  const window = plan.windows.find(({ number }) => number === divider.window);
  const expected = formatDuration((window?.expectedSeconds ?? 0) * 1000);
  return (
    <li className={classes['divider']} data-kind="window">
      <strong>{t('plans:window.title', { number: divider.window ?? 1 })}</strong> {t('plans:window.expected', { time: expected })}
      {window?.proposedAtMs != null && <> {t('plans:window.proposed', { at: formatMinute(window.proposedAtMs) })}</>}
    </li>
  );
}

function StepRow({ step, tickingMs, isOver: isPast }: { step: PlanStep; tickingMs: number; isOver: boolean }) {
  const { t } = useTranslation();
  const { number, on, state, kind, undo, notes, startedAtMs, endedAtMs, expectedSeconds } = step;
  const isOpen = state === 'waiting' || state === 'ready';
  const isNow = state === 'running' || state === 'waits-for-person' || state === 'failed';
  const lengthMs = startedAtMs === null ? undefined : (endedAtMs ?? tickingMs) - startedAtMs;
  const time =
    lengthMs === undefined || isOpen
      ? t('plans:about', { time: formatDuration(expectedSeconds * 1000) })
      : formatDuration(lengthMs);
  return (
    <li className={classes['step']} data-state={state} aria-current={isNow ? 'step' : undefined}>
      <span className={classes['mark']} aria-hidden="true">
        {MARKS[state]}
      </span>
      <span className={classes['number']}>{number}</span>
      <div className={classes['body']}>
        <p>
          <strong>{stepText(t, step)}</strong> <span className={classes['on']}>{on}</span>{' '}
          <span className={classes['stepState']}>{isOpen ? '' : t(`plans:stepState.${state}`)}</span>
        </p>
        {!isPast && (isOpen || isNow) && (
          <p className={classes['does']}>
            {t(`plans:does.${kind}`)} {t(`plans:undo.${undo}`)}
          </p>
        )}
        {state === 'running' && <StepProgress step={step} />}
        {notes.length > 0 && (
          <ul className={classes['notes']}>
            {notes.map((note, index) => (
              <li key={`${index} ${note.code}`}>{noteText(note)}</li>
            ))}
          </ul>
        )}
      </div>
      <span className={classes['time']}>{time}</span>
    </li>
  );
}

function StepProgress({ step: { progress, kind } }: { step: PlanStep }) {
  const { t } = useTranslation();
  if (progress === null) return null;
  const isInstallation = kind === 'install-base' || kind === 'install-site';
  const isKnown = isInstallation && /^[a-z-]+$/.test(progress.text);
  const text = isKnown ? t(`updates:step.${progress.text}`, { defaultValue: progress.text }) : progress.text;
  return (
    <div className={classes['progress']}>
      {progress.total !== null && progress.total > 0 && (
        <Progress value={Math.min(100, (progress.done / progress.total) * 100)} aria-label={text} w={180} />
      )}
      <span>{text}</span>
    </div>
  );
}
