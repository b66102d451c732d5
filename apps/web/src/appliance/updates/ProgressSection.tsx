import { Fragment } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Text } from '@mantine/core';
import { POINT_OF_NO_RETURN, type Installation, type StepState } from '@bascule/protocol/api/updates.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { StepRow } from './StepRow.tsx';
import { operationText, packageName, stepText } from './update-texts.ts';
import { noReturnBefore, shownSteps } from './updates-model.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import { useTickingNow } from './use-ticking-now.ts';
import classes from './updates.module.css';

/** What is going on, step by step: the same for everybody who looks, and after a reload. */
export function ProgressSection({ running, nowMs, isSilent }: { running: Installation; nowMs: number; isSilent: boolean }) {
  const { t } = useTranslation();
  const tickingMs = useTickingNow(nowMs);
  const steps = shownSteps(running.steps);
  const current = steps.findIndex((step) => step.step === running.step);
  return (
    <Section
      title={operationText(t, running)}
      note={t('updates:progress.who', {
        who: running.startedBy,
        at: formatInstant(running.startedAtMs),
        elapsed: formatDuration(tickingMs - running.startedAtMs),
      })}
      actions={<CancelButton running={running} isSilent={isSilent} />}
    >
      <div className={classes['panel']}>
        <span className="b-visually-hidden" role="status" aria-live="polite">
          {t('updates:progress.spoken', {
            index: current + 1,
            total: steps.length,
            step: stepText(t, running.step, running.operation),
          })}
        </span>
        <StepList steps={steps} tickingMs={tickingMs} operation={running.operation} />
        <CancelNote running={running} />
      </div>
    </Section>
  );
}

interface StepListProps {
  steps: StepState[];
  tickingMs: number;
  operation: Installation['operation'];
}

/** The steps, with the point of no return as a line between two of them. */
export function StepList({ steps, tickingMs, operation }: StepListProps) {
  const { t } = useTranslation();
  const lineBefore = isChange(operation) ? noReturnBefore(steps) : undefined;
  return (
    <ol className={classes['steps']}>
      {steps.map((step) => (
        <Fragment key={step.step}>
          {step.step === lineBefore && (
            <li className={classes['noReturn']}>
              <span>{t('updates:progress.noReturn')}</span>
            </li>
          )}
          <StepRow step={step} tickingMs={tickingMs} operation={operation} />
        </Fragment>
      ))}
    </ol>
  );
}

function CancelButton({ running, isSilent }: { running: Installation; isSilent: boolean }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const { ask, dialog } = useConfirm();
  const name = packageName(t, running.kind, running.toVersion);
  const cancel = () =>
    ask({
      title: t('updates:progress.cancelTitle', { name }),
      consequences: t('updates:progress.cancelConsequences'),
      confirm: t('updates:progress.cancelConfirm'),
      dangerous: true,
      act: async () => {
        await api.post(apiPaths.updatesAction('cancel'), anyAnswer, { id: running.id });
        await refresh();
      },
    });
  const isPossible = running.mayCancel && running.cancelRequestedBy === null && !isSilent;
  return (
    <>
      <Button variant="default" disabled={!isPossible} onClick={cancel}>
        {t('updates:progress.cancel')}
      </Button>
      {dialog}
    </>
  );
}

function CancelNote({ running }: { running: Installation }) {
  const { t } = useTranslation();
  // Base packages have no `freeze`: what is named must be a step that is shown.
  const step = stepText(t, noReturnBefore(shownSteps(running.steps)) ?? POINT_OF_NO_RETURN, running.operation);
  let text = t('updates:progress.notCancellable');
  if (running.cancelRequestedBy !== null) text = t('updates:progress.cancelAsked', { who: running.cancelRequestedBy });
  else if (running.mayCancel && isChange(running.operation)) text = t('updates:progress.cancelUntil', { step });
  else if (running.mayCancel) text = t('updates:progress.cancelAnyTime');
  return (
    <Text className="b-quiet" mt="xs">
      {text}
    </Text>
  );
}

/** What changes the software in use, and so has a point of no return. */
function isChange(operation: Installation['operation']): boolean {
  return operation === 'install' || operation === 'roll-back';
}
