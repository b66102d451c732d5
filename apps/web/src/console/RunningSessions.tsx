import { Button } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { AccessSessionRow } from '@bascule/protocol/api/access-sessions.ts';
import { formatMinute } from '../shared/format.ts';
import classes from './console.module.css';

/** This person's sessions that run without a tab here: left running, or opened in another window. */
export function RunningSessions({
  rows,
  onOpen,
}: {
  rows: readonly AccessSessionRow[];
  onOpen: (row: AccessSessionRow) => void;
}) {
  const { t } = useTranslation('console');
  if (rows.length === 0) return null;
  return (
    <section className={classes['running']} aria-label={t('tabs.resume')}>
      <div>
        <strong>{t('tabs.resume')}</strong> <span className="b-quiet">{t('tabs.resumeHint')}</span>
      </div>
      <ul>
        {rows.map((row) => (
          <li key={row.id}>
            <Button
              size="compact-sm"
              variant="light"
              aria-label={t('tabs.open', { name: row.jumpItemName })}
              onClick={() => onOpen(row)}
            >
              {row.jumpItemName}
              <span className={classes['runningSince']}>{t('tabs.openedAt', { time: formatMinute(row.startedAtMs) })}</span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  );
}
