import { useTranslation } from 'react-i18next';
import type { FailoverState } from '@bascule/protocol/api/failover.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatCount, formatDuration, formatInstant } from '../../shared/format.ts';
import { clientsThatLostPeer, namesOf, recommendationOf, SEEN_LATELY_MS } from './failover-model.ts';
import classes from './failover.module.css';

/** 'Primary unreachable': last contact, who still sees it, and what is recommended. What would be lost stands below, beside the copy. */
export function UnreachablePanel({ state, nowMs }: { state: FailoverState; nowMs: number }) {
  const { t } = useTranslation();
  const { lastContactAtMs } = state;
  const recommendation = recommendationOf(state, nowMs);
  const names = namesOf(state);
  return (
    <div className={classes['panel']} data-part="unreachable">
      <dl className={classes['consequences']}>
        <div>
          <dt>{t('failover:unreachable.lastContact')}</dt>
          <dd className={classes['tabular']}>
            {lastContactAtMs === null
              ? t('shared:never')
              : t('failover:unreachable.at', {
                  at: formatInstant(lastContactAtMs),
                  ago: formatDuration(nowMs - lastContactAtMs),
                })}
          </dd>
        </div>
        <div>
          <dt>{t('failover:unreachable.witness')}</dt>
          <dd>
            <WitnessSight state={state} nowMs={nowMs} />
          </dd>
        </div>
        <div>
          <dt>{t('failover:unreachable.clients')}</dt>
          <dd>
            <ClientsSight state={state} />
          </dd>
        </div>
        <div>
          <dt>{t('failover:unreachable.recommended')}</dt>
          <dd role="status" aria-live="polite">
            <strong>{t(`failover:recommend.${recommendation}`, names)}</strong>{' '}
            {t(`failover:recommendWhy.${recommendation}`, names)}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function WitnessSight({ state, nowMs }: { state: FailoverState; nowMs: number }) {
  const { t } = useTranslation();
  const { witness, peerSeenBy } = state;
  if (witness === null) return t('failover:sight.noWitness');
  if (witness.state !== 'connected') return <StateMark tone="warn">{t('failover:sight.witnessAway')}</StateMark>;
  const atMs = peerSeenBy?.witnessAtMs ?? null;
  if (atMs === null) return <StateMark tone="off">{t('failover:sight.never')}</StateMark>;
  const isLately = nowMs - atMs <= SEEN_LATELY_MS;
  return (
    <StateMark tone={isLately ? 'ok' : 'bad'}>
      {t(isLately ? 'failover:sight.seen' : 'failover:sight.lost', { at: formatInstant(atMs) })}
    </StateMark>
  );
}

function ClientsSight({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  const lost = clientsThatLostPeer(state);
  if (lost === undefined) return <StateMark tone="off">{t('failover:sight.noClients')}</StateMark>;
  const { count, atMs } = lost;
  return (
    <StateMark tone="bad">
      {t('failover:sight.clients', { count, number: formatCount(count), at: formatInstant(atMs) })}
    </StateMark>
  );
}
