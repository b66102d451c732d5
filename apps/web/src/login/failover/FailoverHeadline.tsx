import { useTranslation } from 'react-i18next';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { isFirstCopy, isSplit, namesOf, toneOf, type PageKind } from './failover-model.ts';
import classes from './failover.module.css';

interface FailoverHeadlineProps {
  state: FailoverState;
  kind: PageKind;
  nowMs: number;
}

/** The state of the pair in one sentence, and what it means. Spoken when it changes; its height is kept, so nothing below it jumps. */
export function FailoverHeadline({ state, kind, nowMs }: FailoverHeadlineProps) {
  const { t } = useTranslation();
  const tone = toneOf(kind, state);
  const isPaired = kind === 'primary' || kind === 'backup';
  const { broken } = state;
  const said = isSplit(state) ? 'split' : kind;
  const names = namesOf(state);
  return (
    <div className={classes['headline']} data-tone={tone}>
      <p role="status" aria-live="polite" className={classes['headlineText']}>
        <StateMark tone={tone}>{t(`failover:headline.${said}`, names)}</StateMark>
      </p>
      <p className={classes['headlineNote']}>
        {t(`failover:headlineNote.${isPaired && isFirstCopy(state) ? 'first-copy' : said}`, names)}
      </p>
      {broken !== null && (kind === 'broken' || kind === 'read-only') && (
        <p className={classes['headlineNote']}>
          {t('failover:brokenBy', { peer: broken.peer, by: broken.by, at: formatInstant(broken.atMs) })}
        </p>
      )}
      {kind === 'primary-alone' && state.lastContactAtMs !== null && (
        <p className={classes['headlineNote']}>
          {t('failover:lastContact', {
            peer: names.peer,
            at: formatInstant(state.lastContactAtMs),
            ago: formatDuration(nowMs - state.lastContactAtMs),
          })}
        </p>
      )}
    </div>
  );
}
