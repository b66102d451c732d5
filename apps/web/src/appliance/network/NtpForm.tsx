import { useState, type SubmitEvent } from 'react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Button, Checkbox, Group, Stack, Textarea } from '@mantine/core';
import { ntpSettings, type NtpSettings } from '@bascule/protocol/api/updates.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { NTP_KEY } from './ntp-key.ts';
import classes from '../updates/updates.module.css';

/** Whether the time is asked for, and of whom: at most four servers, one a line. */
export function NtpForm({ saved }: { saved: NtpSettings }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const [isOn, setOn] = useState<boolean>();
  const [servers, setServers] = useState<string>();
  const draft: NtpSettings = {
    isOn: isOn ?? saved.isOn,
    servers: servers === undefined ? saved.servers : servers.split(/[\s,;]+/).filter((server) => server !== ''),
  };
  const forget = () => {
    setOn(undefined);
    setServers(undefined);
  };
  const save = useMutation({
    mutationFn: async () => {
      await api.put(apiPaths.ntp, anyAnswer, draft);
      await client.invalidateQueries({ queryKey: NTP_KEY });
    },
    onSuccess: () => {
      forget();
      notifyDone(t('appliance:ntp.saved'));
    },
  });
  const isValid = ntpSettings.safeParse(draft).success;
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (isValid) save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="sm">
        <Checkbox label={t('appliance:ntp.isOn')} checked={draft.isOn} onChange={(event) => setOn(event.currentTarget.checked)} />
        <Textarea
          label={t('appliance:ntp.servers')}
          description={t('appliance:ntp.serversNote')}
          error={isChanged && !isValid ? t('appliance:ntp.serversWrong') : undefined}
          value={servers ?? saved.servers.join('\n')}
          onChange={(event) => setServers(event.currentTarget.value)}
          disabled={!draft.isOn}
          autosize
          minRows={2}
          maxRows={4}
          spellCheck={false}
        />
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged || !isValid}>
            {t('shared:save')}
          </Button>
          <Button variant="default" disabled={!isChanged} onClick={forget}>
            {t('shared:undo')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
