import { useTranslation } from 'react-i18next';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { formatCount, formatInstant } from '../../shared/format.ts';
import { headlineOf, unsupportedBeside } from './fleet-model.ts';

/** The state of the rollout in one sentence, why it halted, and what to do. */
export function RolloutHeadline({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const { kind, tone, count } = headlineOf(rollout);
  const { halt, version } = rollout;
  const unsupported = unsupportedBeside(rollout);
  return (
    <Headline tone={tone} text={t(`fleet:headline.${kind}`, { version, count, number: formatCount(count) })}>
      {halt === null ? (
        <HeadlineNote>
          {t(`fleet:headlineNote.${kind}`)}
          {unsupported > 0 && ` ${t('fleet:unsupportedBeside', { count: unsupported, number: formatCount(unsupported) })}`}
        </HeadlineNote>
      ) : (
        <>
          <HeadlineNote isStrong>
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
          </HeadlineNote>
          <HeadlineNote>{t(`fleet:haltDo.${halt.code}`)}</HeadlineNote>
        </>
      )}
    </Headline>
  );
}
