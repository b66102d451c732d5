import { useTranslation } from 'react-i18next';
import type { FailoverState, SideState } from '@bascule/protocol/api/failover.ts';
import { StateMark } from '../../shared/Section.tsx';
import { formatBytes, formatCount } from '../../shared/format.ts';
import classes from './failover.module.css';

/** Beyond this the clocks of the two are said to be apart. */
const CLOCK_TOLERANCE_MS = 2_000;
/** As much of a key's SHA-256 as people compare. */
const KEY_SHOWN_CHARACTERS = 16;

interface SidesTableProps {
  self: SideState;
  /** As it was last heard of. */
  peer: SideState;
  state: FailoverState;
}

/** Both appliances side by side. */
export function SidesTable({ self, peer, state }: SidesTableProps) {
  const { t } = useTranslation();
  const rows: [string, (side: SideState) => React.ReactNode][] = [
    ['role', (side) => t(`shared:pair.role.${side.role}`)],
    ['reach', (side) => <Reach state={state} isSelf={side === self} />],
    ['address', (side) => (side.endpoint === null ? '–' : <code>{`${side.endpoint.host}:${side.endpoint.port}`}</code>)],
    ['version', (side) => (isHeardOf(side) ? side.version : '–')],
    ['clients', (side) => (isHeardOf(side) ? formatCount(side.clientsOnline) : '–')],
    ['sessions', (side) => (isHeardOf(side) ? formatCount(side.sessions) : '–')],
    ['free', (side) => (side.freeBytes === null ? '–' : formatBytes(side.freeBytes))],
    ['clock', (side) => <Clock side={side} isKnown={side !== self && state.peerState === 'reachable'} />],
    ['epoch', (side) => String(side.epoch)],
    ['key', (side) => <code title={side.keySha256}>{side.keySha256.slice(0, KEY_SHOWN_CHARACTERS)}</code>],
  ];
  return (
    <div className={classes['box']}>
      <table className={classes['sides']} aria-label={t('failover:sides.title')}>
        <thead>
          <tr>
            <td />
            <th scope="col">
              {self.appliance} <span className="b-quiet">{t('failover:sides.here')}</span>
            </th>
            <th scope="col">{peer.appliance}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, show]) => (
            <tr key={name}>
              <th scope="row">{t(`failover:sides.${name}`)}</th>
              <td>{show(self)}</td>
              <td>{show(peer)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Whether this appliance has heard the side since it was started: before that, only name and address are known. */
function isHeardOf({ version }: SideState): boolean {
  return version !== '';
}

function Reach({ state, isSelf }: { state: FailoverState; isSelf: boolean }) {
  const { t } = useTranslation();
  if (isSelf) return <StateMark tone="ok">{t('failover:sides.self')}</StateMark>;
  const isReachable = state.peerState === 'reachable';
  return (
    <StateMark tone={isReachable ? 'ok' : 'bad'}>{t(`failover:sides.${isReachable ? 'reachable' : 'unreachable'}`)}</StateMark>
  );
}

function Clock({ side, isKnown }: { side: SideState; isKnown: boolean }) {
  const { t, i18n } = useTranslation();
  if (!isKnown || side.clockOffsetMs === null) return '–';
  const isApart = Math.abs(side.clockOffsetMs) > CLOCK_TOLERANCE_MS;
  const seconds = (side.clockOffsetMs / 1000).toLocaleString(i18n.language, {
    maximumFractionDigits: 1,
    signDisplay: 'exceptZero',
  });
  return (
    <StateMark tone={isApart ? 'warn' : 'ok'}>
      {t(isApart ? 'failover:sides.clockApart' : 'failover:sides.clockOk', { seconds })}
    </StateMark>
  );
}
