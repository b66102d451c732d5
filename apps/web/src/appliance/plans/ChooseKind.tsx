import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { plan as planSchema, type PlanKind, type PlansState } from '@bascule/protocol/api/plans.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { unavailableText } from './plan-texts.ts';
import { orderedKinds } from './plans-model.ts';
import { useRefreshPlans } from './plans-queries.ts';
import classes from './plans.module.css';

/** The kinds of plan with what speaks for and against each (B121, B122); making one shows its steps and does nothing yet. */
export function ChooseKind({ unavailable }: { unavailable: PlansState['unavailable'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshPlans();
  const make = useMutation({
    mutationFn: async (kind: PlanKind) => {
      await api.post(apiPaths.plans, planSchema, { kind }, LONG_TIMEOUT_MS);
      await refresh();
    },
  });
  return (
    <Section title={t('plans:choose.title')} note={t('plans:choose.note')}>
      <FormFailure error={make.error} />
      <ul className={classes['kinds']}>
        {orderedKinds(unavailable).map((kind) => {
          const reason = unavailable[kind];
          return (
            <li key={kind} className="b-panel" data-unavailable={reason !== undefined}>
              <h3>{t(`plans:kind.${kind}`)}</h3>
              <p>{t(`plans:what.${kind}`)}</p>
              <p>
                <span className={classes['for']}>+ </span>
                {t(`plans:for.${kind}`)}
              </p>
              <p>
                <span className={classes['against']}>− </span>
                {t(`plans:against.${kind}`)}
              </p>
              {reason !== undefined && <p className={classes['reason']}>{unavailableText(reason)}</p>}
              <Button
                variant="default"
                disabled={reason !== undefined || make.isPending}
                loading={make.isPending && make.variables === kind}
                onClick={() => make.mutate(kind)}
              >
                {t('plans:choose.make', { kind: t(`plans:kind.${kind}`) })}
              </Button>
            </li>
          );
        })}
      </ul>
    </Section>
  );
}
