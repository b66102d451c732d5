import { useState } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Group, PasswordInput, SegmentedControl, Select, Text, Textarea, TextInput } from '@mantine/core';
import { hostKeyAnswer, type BackupDestination } from '@bascule/protocol/api/backup.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { anyAnswer, ApiError, LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { withinLimits } from '../../shared/number-limits.ts';
import { apiPaths } from '../../shared/paths.ts';
import { bodyOf, draftOf, withChange, type DestinationDraft, type SecretKind } from './destination-draft.ts';
import { useRefreshBackups } from './software-queries.ts';
import classes from './software.module.css';

const PORT_LIMITS = { min: 1, max: 65_535 };
const NAME_MAX_CHARACTERS = 64;
const PATH_MAX_CHARACTERS = 500;
const KINDS = ['sftp', 'folder'] as const;

interface Fields {
  draft: DestinationDraft;
  edit: (part: Partial<DestinationDraft>) => void;
}

/** Adds a destination, or changes one; the appliance tries it before it keeps it. */
export function DestinationDialog({ edited, onClose }: { edited: BackupDestination | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshBackups();
  const [draft, setDraft] = useState(() => draftOf(edited));
  const edit = (part: Partial<DestinationDraft>) => setDraft((before) => withChange(before, part));
  const save = async () => {
    const body = bodyOf(draft);
    if (body === undefined)
      throw new ApiError('BACKUP_DESTINATION_INCOMPLETE', t('backup:destination.incomplete'), { status: 0 });
    if (edited === undefined) await api.post(apiPaths.backupDestinations, anyAnswer, body, LONG_TIMEOUT_MS);
    else await api.put(apiPaths.backupDestination(edited.id), anyAnswer, body);
    await refresh();
    notifyDone(t('backup:destination.saved'));
  };
  return (
    <FormDialog
      title={edited === undefined ? t('backup:destination.add') : t('backup:destination.editTitle', { name: edited.name })}
      confirm={t('backup:destination.save')}
      onSubmit={save}
      onClose={onClose}
    >
      {edited === undefined && (
        <SegmentedControl
          aria-label={t('backup:destination.kind')}
          data={KINDS.map((value) => ({ value, label: t(`backup:destination.kinds.${value}`) }))}
          value={draft.kind}
          onChange={(next) => edit({ kind: KINDS.find((kind) => kind === next) ?? draft.kind })}
        />
      )}
      <TextInput
        label={t('backup:destination.name')}
        value={draft.name}
        onChange={(event) => edit({ name: event.currentTarget.value })}
        maxLength={NAME_MAX_CHARACTERS}
        required
        withAsterisk={false}
        data-autofocus
      />
      {draft.kind === 'folder' ? (
        <TextInput
          label={t('backup:destination.folder')}
          description={t('backup:destination.folderNote')}
          value={draft.folder}
          onChange={(event) => edit({ folder: event.currentTarget.value })}
          maxLength={PATH_MAX_CHARACTERS}
          placeholder="/mnt/backup"
          required
          withAsterisk={false}
        />
      ) : (
        <SftpFields draft={draft} edit={edit} mayKeep={edited !== undefined && isSameAccount(draft, edited)} />
      )}
      <Text className="b-quiet">{t('backup:destination.tried')}</Text>
    </FormDialog>
  );
}

function isSameAccount({ host, port, account }: DestinationDraft, { place }: BackupDestination): boolean {
  return place.kind === 'sftp' && place.host === host && place.port === port && place.account === account;
}

function SftpFields({ draft, edit, mayKeep }: Fields & { mayKeep: boolean }) {
  const { t } = useTranslation();
  const shared = { required: true, withAsterisk: false, autoComplete: 'off' };
  return (
    <>
      <div className={classes['endpoint']}>
        <TextInput
          {...shared}
          label={t('backup:destination.host')}
          value={draft.host}
          onChange={(event) => edit({ host: event.currentTarget.value.trim() })}
          maxLength={255}
        />
        <LimitedNumberInput
          label={t('backup:destination.port')}
          limits={PORT_LIMITS}
          value={draft.port}
          onChange={(port) => edit({ port })}
        />
      </div>
      <HostKeyField draft={draft} edit={edit} />
      <TextInput
        {...shared}
        label={t('backup:destination.account')}
        value={draft.account}
        onChange={(event) => edit({ account: event.currentTarget.value })}
        maxLength={100}
      />
      <SecretFields draft={draft} edit={edit} mayKeep={mayKeep} />
      <TextInput
        {...shared}
        label={t('backup:destination.path')}
        description={t('backup:destination.pathNote')}
        value={draft.path}
        onChange={(event) => edit({ path: event.currentTarget.value })}
        maxLength={PATH_MAX_CHARACTERS}
      />
    </>
  );
}

/** The key by which the server is known from then on: shown, compared by a person with what its administrator says, confirmed. */
function HostKeyField({ draft, edit }: Fields) {
  const { t } = useTranslation();
  const api = useApi();
  const ask = useMutation({
    mutationFn: () => api.post(apiPaths.backupHostKey, hostKeyAnswer, { host: draft.host, port: draft.port }, LONG_TIMEOUT_MS),
    onSuccess: ({ hostKey }) => edit({ hostKey, isHostKeyConfirmed: false }),
  });
  const isAskable = draft.host !== '' && withinLimits(draft.port, PORT_LIMITS);
  return (
    <div className={classes['hostKey']}>
      <Group justify="space-between" gap="xs">
        <span className={classes['label']}>{t('backup:destination.hostKey')}</span>
        <Button variant="default" loading={ask.isPending} disabled={!isAskable} onClick={() => ask.mutate()}>
          {t('backup:destination.askHostKey')}
        </Button>
      </Group>
      <p role="status">
        {draft.hostKey === '' ? (
          <span className="b-quiet">{t('backup:destination.hostKeyNote')}</span>
        ) : (
          <>
            <code>{draft.hostKey}</code> <span className="b-quiet">{ask.data?.kind}</span>
          </>
        )}
      </p>
      <FormFailure error={ask.error} />
      {draft.hostKey !== '' && (
        <Checkbox
          label={t('backup:destination.hostKeyConfirm')}
          description={t('backup:destination.hostKeyHow')}
          checked={draft.isHostKeyConfirmed}
          onChange={(event) => edit({ isHostKeyConfirmed: event.currentTarget.checked })}
        />
      )}
    </div>
  );
}

function SecretFields({ draft, edit, mayKeep }: Fields & { mayKeep: boolean }) {
  const { t } = useTranslation();
  const kinds: SecretKind[] = mayKeep ? ['keep', 'password', 'private-key'] : ['password', 'private-key'];
  const toggle = { 'aria-label': t('login:showPassword') };
  return (
    <>
      <Select
        label={t('backup:destination.secret')}
        data={kinds.map((value) => ({ value, label: t(`backup:destination.secretKind.${value}`) }))}
        value={draft.secretKind}
        onChange={(next) => edit({ secretKind: kinds.find((kind) => kind === next) ?? draft.secretKind })}
      />
      {draft.secretKind === 'password' && (
        <PasswordInput
          label={t('backup:destination.password')}
          value={draft.password}
          onChange={(event) => edit({ password: event.currentTarget.value })}
          maxLength={256}
          autoComplete="off"
          visibilityToggleButtonProps={toggle}
        />
      )}
      {draft.secretKind === 'private-key' && (
        <>
          <Textarea
            label={t('backup:destination.privateKey')}
            description={t('backup:destination.privateKeyNote')}
            value={draft.privateKey}
            onChange={(event) => edit({ privateKey: event.currentTarget.value })}
            maxLength={20_000}
            autosize
            minRows={3}
            maxRows={6}
            autoComplete="off"
            spellCheck={false}
            classNames={{ input: 'b-mono' }}
          />
          <PasswordInput
            label={t('backup:destination.passphrase')}
            value={draft.passphrase}
            onChange={(event) => edit({ passphrase: event.currentTarget.value })}
            maxLength={256}
            autoComplete="off"
            visibilityToggleButtonProps={toggle}
          />
        </>
      )}
    </>
  );
}
