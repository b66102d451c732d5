import { useTranslation } from 'react-i18next';
import type { Plan } from '@bascule/protocol/api/plans.ts';
import { Section, StateMark } from '../../shared/Section.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { useTickingNow } from '../updates/use-ticking-now.ts';
import { PlanActions } from './PlanActions.tsx';
import { PlanAgreements } from './PlanAgreements.tsx';
import { PlanReportPanel } from './PlanReportPanel.tsx';
import { PlanSteps } from './PlanSteps.tsx';
import { expectedMs, isOver, toneOf } from './plans-model.ts';
import classes from './plans.module.css';

interface PlanSectionProps {
  plan: Plan;
  applianceName: string;
  nowMs: number;
  isSilent: boolean;
}

/** One plan: what it does beforehand, how it goes, and what came of it; the same on both appliances. */
export function PlanSection({ plan, applianceName, nowMs, isSilent }: PlanSectionProps) {
  const { t } = useTranslation();
  const tickingMs = useTickingNow(nowMs);
  const { kind, by, runner, createdAtMs, startedAtMs, endedAtMs } = plan;
  const state = plan.isUndoing
    ? t(`plans:undoing.${plan.state === 'paused' ? 'paused' : 'running'}`)
    : t(`plans:state.${plan.state}`);
  const times = {
    time: startedAtMs === null ? '' : formatDuration((endedAtMs ?? tickingMs) - startedAtMs),
    expected: formatDuration(expectedMs(plan.steps)),
  };
  const begun = endedAtMs === null ? t('plans:elapsed', times) : t('plans:took', times);
  const timeText = startedAtMs === null ? t('plans:expected', { time: times.expected }) : begun;
  return (
    <Section
      title={t('plans:title', { kind: t(`plans:kind.${kind}`) })}
      note={t('plans:who', { who: by, at: formatInstant(createdAtMs), runner })}
    >
      <div className={classes['panel']}>
        <div className={classes['state']} data-tone={toneOf(plan)}>
          <p role="status">
            <StateMark tone={toneOf(plan)}>{state}</StateMark>
          </p>
          <p className="b-quiet">{timeText}</p>
        </div>
        {plan.runner === applianceName && <PlanAgreements agreements={plan.agreements ?? []} />}
        <PlanActions plan={plan} applianceName={applianceName} isSilent={isSilent} />
        {plan.report !== null && <PlanReportPanel plan={plan.id} signed={plan.report} />}
        {!isOver(plan) && <Sides plan={plan} />}
        <PlanSteps plan={plan} tickingMs={tickingMs} />
        {plan.sides.length > 1 && !isOver(plan) && <ByAddress consumers={plan.consumersByAddress} />}
      </div>
    </Section>
  );
}

/** What is upgraded to what. */
function Sides({ plan: { sides } }: { plan: Plan }) {
  const { t } = useTranslation();
  const change = (from: string, to: string | null) => (to === null || to === from ? from : `${from} → ${to}`);
  return (
    <table className={classes['sides']}>
      <thead>
        <tr>
          <th scope="col">{t('plans:sides.appliance')}</th>
          <th scope="col">{t('plans:sides.role')}</th>
          <th scope="col">{t('plans:sides.base')}</th>
          <th scope="col">{t('plans:sides.site')}</th>
        </tr>
      </thead>
      <tbody>
        {sides.map(({ appliance, role, base, site, targetBase, targetSite }) => (
          <tr key={appliance}>
            <th scope="row">{appliance}</th>
            <td>{t(`plans:role.${role}`)}</td>
            <td>{change(base, targetBase)}</td>
            <td>{change(site, targetSite)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** B135: whoever connects by an IP address stays with one appliance when the other takes over. */
function ByAddress({ consumers }: { consumers: Plan['consumersByAddress'] }) {
  const { t } = useTranslation();
  return (
    <div className={classes['consumers']}>
      <h3>{t('plans:byAddress.title')}</h3>
      <p className="b-quiet">{consumers.length === 0 ? t('plans:byAddress.none') : t('plans:byAddress.note')}</p>
      <ul>
        {consumers.map(({ name, address }) => (
          <li key={`${address} ${name}`}>
            <span className="b-mono">{address}</span> {name === '' ? t('plans:byAddress.unnamed') : name}
          </li>
        ))}
      </ul>
    </div>
  );
}
