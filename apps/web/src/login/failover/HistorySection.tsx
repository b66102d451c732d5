import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import i18next from 'i18next';
import type { Archived, FailoverState, RoleChange } from '@bascule/protocol/api/failover.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { Section } from '../../shared/Section.tsx';
import { formatBytes, formatCount, formatInstant } from '../../shared/format.ts';
import { formatSeconds } from './failover-model.ts';

/** Who was primary when, why it changed and what was lost by it; and what was archived. */
export function HistorySection({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  return (
    <>
      {state.roles.length > 0 && (
        <Section title={t('failover:roles.title')}>
          <RolesTable roles={state.roles} />
        </Section>
      )}
      {state.archives.length > 0 && (
        <Section title={t('failover:archives.title')} note={t('failover:archives.note')}>
          <ArchivesTable archives={state.archives} />
        </Section>
      )}
    </>
  );
}

function RolesTable({ roles }: { roles: RoleChange[] }) {
  const { t, i18n } = useTranslation();
  const columns = useMemo<Column<RoleChange>[]>(
    () => [
      { key: 'at', header: t('failover:roles.at'), cell: ({ atMs }) => <span className="b-mono">{formatInstant(atMs)}</span> },
      { key: 'appliance', header: t('failover:roles.appliance'), cell: ({ appliance }) => appliance },
      { key: 'role', header: t('failover:sides.role'), cell: ({ role }) => t(`shared:pair.role.${role}`) },
      { key: 'reason', header: t('failover:roles.reason'), cell: ({ reason }) => known(`failover:reason.${reason}`, reason) },
      { key: 'by', header: t('failover:roles.by'), cell: ({ by }) => known(`failover:by.${by}`, by) },
      { key: 'epoch', header: t('failover:sides.epoch'), cell: ({ epoch }) => epoch, align: 'right' },
      {
        key: 'lost',
        header: t('failover:roles.lost'),
        cell: ({ lost }) =>
          lost === null || lost.changes === 0
            ? t('shared:none')
            : t('failover:roles.lostText', {
                changes: formatCount(lost.changes),
                seconds: formatSeconds(lost.seconds, i18n.language),
              }),
      },
    ],
    [t, i18n.language],
  );
  return (
    <DataTable
      label={t('failover:roles.title')}
      rows={roles}
      rowKey={({ atMs, appliance, epoch }) => `${atMs} ${appliance} ${epoch}`}
      columns={columns}
      empty={t('shared:none')}
    />
  );
}

function ArchivesTable({ archives }: { archives: Archived[] }) {
  const { t } = useTranslation();
  const columns = useMemo<Column<Archived>[]>(
    () => [
      { key: 'at', header: t('failover:roles.at'), cell: ({ atMs }) => <span className="b-mono">{formatInstant(atMs)}</span> },
      {
        key: 'reason',
        header: t('failover:roles.reason'),
        cell: ({ reason }) => known(`failover:archiveReason.${reason}`, reason),
      },
      { key: 'changes', header: t('failover:archives.changes'), cell: ({ changes }) => formatCount(changes), align: 'right' },
      { key: 'bytes', header: t('failover:archives.size'), cell: ({ bytes }) => formatBytes(bytes), align: 'right' },
    ],
    [t],
  );
  return (
    <DataTable
      label={t('failover:archives.title')}
      rows={archives}
      rowKey={({ id }) => id}
      columns={columns}
      empty={t('shared:none')}
    />
  );
}

/** The text `key` if there is one, else `code`: names of people, and what later versions add. */
function known(key: string, code: string): string {
  return i18next.exists(key) ? i18next.t(key) : code;
}
