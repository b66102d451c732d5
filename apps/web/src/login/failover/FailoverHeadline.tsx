import { useTranslation } from 'react-i18next';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { formatDuration, formatInstant } from '../../shared/format.ts';
import { isFirstCopy, isNotFollowed, isSplit, namesOf, toneOf, type PageKind } from './failover-model.ts';

interface FailoverHeadlineProps {
  state: FailoverState;
  kind: PageKind;
  nowMs: number;
}

/** The state of the pair in one sentence, and what it means. */
export function FailoverHeadline({ state, kind, nowMs }: FailoverHeadlineProps) {
  const { t } = useTranslation();
  const tone = toneOf(kind, state);
  const isPaired = kind === 'primary' || kind === 'backup';
  const { broken } = state;
  const said = isSplit(state) ? 'split' : isNotFollowed(kind, state) ? 'not-followed' : kind;
  const names = namesOf(state);
  return (
    <Headline tone={tone} text={t(`failover:headline.${said}`, names)}>
      <HeadlineNote>{t(`failover:headlineNote.${isPaired && isFirstCopy(state) ? 'first-copy' : said}`, names)}</HeadlineNote>
      {broken !== null && (kind === 'broken' || kind === 'read-only') && (
        <HeadlineNote>
          {t('failover:brokenBy', { peer: broken.peer, by: broken.by, at: formatInstant(broken.atMs) })}
        </HeadlineNote>
      )}
      {kind === 'primary-alone' && state.lastContactAtMs !== null && (
        <HeadlineNote>
          {t('failover:lastContact', {
            peer: names.peer,
            at: formatInstant(state.lastContactAtMs),
            ago: formatDuration(nowMs - state.lastContactAtMs),
          })}
        </HeadlineNote>
      )}
    </Headline>
  );
}
