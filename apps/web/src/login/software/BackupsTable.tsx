import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { BackupRecord } from '@bascule/protocol/api/backup.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { RowMenu, type RowAction } from '../../shared/RowMenu.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatInstant, formatMinute } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { problemText } from '../installers/problem-text.ts';
import { BackupDialog } from './BackupDialog.tsx';
import { CheckDialog } from './CheckDialog.tsx';
import { INCLUDE_PARTS, isCancelled, toneOfBackup, type Backups } from './software-model.ts';
import { useBackupActions } from './use-backup-actions.tsx';

/** The backups, newest first: when, by whom, where, how large, what is inside, whether it was restored on trial, and the file. */
export function BackupsTable({ backups }: { backups: Backups | undefined }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState<string>();
  const [checked, setChecked] = useState<BackupRecord>();
  const { deleteOf, check, dialog } = useBackupActions(backups, setChecked);
  const isBusy = backups?.running !== null;
  const columns = useColumns(setShown, check, deleteOf, isBusy);
  const record = backups?.backups.find(({ id }) => id === shown);
  return (
    <>
      <DataTable
        label={t('backup:list.title')}
        rows={backups?.backups}
        rowKey={(one) => one.id}
        columns={columns}
        initialSort={[{ id: 'made', desc: true }]}
        empty={t('backup:list.empty')}
      />
      {record !== undefined && <BackupDialog record={record} onClose={() => setShown(undefined)} />}
      {checked !== undefined && <CheckDialog record={checked} onClose={() => setChecked(undefined)} />}
      {dialog}
    </>
  );
}

function useColumns(
  show: (id: string) => void,
  check: (record: BackupRecord) => void,
  deleteOf: (record: BackupRecord) => () => void,
  isBusy: boolean,
): Column<BackupRecord>[] {
  const { t } = useTranslation();
  const actionsFor = useMemo(
    () =>
      (record: BackupRecord): RowAction[] => [
        { label: t('backup:list.details'), act: () => show(record.id) },
        ...(record.bytes === null || isBusy ? [] : [{ label: t('backup:list.check'), act: () => check(record) }]),
        ...(isUnderWay(record) ? [] : [{ label: `${t('shared:delete')} …`, dangerous: true, act: deleteOf(record) }]),
      ],
    [t, show, check, deleteOf, isBusy],
  );
  return useMemo<Column<BackupRecord>[]>(
    () => [
      {
        key: 'made',
        header: t('backup:list.made'),
        cell: (record) => <span className="b-mono">{formatMinute(record.madeAtMs)}</span>,
        sortBy: (record) => record.madeAtMs,
      },
      {
        key: 'state',
        header: t('backup:list.state'),
        cell: (record) => <State record={record} />,
        sortBy: (record) => record.state,
        wrap: true,
      },
      { key: 'inside', header: t('backup:list.inside'), cell: (record) => <Inside record={record} />, wrap: true },
      {
        key: 'size',
        header: t('backup:list.size'),
        cell: (record) => (record.bytes === null ? '–' : formatBytes(record.bytes)),
        sortBy: (record) => record.bytes ?? 0,
        align: 'right',
      },
      {
        key: 'where',
        header: t('backup:list.where'),
        cell: (record) => (record.destination === 'here' ? t('backup:destination.here') : record.destinationName),
        sortBy: (record) => record.destinationName,
      },
      { key: 'by', header: t('backup:list.by'), cell: (record) => <MadeBy record={record} />, sortBy: (record) => record.madeBy },
      {
        key: 'file',
        header: t('backup:list.file'),
        cell: (record) => record.isHere && record.state !== 'making' && record.bytes !== null && <Download record={record} />,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (record) => <RowMenu name={nameOf(record)} actions={actionsFor(record)} />,
      },
    ],
    [t, actionsFor],
  );
}

function Download({ record }: { record: BackupRecord }) {
  const { t } = useTranslation();
  const api = useApi();
  return (
    <Button
      component="a"
      href={api.url(apiPaths.backupFile(record.id))}
      download={record.fileName}
      variant="default"
      aria-label={t('backup:list.downloadName', { name: nameOf(record) })}
    >
      {t('backup:list.download')}
    </Button>
  );
}

/** A backup is known by when it was made. */
function nameOf(record: BackupRecord): string {
  return formatMinute(record.madeAtMs);
}

function isUnderWay({ state }: BackupRecord): boolean {
  return state === 'making' || state === 'checking';
}

function MadeBy({ record }: { record: BackupRecord }) {
  const { t } = useTranslation();
  return <>{record.reason === 'person' ? record.madeBy : t(`backup:by.${record.reason}`)}</>;
}

function State({ record }: { record: BackupRecord }) {
  const { t } = useTranslation();
  const { problem, checkedAtMs } = record;
  return (
    <>
      <StateMark tone={toneOfBackup(record)}>
        {t(isCancelled(record) ? 'backup:state.cancelled' : `backup:state.${record.state}`)}
      </StateMark>
      {record.state === 'restorable' && checkedAtMs !== null && (
        <span title={formatInstant(checkedAtMs)}>, {t('backup:checkedShort', { at: formatMinute(checkedAtMs) })}</span>
      )}
      {problem !== null && !isCancelled(record) && <span>: {problemText(problem)}</span>}
    </>
  );
}

function Inside({ record }: { record: BackupRecord }) {
  const { t } = useTranslation();
  const parts = INCLUDE_PARTS.filter((part) => record.include[part]).map((part) => t(`backup:inside.${part}`));
  return (
    <>
      {[t('backup:inside.configuration'), ...parts].join(', ')}
      <span className="b-quiet"> · {t(record.isEncrypted ? 'backup:inside.encrypted' : 'backup:inside.open')}</span>
    </>
  );
}
