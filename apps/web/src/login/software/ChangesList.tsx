import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group, Skeleton } from '@mantine/core';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { formatCount, formatMinute } from '../../shared/format.ts';
import type { Backups } from './software-model.ts';
import { useBackupChanges } from './software-queries.ts';
import classes from './software.module.css';

/** What was configured since the last backup (B189): a backup made now would hold it. Read when it is opened. */
export function ChangesList({ last }: { last: Backups['last'] }) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(false);
  const changes = useBackupChanges(isOpen);
  if (last === null || last.changesSince === 0) return null;
  const rows = changes.data?.pages.flatMap((page) => page.changes) ?? [];
  return (
    <details className={classes['changes']} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('backup:changes.title', { count: last.changesSince, number: formatCount(last.changesSince) })}</summary>
      {changes.data === undefined && changes.isError && <QueryFailure query={changes} />}
      {isOpen && changes.data === undefined && !changes.isError && (
        <Skeleton height={60} mt="xs" aria-label={t('shared:loading')} />
      )}
      {rows.length > 0 && (
        <ol aria-label={t('backup:changes.label')} tabIndex={0}>
          {rows.map((change) => (
            <li key={change.row}>
              <span className="b-mono b-quiet">{formatMinute(change.atMs)}</span> <span>{change.text}</span>{' '}
              <span className="b-quiet">{change.actor}</span>
            </li>
          ))}
        </ol>
      )}
      {changes.hasNextPage && (
        <Group mt="xs">
          <Button variant="default" loading={changes.isFetchingNextPage} onClick={() => void changes.fetchNextPage()}>
            {t('shared:more')}
          </Button>
        </Group>
      )}
    </details>
  );
}
