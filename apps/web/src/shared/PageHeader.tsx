import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import markUrl from './bascule.svg';
import { MovedBar } from './MovedBar.tsx';
import { PairMark } from './PairMark.tsx';
import { TestBar } from './TestBar.tsx';
import { useApplianceHeader, useRefreshHeaderOfOther } from './appliance-header.ts';
import { useApplianceState, type ConnectionState } from './appliance-state.ts';
import classes from './PageHeader.module.css';

const TONE: Record<ConnectionState, 'ok' | 'warn' | 'bad'> = {
  connecting: 'warn',
  connected: 'ok',
  reconnecting: 'bad',
  'site-restarting': 'warn',
  'site-stopped': 'bad',
};

/** The header of every page: which appliance, its role and its peer, which interface, and the state of the connection. `children` go to the right. */
export function PageHeader({ interfaceName, children }: { interfaceName: string; children?: ReactNode }) {
  const { t } = useTranslation();
  const { applianceName, connection, moved } = useApplianceState();
  const pair = useApplianceHeader();
  const shownPair = pair?.rehearsal?.place === 'inside' ? undefined : pair;
  // Two questions, and in a change of roles two appliances may answer them: what stands side by side is of one answer.
  const name = shownPair?.appliance ?? applianceName;
  useRefreshHeaderOfOther(shownPair?.appliance, applianceName);
  return (
    <>
      <header className={classes['header']}>
        <img src={markUrl} alt="" width={22} height={22} />
        <span className={classes['product']}>Bascule</span>
        {name !== '' && (
          <span className={classes['appliance']} title={name}>
            {name}
          </span>
        )}
        {shownPair !== undefined && <PairMark header={shownPair} />}
        <span className={classes['interface']}>{interfaceName}</span>
        <span className={classes['state']} data-tone={TONE[connection]} role="status" aria-live="polite">
          <span className={classes['dot']} aria-hidden="true" />
          {t(`shared:connection.${connection}`)}
        </span>
        <div className={classes['actions']}>{children}</div>
      </header>
      {moved !== undefined && <MovedBar {...moved} />}
      <TestBar />
    </>
  );
}
