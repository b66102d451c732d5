import { useState, type SubmitEvent } from 'react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Group, Skeleton, Stack, Text, TextInput } from '@mantine/core';
import { eulaText } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { QueryFailure } from '../../shared/QueryFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { useRefreshUpdates } from './updates-queries.ts';
import classes from './updates.module.css';

const NAME_MAX_CHARACTERS = 200;
const SKELETON_HEIGHT_PX = 260;

/** The licence agreement, accepted by typing one's name (B62). The name is kept with the agreement's SHA-256. */
export function EulaForm({ target, onAccepted, onClose }: { target: string; onAccepted: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshUpdates();
  const [name, setName] = useState('');
  const eula = useQuery({
    queryKey: ['updates-eula', target],
    queryFn: ({ signal }) => api.get(apiPaths.updatesEula, eulaText, { target }, signal),
  });
  const accept = useMutation({
    mutationFn: async (sha256: string) => {
      await api.post(apiPaths.updatesAction('eula'), anyAnswer, { target, sha256, name: name.trim() });
      await refresh();
    },
    onSuccess: onAccepted,
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (eula.data !== undefined && name.trim() !== '') accept.mutate(eula.data.sha256);
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Text>{t('updates:eula.note')}</Text>
        {eula.isError && <QueryFailure query={eula} />}
        {eula.isPending && <Skeleton height={SKELETON_HEIGHT_PX} aria-label={t('shared:loading')} />}
        {eula.data !== undefined && (
          <div className={classes['eula']} tabIndex={0} role="region" aria-label={t('updates:eula.text')}>
            {eula.data.text}
          </div>
        )}
        <TextInput
          label={t('updates:eula.name')}
          description={t('updates:eula.nameNote')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          maxLength={NAME_MAX_CHARACTERS}
          autoComplete="name"
          required
          withAsterisk={false}
        />
        <FormFailure error={accept.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t('shared:cancel')}
          </Button>
          <Button type="submit" loading={accept.isPending} disabled={eula.data === undefined || name.trim() === ''}>
            {t('updates:eula.accept')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
