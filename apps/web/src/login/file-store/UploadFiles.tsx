import { useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Progress } from '@mantine/core';
import { STORED_FILES_MAX, type FileStoreState, type StoredUpload } from '@bascule/protocol/api/file-store.ts';
import { StateMark, type Tone } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { errorText } from '../../shared/error-text.ts';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshFileStore } from './file-store-queries.ts';
import { QUEUE_MAX_FILES, type QueuedUpload, type UploadState } from './upload-queue.ts';
import { useUploadQueue, type RefusedFile } from './use-upload-queue.ts';
import classes from './file-store.module.css';

const TONES: Record<UploadState, Tone> = { waiting: 'off', sending: 'off', done: 'ok', failed: 'bad', stopped: 'off' };

/** Upload by button or by dragging, several at once; the limits stand there before. */
export function UploadFiles({ state }: { state: FileStoreState }) {
  const { t } = useTranslation();
  const { queue, refused, add, stop, retry, clear } = useUploadQueue(state.uploadMaxBytes);
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add([...event.dataTransfer.files]);
  };
  const underWay = new Set(queue.filter((one) => one.state !== 'stopped').map((one) => one.file.name.normalize('NFC').trim()));
  const hasEnded = refused.length > 0 || queue.some(({ state: one }) => one !== 'waiting' && one !== 'sending');
  return (
    <div
      className={classes['upload']}
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <div className={classes['dropZone']}>
        <span>{t('file-store:upload.drop')}</span>
        <Button onClick={() => input.current?.click()}>{t('file-store:upload.choose')}</Button>
        <input
          ref={input}
          type="file"
          multiple
          className="b-visually-hidden"
          tabIndex={-1}
          aria-label={t('file-store:upload.choose')}
          onChange={(event) => {
            add([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = '';
          }}
        />
      </div>
      <p className={classes['limits']}>
        {t('file-store:upload.limits', {
          size: formatBytes(state.uploadMaxBytes),
          files: formatCount(STORED_FILES_MAX),
          atOnce: formatCount(QUEUE_MAX_FILES),
        })}
      </p>
      {refused.length > 0 && <Refused refused={refused} limitBytes={state.uploadMaxBytes} />}
      {queue.length > 0 && (
        <ul className={classes['queue']} aria-label={t('file-store:upload.queue')}>
          {queue.map((upload) => (
            <Upload key={upload.key} upload={upload} onStop={() => stop(upload.key)} onRetry={() => retry(upload.key)} />
          ))}
        </ul>
      )}
      <UnfinishedUploads uploads={state.uploads.filter((one) => !underWay.has(one.name))} />
      {hasEnded && (
        <Button variant="subtle" onClick={clear}>
          {t('file-store:upload.clear')}
        </Button>
      )}
    </div>
  );
}

function Refused({ refused, limitBytes }: { refused: RefusedFile[]; limitBytes: number }) {
  const { t } = useTranslation();
  return (
    <Alert color="yellow" role="alert" py="xs" mt="xs" title={t('file-store:upload.refused')}>
      <ul className={classes['refused']}>
        {refused.map(({ name, why }, index) => (
          <li key={`${index} ${name}`}>
            {name}: {t(`file-store:refusal.${why}`, { limit: formatBytes(limitBytes), most: formatCount(QUEUE_MAX_FILES) })}
          </li>
        ))}
      </ul>
    </Alert>
  );
}

/** Uploads that were broken off, such as by a closed page: the same file, chosen again, goes on where it stopped. */
function UnfinishedUploads({ uploads }: { uploads: StoredUpload[] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshFileStore();
  const discard = (id: string) => {
    api
      .delete(apiPaths.storedUpload(id), anyAnswer)
      .catch((error: unknown) => notifyFailure(error))
      .finally(() => void refresh());
  };
  if (uploads.length === 0) return null;
  return (
    <ul className={classes['queue']} aria-label={t('file-store:unfinished.title')}>
      {uploads.map(({ id, name, receivedBytes, totalBytes }) => (
        <li key={id} className={classes['uploadHead']}>
          <span>
            {t('file-store:unfinished.goOn', { name, received: formatBytes(receivedBytes), total: formatBytes(totalBytes) })}
          </span>
          <Button variant="default" onClick={() => discard(id)} aria-label={t('file-store:unfinished.discardName', { name })}>
            {t('file-store:unfinished.discard')}
          </Button>
        </li>
      ))}
    </ul>
  );
}

function Upload({ upload, onStop, onRetry }: { upload: QueuedUpload; onStop: () => void; onRetry: () => void }) {
  const { t } = useTranslation();
  const { file, state, sentBytes, error } = upload;
  const isOpen = state === 'waiting' || state === 'sending';
  const percent = file.size === 0 ? (state === 'done' ? 100 : 0) : (sentBytes / file.size) * 100;
  return (
    <li>
      <div className={classes['uploadHead']}>
        <span className={classes['uploadName']} title={file.name}>
          {file.name}
        </span>
        <span className={classes['uploadState']} data-failed={state === 'failed'} role={state === 'failed' ? 'alert' : undefined}>
          <StateMark tone={TONES[state]}>
            {state === 'sending'
              ? t('file-store:upload.of', { sent: formatBytes(sentBytes), total: formatBytes(file.size) })
              : t(`file-store:upload.state.${state}`)}
            {state === 'failed' && ` ${errorText(error)}`}
          </StateMark>
        </span>
        {isOpen && (
          <Button variant="default" onClick={onStop} aria-label={t('file-store:upload.stopName', { name: file.name })}>
            {t('shared:cancel')}
          </Button>
        )}
        {state === 'failed' && (
          <Button variant="default" onClick={onRetry} aria-label={t('file-store:upload.retryName', { name: file.name })}>
            {t('shared:retry')}
          </Button>
        )}
      </div>
      <Progress value={percent} size="sm" aria-label={file.name} />
    </li>
  );
}
