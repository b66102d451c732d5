import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Checkbox, List, Modal, PasswordInput, Text, TextInput } from '@mantine/core';
import { ok } from '@bascule/protocol/api/common.ts';
import { resetState, type ResetState } from '@bascule/protocol/api/reset.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { formatBytes, formatCount } from '../../shared/format.ts';
import { apiPaths, pagePaths } from '../../shared/paths.ts';
import { ERASING_HASH } from './erasing-hash.ts';

/** Reset to factory defaults (B8, B207): what goes, the name typed, the password once more. */
export function ResetDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const reset = useQuery({
    queryKey: ['reset'],
    queryFn: ({ signal }) => api.get(apiPaths.reset, resetState, {}, signal),
    staleTime: 0,
  });
  if (reset.data !== undefined && reset.data.refused === null) return <ResetForm state={reset.data} onClose={onClose} />;
  return (
    <Modal opened onClose={onClose} title={t('reset:reset.button')} closeButtonProps={{ 'aria-label': t('shared:close') }}>
      {reset.data === undefined ? (
        <Text>{reset.isError ? t('reset:power.unknown') : t('shared:loading')}</Text>
      ) : (
        <Alert color="yellow">
          {t('reset:reset.refused')} <span lang="en">{reset.data.refused}</span>
        </Alert>
      )}
    </Modal>
  );
}

function ResetForm({ state, onClose }: { state: ResetState; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [keepBackups, setKeepBackups] = useState(false);
  const [shutDownAfter, setShutDownAfter] = useState(false);
  const submit = async () => {
    await api.post(apiPaths.reset, ok, { applianceName: name, password, keepBackups, shutDownAfter });
    // The page shows how far it is, and the report of erasure, when base is back.
    location.assign(`${pagePaths.appliance}${ERASING_HASH}`);
  };
  return (
    <FormDialog
      title={t('reset:reset.button')}
      confirm={t('reset:reset.confirm')}
      onSubmit={submit}
      onClose={onClose}
      size="xl"
      dangerous
    >
      {(faultOf) => (
        <>
          <Alert color="red" role="note">
            {t('reset:reset.consequences')}
          </Alert>
          <List size="sm">
            {state.kinds
              .filter(({ kind, files }) => files > 0 && !(kind === 'backups' && keepBackups))
              .map(({ kind, files, bytes }) => (
                <List.Item key={kind}>
                  {t(`reset:kind.${kind}`)}: {t('reset:files', { count: files, files: formatCount(files) })}, {formatBytes(bytes)}
                </List.Item>
              ))}
          </List>
          <Elsewhere places={state.elsewhere} />
          {state.sessions > 0 && <Text size="sm">{t('reset:reset.sessions', { count: state.sessions })}</Text>}
          {state.clientsOnline > 0 && <Text size="sm">{t('reset:reset.clients', { count: state.clientsOnline })}</Text>}
          <Checkbox
            label={t('reset:reset.keepBackups')}
            description={t('reset:reset.keepBackupsNote')}
            checked={keepBackups}
            onChange={(event) => setKeepBackups(event.currentTarget.checked)}
          />
          <Checkbox
            label={t('reset:reset.shutDownAfter')}
            description={t('reset:reset.shutDownAfterNote')}
            checked={shutDownAfter}
            onChange={(event) => setShutDownAfter(event.currentTarget.checked)}
          />
          <TextInput
            label={t('reset:reset.typeName', { name: state.applianceName })}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={faultOf('body.applianceName')}
            autoComplete="off"
            spellCheck={false}
            required
          />
          <PasswordInput
            label={t('reset:reset.password')}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={faultOf('body.password')}
            autoComplete="current-password"
            required
          />
        </>
      )}
    </FormDialog>
  );
}

/** Backups that stay, wherever they lie. */
function Elsewhere({ places }: { places: ResetState['elsewhere'] }) {
  const { t } = useTranslation();
  if (places === null) return <Text size="sm">{t('reset:reset.elsewhereUnknown')}</Text>;
  if (places.length === 0) return null;
  return (
    <>
      <Text size="sm">{t('reset:reset.elsewhere')}</Text>
      <List size="sm">
        {places.map((place) => (
          <List.Item key={place}>
            <span lang="en">{place}</span>
          </List.Item>
        ))}
      </List>
    </>
  );
}
