import { useEffect, useRef, useState, type DragEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Progress, Text } from '@mantine/core';
import type { UpdatesState } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { finishUpload, uploadFile, type UploadPhase } from './upload-file.ts';
import { isWhole } from './updates-model.ts';
import { useRefreshUpdates, type FinishedUpload } from './updates-queries.ts';
import classes from './updates.module.css';

const ACCEPTED = '.bascule-update,.zst,.tar';
type Unfinished = UpdatesState['uploads'][number];
type Outcome = { targets: string[] } | { error: unknown };

/** Update Software (B74): a file, chosen or dropped, is sent in parts and verified; its packages then are among the available updates. */
export function UploadPanel({ state }: { state: UpdatesState }) {
  const { t } = useTranslation();
  const { file, phase, outcome, begin, verify, stop } = useUpload();
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const isSending = phase !== undefined;
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const dropped = event.dataTransfer.files[0];
    if (dropped !== undefined && !isSending) begin(dropped);
  };
  return (
    <div
      className={classes['panel']}
      data-over={isOver}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <h3>{t('updates:upload.title')}</h3>
      <Text>{t('updates:upload.note')}</Text>
      <div className={classes['dropZone']}>
        <span>{t('updates:upload.drop')}</span>
        <Button disabled={isSending} onClick={() => input.current?.click()}>
          {t('updates:upload.choose')}
        </Button>
        <input
          ref={input}
          type="file"
          accept={ACCEPTED}
          className="b-visually-hidden"
          tabIndex={-1}
          aria-label={t('updates:upload.choose')}
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0];
            if (chosen !== undefined) begin(chosen);
            event.currentTarget.value = '';
          }}
        />
      </div>
      {file !== undefined && phase !== undefined && <Sending file={file} phase={phase} onStop={stop} />}
      {outcome !== undefined && 'error' in outcome && <FormFailure error={outcome.error} />}
      {outcome !== undefined && 'targets' in outcome && (
        <Alert color="green" role="status" py="xs">
          {t('updates:upload.done', { count: outcome.targets.length })}
        </Alert>
      )}
      {!isSending && <UnfinishedUploads uploads={state.uploads} onVerify={verify} />}
    </div>
  );
}

function useUpload() {
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [file, setFile] = useState<Pick<File, 'name' | 'size'>>();
  const [phase, setPhase] = useState<UploadPhase>();
  const [outcome, setOutcome] = useState<Outcome>();
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);
  const work = (name: Pick<File, 'name' | 'size'>, send: (signal: AbortSignal) => Promise<FinishedUpload>) => {
    const controller = new AbortController();
    abort.current = controller;
    setFile(name);
    setOutcome(undefined);
    send(controller.signal)
      .then((finished) => setOutcome({ targets: finished.targets }))
      .catch((error: unknown) => {
        if (!controller.signal.aborted) setOutcome({ error });
      })
      .finally(() => {
        setPhase(undefined);
        void refresh();
      });
  };
  const begin = (chosen: File) => work(chosen, (signal) => uploadFile(api, chosen, signal, setPhase));
  const verify = (upload: Unfinished) =>
    work({ name: upload.name, size: upload.totalBytes }, () => {
      setPhase({ phase: 'verifying' });
      return finishUpload(api, upload.id);
    });
  return { file, phase, outcome, begin, verify, stop: () => abort.current?.abort() };
}

function Sending({ file, phase, onStop }: { file: Pick<File, 'name' | 'size'>; phase: UploadPhase; onStop: () => void }) {
  const { t } = useTranslation();
  const sentBytes = phase.phase === 'sending' ? phase.sentBytes : phase.phase === 'verifying' ? file.size : 0;
  return (
    <div className={classes['sending']}>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text role="status" truncate>
          {t(`updates:upload.phase.${phase.phase}`, { name: file.name })}
        </Text>
        <Button variant="default" disabled={phase.phase === 'verifying'} onClick={onStop}>
          {t('updates:upload.pause')}
        </Button>
      </Group>
      <Progress value={(sentBytes / file.size) * 100} aria-label={file.name} my={6} />
      <Text className="b-quiet">
        {t('updates:progress.of.bytes', { done: formatBytes(sentBytes), total: formatBytes(file.size) })}
      </Text>
    </div>
  );
}

/** Uploads that were begun, perhaps before a reload: the same file, chosen again, goes on where it stopped. */
function UnfinishedUploads({ uploads, onVerify }: { uploads: Unfinished[]; onVerify: (upload: Unfinished) => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const discard = (id: string) => {
    api
      .delete(apiPaths.upload(id), anyAnswer)
      .then(refresh)
      .catch((error: unknown) => notifyFailure(error));
  };
  if (uploads.length === 0) return null;
  return (
    <ul className={classes['unfinished']} aria-label={t('updates:upload.unfinished')}>
      {uploads.map((upload) => (
        <li key={upload.id}>
          <span>
            {t(isWhole(upload) ? 'updates:upload.notVerified' : 'updates:upload.goOn', {
              name: upload.name,
              done: formatBytes(upload.receivedBytes),
              total: formatBytes(upload.totalBytes),
            })}
          </span>
          {isWhole(upload) && (
            <Button onClick={() => onVerify(upload)} aria-label={t('updates:upload.verifyName', { name: upload.name })}>
              {t('updates:upload.verify')}
            </Button>
          )}
          <Button
            variant="default"
            onClick={() => discard(upload.id)}
            aria-label={t('updates:upload.discardName', { name: upload.name })}
          >
            {t('updates:upload.discard')}
          </Button>
        </li>
      ))}
    </ul>
  );
}
