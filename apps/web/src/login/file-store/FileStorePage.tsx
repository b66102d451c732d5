import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, Group, Progress, Skeleton, TextInput } from '@mantine/core';
import type { FileStoreState, StoredFile } from '@bascule/protocol/api/file-store.ts';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { FileLimitsSection } from './FileLimitsSection.tsx';
import { FilesTable } from './FilesTable.tsx';
import { UploadFiles } from './UploadFiles.tsx';
import { MEBIBYTE_BYTES, matching, quotaTone } from './file-store-model.ts';
import { useFileStore, useRefreshFileStore } from './file-store-queries.ts';
import classes from './file-store.module.css';

const PAGE_HEIGHT_PX = 320;
const SEARCH_MAX_CHARACTERS = 100;

/** Configuration > File Store (B155, B187): upload, list, download, rename, delete and take back, and the quota. */
export function FileStorePage() {
  const { t } = useTranslation();
  const store = useFileStore();
  const state = store.data;
  if (state === undefined)
    return store.isError ? <QueryFailure query={store} /> : <Skeleton height={PAGE_HEIGHT_PX} aria-label={t('shared:loading')} />;
  return (
    <>
      <Section title={t('file-store:title')} note={t('file-store:note')}>
        <Quota state={state} />
        <UploadFiles state={state} />
      </Section>
      <FilesSection state={state} />
      <FileLimitsSection saved={state.settings} />
    </>
  );
}

/** How full the store is. */
function Quota({ state }: { state: FileStoreState }) {
  const { t } = useTranslation();
  const quotaBytes = state.settings.quotaMebibytes * MEBIBYTE_BYTES;
  const percent = Math.min(100, (state.usedBytes / quotaBytes) * 100);
  const tone = quotaTone(state.usedBytes, quotaBytes);
  const values = { used: formatBytes(state.usedBytes), quota: formatBytes(quotaBytes) };
  return (
    <div className={classes['quota']}>
      <p>
        <StateMark tone={tone}>{t('file-store:quota', values)}</StateMark>
      </p>
      <Progress
        value={percent}
        color={tone === 'ok' ? 'accent' : tone === 'warn' ? 'yellow' : 'red'}
        aria-label={t('file-store:quota', values)}
      />
    </div>
  );
}

function FilesSection({ state }: { state: FileStoreState }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const rows = useMemo<StoredFile[]>(() => matching(state.files, text), [state.files, text]);
  return (
    <Section
      title={t('file-store:list.title')}
      actions={
        <TextInput
          size="xs"
          w={240}
          type="search"
          aria-label={t('file-store:list.search')}
          placeholder={t('file-store:list.search')}
          value={text}
          maxLength={SEARCH_MAX_CHARACTERS}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      }
    >
      <div className={classes['above']}>
        <span role="status">{t('file-store:list.found', { count: rows.length, number: formatCount(rows.length) })}</span>
        <Deleted deleted={state.deleted} />
      </div>
      <FilesTable files={rows} isFiltered={text.trim() !== ''} />
    </Section>
  );
}

/** What was deleted a moment ago, and the way back. Its line is kept, so that the list does not move. */
function Deleted({ deleted }: { deleted: FileStoreState['deleted'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFileStore();
  const undo = (id: string) => {
    api
      .post(apiPaths.undeleteStoredFile(id), anyAnswer)
      .catch((error: unknown) => notifyFailure(error))
      .finally(() => void refresh());
  };
  return (
    <div className={classes['deleted']} role="status">
      {deleted.map(({ id, name }) => (
        <Group key={id} gap="xs" wrap="nowrap">
          <span className={classes['deletedName']}>{t('file-store:deleted.text', { name })}</span>
          <Button variant="default" onClick={() => undo(id)} aria-label={t('file-store:deleted.undoName', { name })}>
            {t('shared:undo')}
          </Button>
        </Group>
      ))}
    </div>
  );
}
