import { useTranslation } from 'react-i18next';
import type { Restoration } from '@bascule/protocol/api/restore.ts';
import { StateMark, type Tone } from '../../shared/Section.tsx';
import classes from './restore.module.css';

const TONES: Record<Restoration['steps'][number]['state'], Tone> = {
  waiting: 'off',
  running: 'warn',
  done: 'ok',
  failed: 'bad',
  skipped: 'off',
  undone: 'off',
};

/** Every step in its order, with how far it is. */
export function Steps({ steps }: Pick<Restoration, 'steps'>) {
  const { t } = useTranslation();
  return (
    <ol className={classes['steps']} aria-label={t('restore:running.steps')}>
      {steps.map(({ step, state }) => (
        <li key={step} aria-current={state === 'running' ? 'step' : undefined}>
          <span>{t(`restore:step.${step}`)}</span>
          <StateMark tone={TONES[state]}>{t(`restore:stepState.${state}`)}</StateMark>
        </li>
      ))}
    </ol>
  );
}
