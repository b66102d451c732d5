import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { LOSSES_LISTED_MAX, type Losses } from '@bascule/protocol/losses.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Headline, HeadlineNote } from '../../shared/Headline.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import { worstFirst } from './trust-model.ts';
import classes from './trust.module.css';

type Loss = Losses['list'][number];

/** Columns that a dialogue has no room for. */
const WIDE_COLUMNS = new Set(['what', 'seen']);

/** Counts first, then each that would have trouble: why, and what to do. `isShort`: in a dialogue. */
export function LossesResult({ losses, isShort = false }: { losses: Losses; isShort?: boolean }) {
  const { t } = useTranslation();
  const { lost, trouble, connected, seenLately } = losses;
  const rows = useMemo(() => worstFirst(losses.list), [losses]);
  const allColumns = useLossColumns();
  const columns = useMemo(() => allColumns.filter(({ key }) => !isShort || !WIDE_COLUMNS.has(key)), [allColumns, isShort]);
  const looked = { connected: formatCount(connected), seen: formatCount(seenLately) };
  const ofBoth = [
    t('trust:losses.lost', { count: lost, number: formatCount(lost) }),
    t('trust:losses.trouble', { count: trouble, number: formatCount(trouble) }),
  ];
  const tone = lost > 0 ? 'bad' : trouble > 0 ? 'warn' : 'ok';
  return (
    <div className={classes['result']}>
      <Headline tone={tone} text={lost + trouble === 0 ? t('trust:losses.nobody') : ofBoth.join(' · ')}>
        <HeadlineNote>{t('trust:losses.looked', looked)}</HeadlineNote>
      </Headline>
      {rows.length > 0 && <DataTable label={t('trust:losses.list')} rows={rows} rowKey={rowKey} columns={columns} empty="" />}
      {lost + trouble > rows.length && (
        <HeadlineNote>{t('trust:losses.cut', { shown: formatCount(LOSSES_LISTED_MAX) })}</HeadlineNote>
      )}
    </div>
  );
}

function rowKey(loss: Loss): string {
  return `${loss.what} ${loss.id} ${loss.code}`;
}

function useLossColumns(): Column<Loss>[] {
  const { t } = useTranslation();
  return useMemo<Column<Loss>[]>(
    () => [
      {
        key: 'severity',
        header: t('trust:losses.severity'),
        cell: (loss) => (
          <StateMark tone={loss.severity === 'lost' ? 'bad' : 'warn'}>{t(`trust:severity.${loss.severity}`)}</StateMark>
        ),
        sortBy: (loss) => (loss.severity === 'lost' ? 0 : 1),
      },
      {
        key: 'name',
        header: t('trust:losses.name'),
        cell: (loss) => <span style={{ fontWeight: 550 }}>{loss.name}</span>,
        sortBy: (loss) => loss.name,
      },
      {
        key: 'what',
        header: t('trust:losses.what'),
        cell: (loss) => t(`trust:what.${loss.what}`),
        sortBy: (loss) => loss.what,
      },
      {
        key: 'why',
        header: t('trust:losses.why'),
        cell: (loss) => (
          <>
            {t(`trust:code.${loss.code}`)} {loss.detail !== '' && <span className="b-mono b-quiet">{loss.detail}</span>}
          </>
        ),
        sortBy: (loss) => loss.code,
        wrap: true,
      },
      { key: 'do', header: t('trust:losses.do'), cell: (loss) => t(`trust:codeDo.${loss.code}`), wrap: true },
      {
        key: 'seen',
        header: t('trust:losses.seen'),
        cell: (loss) =>
          loss.lastSeenAtMs === null ? (
            <span className="b-quiet">–</span>
          ) : (
            <span className="b-mono">{formatMinute(loss.lastSeenAtMs)}</span>
          ),
        sortBy: (loss) => loss.lastSeenAtMs ?? 0,
      },
    ],
    [t],
  );
}
