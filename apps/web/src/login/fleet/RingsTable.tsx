import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Rollout } from '@bascule/protocol/api/fleet.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { formatCount, formatDuration, formatInstant } from '../../shared/format.ts';
import { useTickingNow } from '../../appliance/updates/use-ticking-now.ts';
import type { Tone } from './fleet-model.ts';
import classes from './fleet.module.css';

type Ring = Rollout['rings'][number];
const TONES: Record<Ring['state'], Tone> = { waiting: 'off', open: 'ok', done: 'ok', halted: 'bad' };

/** The rings in their order: which is open, and when the next one opens. */
export function RingsTable({ rollout }: { rollout: Rollout }) {
  const { t } = useTranslation();
  const nowMs = useTickingNow(rollout.nowMs);
  const seconds = Math.floor(nowMs / 1000);
  const columns = useMemo<Column<Ring>[]>(() => {
    const count = (key: string, header: string, value: (counts: Ring['counts']) => number): Column<Ring> => ({
      key,
      header,
      cell: (ring) => formatCount(value(ring.counts)),
      align: 'right',
    });
    return [
      { key: 'name', header: t('fleet:ring.name'), cell: (ring) => <span style={{ fontWeight: 550 }}>{ring.name}</span> },
      {
        key: 'state',
        header: t('fleet:ring.state'),
        cell: (ring) => <StateMark tone={TONES[ring.state]}>{t(`fleet:ring.states.${ring.state}`)}</StateMark>,
      },
      { key: 'opens', header: t('fleet:ring.opens'), cell: (ring) => <Opens ring={ring} nowMs={seconds * 1000} /> },
      count('total', t('fleet:ring.total'), (counts) => counts.total),
      count('current', t('fleet:segment.current'), (counts) => counts.current),
      count('pending', t('fleet:ring.pending'), (counts) => counts.pending),
      count('absent', t('fleet:ring.absent'), (counts) => counts.absent),
      count('now', t('fleet:ring.now'), (counts) => counts.downloading + counts.restarting),
      count('waitingForSession', t('fleet:segment.waitingForSession'), (counts) => counts.waitingForSession),
      count('unsupported', t('fleet:ring.unsupported'), (counts) => counts.unsupported),
      count('failed', t('fleet:ring.failed'), (counts) => counts.failed + counts.rolledBack),
    ];
  }, [t, seconds]);
  return (
    <div className={classes['rings']}>
      <DataTable
        label={t('fleet:ring.title')}
        rows={rollout.rings}
        rowKey={(ring) => String(rollout.rings.indexOf(ring))}
        columns={columns}
        empty={t('fleet:ring.none')}
      />
    </div>
  );
}

function Opens({ ring, nowMs }: { ring: Ring; nowMs: number }) {
  const { t } = useTranslation();
  if (ring.state !== 'waiting') return <span className="b-quiet">–</span>;
  if (ring.opensAtMs === null) return <>{t('fleet:ring.opensAfter')}</>;
  const leftMs = ring.opensAtMs - nowMs;
  return (
    <span title={formatInstant(ring.opensAtMs)}>
      {leftMs > 0 ? t('fleet:ring.opensIn', { time: formatDuration(leftMs) }) : t('fleet:ring.opensNow')}
    </span>
  );
}
