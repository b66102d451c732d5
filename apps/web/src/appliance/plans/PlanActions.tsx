import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Group, Text } from '@mantine/core';
import type { Plan } from '@bascule/protocol/api/plans.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { actionsOf, amberCodes, isOver, personStep, type PlanAction } from './plans-model.ts';
import { useRefreshPlans } from './plans-queries.ts';

const DANGEROUS: readonly PlanAction[] = ['cancel', 'give-up'];
/** Not before the licence agreements are accepted. */
const BEGINNING: readonly PlanAction[] = ['run-through', 'next-step'];

interface PlanActionsProps {
  plan: Plan;
  applianceName: string;
  isSilent: boolean;
}

/** What can be done with the plan now; on the other appliance, where it is done. */
export function PlanActions({ plan, applianceName, isSilent }: PlanActionsProps) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshPlans();
  const { ask, dialog } = useConfirm();
  const [overruled, setOverruled] = useState<ReadonlySet<string>>(new Set());
  const codes = amberCodes(plan);
  const act = async (action: PlanAction) => {
    const [verb, body] = requestOf(action, plan, [...overruled]);
    await api.post(apiPaths.planAction(plan.id, verb), anyAnswer, body);
    setOverruled(new Set());
    await refresh();
  };
  const run = useMutation({ mutationFn: act });
  const begin = (action: PlanAction) => {
    if (!DANGEROUS.includes(action)) return run.mutate(action);
    ask({
      title: t(`plans:ask.${action}`),
      consequences: t(`plans:consequences.${action}`),
      confirm: t(`plans:action.${action}`),
      dangerous: true,
      act: () => act(action),
    });
  };
  const actions = actionsOf(plan, applianceName);
  if (actions.length === 0 && !isOver(plan) && plan.runner !== applianceName)
    return <Text className="b-quiet">{t('plans:elsewhere', { runner: plan.runner })}</Text>;
  const step = personStep(plan);
  const isAwaited = (plan.agreements ?? []).length > 0;
  return (
    <>
      {step !== undefined && actions.includes('confirm') && <Text mb="xs">{t(`plans:look.${step.kind}`)}</Text>}
      {codes.map((code) => (
        <Checkbox
          key={code}
          mb={4}
          label={t('plans:overrule', { code })}
          checked={overruled.has(code)}
          onChange={(event) => setOverruled(toggled(overruled, code, event.currentTarget.checked))}
        />
      ))}
      <Group gap="xs" mb="sm">
        {actions.map((action, index) => (
          <Button
            key={action}
            variant={index === 0 ? 'filled' : 'default'}
            disabled={isSilent || run.isPending || (isAwaited && BEGINNING.includes(action))}
            loading={run.isPending && run.variables === action}
            onClick={() => begin(action)}
          >
            {t(`plans:action.${action}`)}
          </Button>
        ))}
      </Group>
      <FormFailure error={run.error} />
      {dialog}
    </>
  );
}

function requestOf(
  action: PlanAction,
  plan: Plan,
  overrule: string[],
): ['run' | 'confirm' | 'pause' | 'cancel' | 'give-up', unknown] {
  if (action === 'confirm') return ['confirm', { number: personStep(plan)?.number ?? 1 }];
  if (action === 'run-through') return ['run', { through: true, overrule }];
  if (action === 'next-step') return ['run', { through: false, overrule }];
  // As it was going when it was paused.
  if (action === 'continue') return ['run', { through: plan.runsThrough, overrule }];
  return [action, {}];
}

function toggled(codes: ReadonlySet<string>, code: string, isOn: boolean): ReadonlySet<string> {
  const next = new Set(codes);
  if (isOn) next.add(code);
  else next.delete(code);
  return next;
}
