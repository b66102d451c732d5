import type { TFunction } from 'i18next';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import { planReport, type Plan, type PlanReport } from '@bascule/protocol/api/plans.ts';
import { CopyField } from '../../shared/CopyField.tsx';
import { Facts } from '../../shared/Section.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { saveFile } from '../../shared/save-file.ts';
import classes from './plans.module.css';

/** With what the plan ended, and how anybody can check that it was not altered. */
export function PlanReportPanel({ plan, signed }: { plan: string; signed: NonNullable<Plan['report']> }) {
  const { t } = useTranslation();
  const parsed = planReport.safeParse(JSON.parse(signed.statement));
  const name = `plan-report-${plan}.json`;
  const save = () => saveFile(name, 'application/json', `${JSON.stringify(signed)}\n`);
  return (
    <div className={classes['report']}>
      <h3>{t('plans:report.title')}</h3>
      {parsed.success && <ReportFacts report={parsed.data} />}
      <Button variant="default" onClick={save}>
        {t('plans:report.save')}
      </Button>
      <p className="b-quiet">{t('plans:report.verify')}</p>
      <CopyField label={t('plans:report.command')} value={`npm run verify -- plan-report ${name}`} />
    </div>
  );
}

/** What was asked for the time without service: a figure is worth what was asked. */
function askedRow(t: TFunction, { url, answeredBy, notAskedMs }: NonNullable<PlanReport['serviceAsked']>): [string, string] {
  const by =
    answeredBy.length === 0 ? t('plans:report.nobodyAnswered') : t('plans:report.answeredBy', { list: answeredBy.join(', ') });
  const gap = notAskedMs === 0 ? '' : `; ${t('plans:report.notAsked', { time: formatDuration(notAskedMs) })}`;
  return [t('plans:report.asked'), `${url}; ${by}${gap}`];
}

function ReportFacts({ report }: { report: PlanReport }) {
  const { t } = useTranslation();
  const { before, after, withoutServiceMs, serviceAsked, sessions, lagAtSwitch, clients, testSession, startedAtMs, endedAtMs } =
    report;
  const sides = before.map((side): [string, string] => {
    const now = after.find(({ appliance }) => appliance === side.appliance) ?? side;
    const versions = `${t('plans:sides.base')} ${side.base} → ${now.base}, ${t('plans:sides.site')} ${side.site} → ${now.site}`;
    return [side.appliance, `${versions}; ${t(`plans:role.${side.role}`)} → ${t(`plans:role.${now.role}`)}`];
  });
  return (
    <Facts
      rows={[
        ...sides,
        [t('plans:report.time'), `${formatInstant(startedAtMs)}, ${formatDuration(endedAtMs - startedAtMs)}`],
        [
          t('plans:report.withoutService'),
          withoutServiceMs === null ? t('plans:report.notMeasured') : `${Math.round(withoutServiceMs).toLocaleString()} ms`,
        ],
        ...(serviceAsked === null ? [] : [askedRow(t, serviceAsked)]),
        [t('plans:report.sessions'), t('plans:report.sessionsEnded', { count: sessions.ended, before: sessions.before })],
        [
          t('plans:report.lag'),
          lagAtSwitch === null
            ? '–'
            : t('plans:report.lagValue', { count: lagAtSwitch.changes, seconds: lagAtSwitch.seconds.toLocaleString() }),
        ],
        [t('plans:report.clients'), t('plans:report.clientsValue', { ...clients })],
        [t('plans:report.testSession'), t(`plans:testSession.${testSession.outcome}`)],
      ]}
    />
  );
}
