import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Anchor } from '@mantine/core';
import type { StoredFile } from '@bascule/protocol/api/file-store.ts';
import { DataTable, type Column } from '../../shared/DataTable.tsx';
import { RowMenu } from '../../shared/RowMenu.tsx';
import { StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatInstant, formatMinute } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { EditFileDialog } from './EditFileDialog.tsx';
import { useRefreshFileStore } from './file-store-queries.ts';

/** The files; the name downloads. Deleting needs no question: it can be taken back for some seconds. */
export function FilesTable({ files, isFiltered }: { files: StoredFile[]; isFiltered: boolean }) {
  const { t } = useTranslation();
  const [edited, setEdited] = useState<StoredFile>();
  const columns = useFileColumns(setEdited);
  return (
    <>
      <DataTable
        label={t('file-store:list.title')}
        rows={files}
        rowKey={(file) => file.id}
        columns={columns}
        initialSort={[{ id: 'name', desc: false }]}
        empty={t(isFiltered ? 'file-store:list.noMatch' : 'file-store:list.empty')}
      />
      {edited !== undefined && <EditFileDialog file={edited} onClose={() => setEdited(undefined)} />}
    </>
  );
}

function useFileColumns(edit: (file: StoredFile) => void): Column<StoredFile>[] {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFileStore();
  return useMemo<Column<StoredFile>[]>(() => {
    const remove = (file: StoredFile) => {
      api
        .delete(apiPaths.storedFile(file.id), anyAnswer)
        .catch((error: unknown) => notifyFailure(error))
        .finally(() => void refresh());
    };
    return [
      {
        key: 'name',
        header: t('file-store:list.name'),
        cell: (file) =>
          file.isHere ? (
            <Anchor
              href={api.url(apiPaths.storedFile(file.id))}
              download={file.name}
              inherit
              fw={550}
              aria-label={t('file-store:list.downloadName', { name: file.name })}
            >
              {file.name}
            </Anchor>
          ) : (
            <>
              <span style={{ fontWeight: 550 }}>{file.name}</span>{' '}
              <StateMark tone="warn">{t('file-store:list.notHere')}</StateMark>
            </>
          ),
        sortBy: (file) => file.name,
        wrap: true,
      },
      {
        key: 'size',
        header: t('file-store:list.size'),
        cell: (file) => formatBytes(file.bytes),
        sortBy: (file) => file.bytes,
        align: 'right',
      },
      {
        key: 'uploaded',
        header: t('file-store:list.uploaded'),
        cell: (file) => (
          <span className="b-mono" title={formatInstant(file.uploadedAtMs)}>
            {formatMinute(file.uploadedAtMs)}
          </span>
        ),
        sortBy: (file) => file.uploadedAtMs,
      },
      { key: 'by', header: t('file-store:list.by'), cell: (file) => file.uploadedBy, sortBy: (file) => file.uploadedBy },
      {
        key: 'description',
        header: t('file-store:list.description'),
        cell: (file) => file.description,
        sortBy: (file) => file.description,
        wrap: true,
      },
      {
        key: 'hash',
        header: 'SHA-256',
        cell: (file) => (
          <span className="b-mono b-quiet" title={file.sha256}>
            {file.sha256.slice(0, 12)}…
          </span>
        ),
      },
      {
        key: 'actions',
        header: t('shared:actions'),
        hideHeader: true,
        align: 'right',
        cell: (file) => (
          <RowMenu
            name={file.name}
            actions={[
              { label: `${t('file-store:list.edit')} …`, act: () => edit(file) },
              { label: t('shared:delete'), dangerous: true, act: () => remove(file) },
            ]}
          />
        ),
      },
    ];
  }, [t, api, refresh, edit]);
}
