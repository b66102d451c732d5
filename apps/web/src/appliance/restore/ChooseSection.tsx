import { useRef, useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, PasswordInput, Progress, Stack, Text } from '@mantine/core';
import { ok } from '@bascule/protocol/api/common.ts';
import { restoreUpload, startRestoreUpload, type RestoreState } from '@bascule/protocol/api/restore.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer, type ApiClient } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes } from '../../shared/format.ts';
import { notifyFailure } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { sendInParts, sha256Of } from '../../shared/send-in-parts.ts';
import { remarkText } from './remark-text.ts';
import { rememberPassword } from './restore-password.ts';
import { useRefreshRestore } from './restore-queries.ts';
import classes from './restore.module.css';

const ACCEPTED = '.bascule-backup,.age,.zst';
const NAME_MAX_CHARACTERS = 200;
type Upload = RestoreState['uploads'][number];

/** A backup is sent here, and looked into; nothing is changed by that. */
export function ChooseSection({ state }: { state: RestoreState }) {
  const { t } = useTranslation();
  const { sending, error, begin, stop } = useSending();
  const input = useRef<HTMLInputElement>(null);
  return (
    <Section title={t('restore:choose.title')} note={t('restore:choose.note')}>
      <Stack gap="sm" maw={760}>
        <Group>
          <Button disabled={sending !== undefined} onClick={() => input.current?.click()}>
            {t('restore:choose.file')}
          </Button>
          <input
            ref={input}
            type="file"
            accept={ACCEPTED}
            className="b-visually-hidden"
            tabIndex={-1}
            aria-label={t('restore:choose.file')}
            onChange={(event) => {
              const chosen = event.currentTarget.files?.[0];
              if (chosen !== undefined) begin(chosen);
              event.currentTarget.value = '';
            }}
          />
        </Group>
        {sending !== undefined && (
          <div className={classes['sending']}>
            <Group justify="space-between" wrap="nowrap">
              <Text role="status" truncate>
                {t('restore:choose.sending', { name: sending.name })}
              </Text>
              <Button variant="default" onClick={stop}>
                {t('restore:choose.pause')}
              </Button>
            </Group>
            <Progress value={(sending.sentBytes / sending.totalBytes) * 100} aria-label={sending.name} my={6} />
            <Text className="b-quiet">
              {t('restore:of', { done: formatBytes(sending.sentBytes), total: formatBytes(sending.totalBytes) })}
            </Text>
          </div>
        )}
        <FormFailure error={error} />
        {sending === undefined && state.uploads.length > 0 && (
          <ul className={classes['uploads']} aria-label={t('restore:choose.uploads')}>
            {state.uploads.map((upload) => (
              <UploadRow
                key={upload.id}
                upload={upload}
                inspection={state.inspection?.upload === upload.id ? state.inspection : null}
              />
            ))}
          </ul>
        )}
      </Stack>
    </Section>
  );
}

function useSending() {
  const api = useApi();
  const refresh = useRefreshRestore();
  const [sending, setSending] = useState<{ name: string; sentBytes: number; totalBytes: number }>();
  const [error, setError] = useState<unknown>();
  const abort = useRef<AbortController>(undefined);
  const begin = (file: File) => {
    const controller = new AbortController();
    abort.current = controller;
    setError(undefined);
    const onSent = (sentBytes: number) => setSending({ name: file.name, sentBytes, totalBytes: file.size });
    onSent(0);
    send(api, file, controller.signal, onSent)
      .catch((cause: unknown) => {
        if (!controller.signal.aborted) setError(cause);
      })
      .finally(() => {
        setSending(undefined);
        void refresh();
      });
  };
  return { sending, error, begin, stop: () => abort.current?.abort() };
}

async function send(api: ApiClient, file: File, signal: AbortSignal, onSent: (sentBytes: number) => void): Promise<void> {
  const sha256 = await sha256Of(file);
  const body = startRestoreUpload.parse({
    name: file.name.slice(0, NAME_MAX_CHARACTERS),
    totalBytes: file.size,
    ...(sha256 !== undefined && { sha256 }),
  });
  const { id, receivedBytes } = await api.post(apiPaths.restoreUploads, restoreUpload, body);
  const pathOf = (from: number) => apiPaths.restoreUploadPart(id, from);
  await sendInParts(api, { file, receivedBytes, pathOf, offsetCode: 'UPLOAD_OFFSET', busyCode: 'UPLOAD_BUSY', onSent }, signal);
}

function UploadRow({ upload, inspection }: { upload: Upload; inspection: RestoreState['inspection'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshRestore();
  const [password, setPassword] = useState('');
  const isWhole = upload.receivedBytes === upload.totalBytes;
  const isLooking = inspection?.state === 'running';
  const look = useMutation({
    mutationFn: () => {
      rememberPassword(upload.id, password);
      return api.post(apiPaths.restoreInspect, ok, { upload: upload.id, ...(password !== '' && { password }) });
    },
    onSuccess: refresh,
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    look.mutate();
  };
  const discard = () =>
    api
      .delete(apiPaths.restoreUpload(upload.id), anyAnswer)
      .then(refresh)
      .catch((error: unknown) => notifyFailure(error));
  const size = isWhole
    ? formatBytes(upload.totalBytes)
    : t('restore:choose.goOn', { done: formatBytes(upload.receivedBytes), total: formatBytes(upload.totalBytes) });
  return (
    <li className={classes['upload']}>
      <form onSubmit={submit}>
        <Group align="end" gap="sm">
          <div className={classes['name']}>
            <strong>{upload.name}</strong>
            <span className="b-quiet">{size}</span>
          </div>
          {isWhole && (
            <PasswordInput
              label={t('restore:choose.password')}
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              autoComplete="off"
              w={260}
            />
          )}
          {isWhole && (
            <Button
              type="submit"
              loading={look.isPending || isLooking}
              aria-label={t('restore:choose.lookName', { name: upload.name })}
            >
              {t('restore:choose.look')}
            </Button>
          )}
          <Button
            variant="default"
            disabled={isLooking}
            onClick={() => void discard()}
            aria-label={t('restore:choose.discardName', { name: upload.name })}
          >
            {t('restore:choose.discard')}
          </Button>
        </Group>
      </form>
      {isLooking && (
        <Text role="status" className="b-quiet" mt={6}>
          {t('restore:choose.looking')}
          {inspection.progress !== null && ` ${formatBytes(inspection.progress.done)}`}
        </Text>
      )}
      <FormFailure error={look.error} />
      {inspection?.state === 'failed' && inspection.error !== null && (
        <Alert color="red" role="alert" mt="xs" py="xs">
          {remarkText(inspection.error)}
        </Alert>
      )}
    </li>
  );
}
