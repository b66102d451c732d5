import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button } from '@mantine/core';
import type { BackupDestination } from '@bascule/protocol/api/backup.ts';
import { useConfirm, type Question } from '../../shared/ConfirmDialog.tsx';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { RowMenu } from '../../shared/RowMenu.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { DestinationDialog } from './DestinationDialog.tsx';
import { TestDestination } from './TestDestination.tsx';
import { placeOf } from './destination-choices.ts';
import { useBackupDestinations, useRefreshBackups } from './software-queries.ts';

/** Where backups can go beside this appliance: folders, and servers over SFTP. */
export function DestinationsSection() {
  const { t } = useTranslation();
  const destinations = useBackupDestinations();
  const { ask, dialog } = useConfirm();
  /** Null: a new one. */
  const [edited, setEdited] = useState<BackupDestination | null>();
  const columns = useDestinationColumns(ask, setEdited);
  return (
    <Section
      title={t('backup:destination.title')}
      note={t('backup:destination.note', { path: destinations.data?.here ?? '…' })}
      actions={
        <Button variant="default" onClick={() => setEdited(null)}>
          {t('backup:destination.add')} …
        </Button>
      }
    >
      {destinations.isError && destinations.data === undefined ? (
        <QueryFailure query={destinations} />
      ) : (
        <DataTable
          label={t('backup:destination.title')}
          rows={destinations.data?.destinations}
          rowKey={(one) => one.id}
          columns={columns}
          initialSort={[{ id: 'name', desc: false }]}
          empty={t('backup:destination.empty')}
        />
      )}
      {edited !== undefined && <DestinationDialog edited={edited ?? undefined} onClose={() => setEdited(undefined)} />}
      {dialog}
    </Section>
  );
}

function useDestinationColumns(
  ask: (question: Question) => void,
  edit: (destination: BackupDestination) => void,
): Column<BackupDestination>[] {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  return useMemo<Column<BackupDestination>[]>(() => {
    const remove = (one: BackupDestination) =>
      ask({
        title: t('backup:destination.removeTitle', { name: one.name }),
        consequences: t('backup:destination.removeText'),
        confirm: t('backup:destination.remove'),
        dangerous: true,
        act: async () => {
          await api.delete(apiPaths.backupDestination(one.id), anyAnswer);
          await refresh();
          notifyDone(t('backup:destination.removed'));
        },
      });
    return [
      {
        key: 'name',
        header: t('backup:destination.name'),
        cell: (one) => <span style={{ fontWeight: 550 }}>{one.name}</span>,
        sortBy: (one) => one.name,
      },
      { key: 'kind', header: t('backup:destination.kind'), cell: (one) => t(`backup:destination.kinds.${one.place.kind}`) },
      {
        key: 'place',
        header: t('backup:destination.place'),
        cell: (one) => <span className="b-mono">{placeOf(one)}</span>,
        wrap: true,
      },
      {
        key: 'hostKey',
        header: t('backup:destination.hostKey'),
        cell: (one) => (one.place.kind === 'sftp' ? <span className="b-mono">{one.place.hostKey}</span> : '–'),
        wrap: true,
      },
      {
        key: 'test',
        header: t('backup:destination.test'),
        cell: (one) => <TestDestination id={one.id} name={one.name} />,
        wrap: true,
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (one) => (
          <RowMenu
            name={one.name}
            actions={[
              { label: `${t('backup:destination.edit')} …`, act: () => edit(one) },
              { label: `${t('backup:destination.remove')} …`, dangerous: true, act: () => remove(one) },
            ]}
          />
        ),
      },
    ];
  }, [t, api, refresh, ask, edit]);
}
