import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Progress } from '@mantine/core';
import { MOVE_STEPS, type MoveState } from '@bascule/protocol/api/move.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { Section, type Tone } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { MOVE_KEY } from './move-queries.ts';
import classes from './move.module.css';

const TONES: Record<MoveState['state'], Tone> = { running: 'ok', waiting: 'warn', done: 'ok', cancelled: 'off' };
const SWITCH_AT = MOVE_STEPS.indexOf('switch');

/** The plan on the new box: its steps, what is done now, and what a person decides. */
export function MoveSection({ move }: { move: MoveState }) {
  const { t } = useTranslation();
  const { ask, dialog } = useConfirm();
  const act = useMoveAct();
  const { state, step, old, problem } = move;
  const at = MOVE_STEPS.indexOf(step);
  const isUnderWay = state === 'running' || state === 'waiting';
  const names = { name: old.appliance };
  const begun = t('move:plan.begun', { at: formatMinute(move.startedAtMs), by: move.startedBy });
  return (
    <Section
      title={t('move:plan.title', names)}
      note={move.endedAtMs === null ? begun : `${begun} ${t('move:plan.ended', { at: formatMinute(move.endedAtMs) })}`}
    >
      <Headline tone={problem === null ? TONES[state] : 'bad'} text={t(`move:plan.state.${state}`, names)}>
        <HeadlineNote>
          {t(state === 'running' || state === 'waiting' ? `move:does.${step}` : `move:plan.after.${state}`, names)}
        </HeadlineNote>
      </Headline>
      {problem !== null && (
        <Alert color="red" role="alert" mt="sm" title={t('move:plan.problem')}>
          {problem}
        </Alert>
      )}
      <ol className={classes['steps']}>
        {MOVE_STEPS.map((one, index) => (
          <StepRow
            key={one}
            step={one}
            move={move}
            place={state === 'done' ? 'done' : index < at ? 'done' : index === at ? 'now' : 'later'}
          />
        ))}
      </ol>
      {isUnderWay && (
        <Group mt="md">
          {state === 'waiting' && (
            <Button
              onClick={() =>
                ask({
                  title: t('move:switch.title', names),
                  consequences: t('move:switch.consequences', names),
                  confirm: t('move:switch.confirm'),
                  act: () => act(apiPaths.moveSwitch),
                })
              }
            >
              {t('move:switch.button')}
            </Button>
          )}
          {at < SWITCH_AT && (
            <Button
              variant="default"
              onClick={() =>
                ask({
                  title: t('move:cancel.title'),
                  consequences: t('move:cancel.consequences', names),
                  confirm: t('move:cancel.confirm'),
                  dangerous: true,
                  act: () => act(apiPaths.moveCancel),
                })
              }
            >
              {t('move:cancel.button')}
            </Button>
          )}
          {(step === 'recordings' || step === 'finish') && problem !== null && (
            <Button
              variant="default"
              onClick={() =>
                ask({
                  title: t('move:without.title', names),
                  consequences: t('move:without.consequences', names),
                  confirm: t('move:without.confirm'),
                  dangerous: true,
                  act: () => act(apiPaths.moveFinish),
                })
              }
            >
              {t('move:without.button')}
            </Button>
          )}
        </Group>
      )}
      {dialog}
    </Section>
  );
}

const MARKS = { done: '✓', now: '●', later: '○' } as const;

function StepRow({ step, move, place }: { step: (typeof MOVE_STEPS)[number]; move: MoveState; place: keyof typeof MARKS }) {
  const { t } = useTranslation();
  const { doing, done, total, state, clients } = move;
  const isNow = place === 'now' && state === 'running';
  return (
    <li className={classes['step']} data-place={place} aria-current={place === 'now' ? 'step' : undefined}>
      <span aria-hidden="true">{MARKS[place]}</span>
      <div>
        <strong>{t(`move:step.${step}`)}</strong> <span className="b-visually-hidden">{t(`move:place.${place}`)}</span>
        {step === 'clients' && clients !== null && place !== 'later' && (
          <span> {t('move:plan.clients', { back: clients.back, before: clients.before })}</span>
        )}
        {isNow && doing !== '' && (
          <p lang="en" className={classes['doing']}>
            {doing}
          </p>
        )}
        {isNow && done !== null && total !== null && total > 0 && (
          <Progress value={(100 * done) / total} aria-label={t(`move:step.${step}`)} maw={360} />
        )}
      </div>
    </li>
  );
}

function useMoveAct(): (path: string) => Promise<void> {
  const api = useApi();
  const client = useQueryClient();
  return async (path) => {
    await api.post(path, anyAnswer, {});
    await client.invalidateQueries({ queryKey: MOVE_KEY });
  };
}
