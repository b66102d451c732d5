import { useTranslation } from 'react-i18next';
import type { ApplianceHeader } from '@bascule/protocol/api/failover.ts';
import { StateMark } from './Section.tsx';
import classes from './PageHeader.module.css';

/** In the header of every page: the role of this appliance, and the state of its peer. Nothing where there never was a pair. */
export function PairMark({ header }: { header: ApplianceHeader }) {
  const { t } = useTranslation();
  const { role, peer } = header;
  if (role === 'single' && peer === null) return null;
  return (
    <span className={classes['pair']} role="status" aria-live="polite">
      <span className={classes['role']} data-role={role}>
        {t(`shared:pair.role.${role}`)}
      </span>
      {peer !== null && (
        <span className={classes['peer']} title={t(`shared:pair.peer.${peer.state}`, { name: peer.name })}>
          <StateMark tone={peer.state === 'reachable' ? 'ok' : 'bad'}>
            <span className={classes['peerText']}>{t(`shared:pair.peer.${peer.state}`, { name: peer.name })}</span>
          </StateMark>
        </span>
      )}
    </span>
  );
}
