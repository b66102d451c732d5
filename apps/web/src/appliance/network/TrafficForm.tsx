import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Fieldset, Group, Radio, Select, Stack } from '@mantine/core';
import { TRAFFIC_WAYS, type DnsUpdate, type TrafficChange, type TrafficSettings } from '@bascule/protocol/api/network.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { DnsFields } from './DnsFields.tsx';
import { useRefreshNetwork } from './network-queries.ts';
import classes from '../updates/updates.module.css';

const NEW_DNS: DnsUpdate = {
  server: '',
  port: 53,
  zone: '',
  name: '',
  address: '',
  ttlSeconds: 30,
  keyName: '',
  algorithm: 'hmac-sha256',
};

/** How the traffic is brought to whoever is primary. */
export function TrafficForm({ saved, hooks }: { saved: TrafficSettings; hooks: string[] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshNetwork();
  const [changes, setChanges] = useState<Partial<Omit<TrafficChange, 'dnsSecret'>>>({});
  const [secret, setSecret] = useState('');
  const { way, dns, natHook } = { ...saved, ...changes };
  const isChanged = Object.keys(changes).length > 0 || secret !== '';
  const forget = () => {
    setChanges({});
    setSecret('');
  };
  const save = useMutation({
    mutationFn: async () => {
      const body: TrafficChange = { way, dns, natHook, ...(secret !== '' && { dnsSecret: secret }) };
      await api.put(apiPaths.traffic, anyAnswer, body);
      await refresh();
    },
    onSuccess: () => {
      forget();
      notifyDone(t('network:settings.saved'));
    },
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form onSubmit={submit} className={classes['form']}>
      <Stack gap="md">
        <Radio.Group
          label={t('network:settings.way')}
          value={way}
          onChange={(value) => {
            const chosen = TRAFFIC_WAYS.find((known) => known === value) ?? 'shared-ip';
            setChanges({ ...changes, way: chosen, ...(chosen === 'dns' && dns === null && { dns: NEW_DNS }) });
          }}
        >
          <Stack gap="xs" mt="xs">
            {TRAFFIC_WAYS.map((value) => (
              <Radio key={value} value={value} label={t(`network:way.${value}`)} description={t(`network:wayNote.${value}`)} />
            ))}
          </Stack>
        </Radio.Group>
        {way === 'dns' && (
          <DnsFields
            dns={dns ?? NEW_DNS}
            onChange={(part) => setChanges({ ...changes, dns: { ...(dns ?? NEW_DNS), ...part } })}
            secret={secret}
            onSecret={setSecret}
            isSecretSet={saved.dnsSecretSet}
          />
        )}
        {way === 'nat' && (
          <Fieldset legend={t('network:way.nat')}>
            {hooks.length === 0 && (
              <Alert color="yellow" role="note" py="xs" mb="sm">
                {t('network:settings.noHooks')}
              </Alert>
            )}
            <Select
              label={t('network:settings.hook')}
              description={t('network:settings.hookNote')}
              data={[...new Set([...hooks, ...(natHook === null ? [] : [natHook])])]}
              value={natHook}
              onChange={(value) => setChanges({ ...changes, natHook: value })}
              clearable
            />
          </Fieldset>
        )}
        <FormFailure error={save.error} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isChanged}>
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
