import { useTranslation } from 'react-i18next';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatCount, formatInstant } from '../../shared/format.ts';
import { headlineOf, unsupportedBeside } from './fleet-model.ts';
import classes from './fleet.module.css';

/** The state of the rollout in one sentence, why it halted, and what to do. Its height is kept, so nothing below it jumps. */
export function RolloutHeadline({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const { kind, tone, count } = headlineOf(rollout);
  const { halt, version } = rollout;
  const unsupported = unsupportedBeside(rollout);
  return (
    <div className={classes['headline']} data-tone={tone}>
      <p role="status" className={classes['headlineText']}>
        <StateMark tone={tone}>{t(`fleet:headline.${kind}`, { version, count, number: formatCount(count) })}</StateMark>
      </p>
      {halt === null ? (
        <p className={classes['headlineNote']}>
          {t(`fleet:headlineNote.${kind}`)}
          {unsupported > 0 && ` ${t('fleet:unsupportedBeside', { count: unsupported, number: formatCount(unsupported) })}`}
        </p>
      ) : (
        <>
          <p className={classes['headlineWhy']}>
            {t(`fleet:halt.${halt.code}`, { ring: halt.ring })}{' '}
            {(halt.code === 'failures' || halt.code === 'silence') && (
              <>
                {t('fleet:haltNumbers', {
                  count: halt.begun,
                  failed: formatCount(halt.failed),
                  begun: formatCount(halt.begun),
                  percent: formatCount(halt.percent),
                })}{' '}
              </>
            )}
            <span className="b-quiet">{formatInstant(halt.atMs)}</span>
          </p>
          <p className={classes['headlineNote']}>{t(`fleet:haltDo.${halt.code}`)}</p>
        </>
      )}
    </div>
  );
}
