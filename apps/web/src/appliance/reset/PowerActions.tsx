import { useState } from 'react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Alert, Button, Group, Modal, Radio, Stack, Text } from '@mantine/core';
import { ok } from '@bascule/protocol/api/common.ts';
import { POWER_ORDERS, powerState, type PowerOrder, type PowerState } from '@bascule/protocol/api/reset.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { ResetDialog } from './ResetDialog.tsx';

/** Buttons of Status > Basics: shut down, and reset to factory defaults (B8, B9). */
export function PowerActions() {
  const { t } = useTranslation();
  const [opened, setOpened] = useState<'power' | 'reset'>();
  return (
    <Group gap="xs">
      <Button variant="default" onClick={() => setOpened('power')}>
        {t('reset:power.button')}
      </Button>
      <Button variant="default" color="red" onClick={() => setOpened('reset')}>
        {t('reset:reset.button')}
      </Button>
      {opened === 'power' && <PowerDialog onClose={() => setOpened(undefined)} />}
      {opened === 'reset' && <ResetDialog onClose={() => setOpened(undefined)} />}
    </Group>
  );
}

function PowerDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const power = useQuery({
    queryKey: ['power'],
    queryFn: ({ signal }) => api.get(apiPaths.power, powerState, {}, signal),
    staleTime: 0,
  });
  if (power.data === undefined)
    return (
      <Modal opened onClose={onClose} title={t('reset:power.button')} closeButtonProps={{ 'aria-label': t('shared:close') }}>
        <Text>{power.isError ? t('reset:power.unknown') : t('shared:loading')}</Text>
      </Modal>
    );
  return <PowerForm power={power.data} onClose={onClose} />;
}

function PowerForm({ power, onClose }: { power: PowerState; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const mayDo: Record<PowerOrder, boolean> = {
    'shut-down': power.mayShutDown,
    restart: power.mayRestart,
    'stop-bascule': power.why !== null,
  };
  const [order, setOrder] = useState<PowerOrder>(power.mayShutDown ? 'shut-down' : 'stop-bascule');
  const submit = async () => {
    await api.post(apiPaths.power, ok, { order });
    notifyDone(t(`reset:ordered.${order}`));
  };
  return (
    <FormDialog title={t('reset:power.button')} confirm={t(`reset:do.${order}`)} onSubmit={submit} onClose={onClose}>
      {power.why !== null && (
        <Alert color="yellow" role="note" py="xs">
          {t('reset:power.notAllowed')}
        </Alert>
      )}
      <Radio.Group
        aria-label={t('reset:power.button')}
        value={order}
        onChange={(value) => setOrder(POWER_ORDERS.find((known) => known === value) ?? order)}
      >
        <Stack gap="xs">
          {POWER_ORDERS.filter((each) => mayDo[each]).map((each) => (
            <Radio key={each} value={each} label={t(`reset:order.${each}`)} description={t(`reset:orderNote.${each}`)} />
          ))}
        </Stack>
      </Radio.Group>
      <WhatHappens {...power} />
    </FormDialog>
  );
}

/** Said before: sessions wait, and what takes over. */
function WhatHappens({ sessions, clientsOnline, peer }: Pick<PowerState, 'sessions' | 'clientsOnline' | 'peer'>) {
  const { t } = useTranslation();
  return (
    <Stack gap={4}>
      {sessions + clientsOnline === 0 && <Text size="sm">{t('reset:power.nobody')}</Text>}
      {sessions > 0 && <Text size="sm">{t('reset:power.sessions', { count: sessions })}</Text>}
      {clientsOnline > 0 && <Text size="sm">{t('reset:power.clients', { count: clientsOnline })}</Text>}
      {peer !== null && <Text size="sm">{t('reset:power.peer', { peer })}</Text>}
    </Stack>
  );
}
