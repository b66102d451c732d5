import { useState } from 'react';
import { useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Checkbox, Select, TextInput } from '@mantine/core';
import { STATIC_ROUTE_METRIC, type StaticRoute, type StaticRouteChange } from '@bascule/protocol/api/network.ts';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { LimitedNumberInput } from '../../shared/LimitedNumberInput.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { notifyDone } from '../../shared/notify.ts';
import { apiPaths } from '../../shared/paths.ts';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { useIpConfiguration } from './network-queries.ts';
import classes from '../updates/updates.module.css';

const METRIC_LIMITS = { min: 1, max: 9999 };
const DESTINATION_MAX_CHARACTERS = 49;
const ADDRESS_MAX_CHARACTERS = 45;

/** The form of a static route. `edited` undefined: a new one. */
export function RouteDialog({ edited, onClose }: { edited: StaticRoute | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const client = useQueryClient();
  const acceptCut = useAcceptCut();
  const { data: configuration } = useIpConfiguration();
  const [draft, setDraft] = useState<StaticRouteChange>(() => firstDraft(edited));
  const change = (part: Partial<StaticRouteChange>) => setDraft({ ...draft, ...part });
  const submit = async () => {
    const body = { ...draft, ...acceptCut.body };
    await acceptCut.send(() =>
      edited === undefined
        ? api.post(apiPaths.staticRoutes, anyAnswer, body)
        : api.put(apiPaths.staticRoute(edited.id), anyAnswer, body),
    );
    await client.invalidateQueries({ queryKey: ['network', 'routes'] });
    notifyDone(t('network:routes.saved'));
  };
  const known = configuration?.devices.map(({ name }) => name).filter((name) => name !== 'lo') ?? [];
  const ports = [...new Set([...known, ...(draft.device === null ? [] : [draft.device])])];
  return (
    <FormDialog
      title={edited === undefined ? t('network:routes.add') : t('network:routes.formTitle', { destination: edited.destination })}
      confirm={t('shared:save')}
      onSubmit={submit}
      onClose={onClose}
    >
      {(faultOf) => (
        <>
          <Checkbox
            label={t('network:field.enabled')}
            checked={draft.enabled}
            onChange={(event) => change({ enabled: event.currentTarget.checked })}
          />
          <TextInput
            label={t('network:routes.destination')}
            description={t('network:routes.destinationNote')}
            placeholder="198.51.100.0/24"
            value={draft.destination}
            onChange={(event) => change({ destination: event.currentTarget.value })}
            error={faultOf('body.destination', t('errors:ROUTE_DESTINATION_INVALID'))}
            maxLength={DESTINATION_MAX_CHARACTERS}
            spellCheck={false}
            autoComplete="off"
            required
          />
          <TextInput
            label={t('network:routes.gateway')}
            description={t('network:routes.gatewayNote')}
            placeholder="192.0.2.1"
            value={draft.gateway}
            onChange={(event) => change({ gateway: event.currentTarget.value.trim() })}
            error={faultOf('body.gateway', t('errors:ROUTE_GATEWAY_INVALID'))}
            maxLength={ADDRESS_MAX_CHARACTERS}
            spellCheck={false}
            autoComplete="off"
            required
          />
          <Select
            label={t('network:field.device')}
            placeholder={t('network:routes.byGateway')}
            data={ports}
            value={draft.device}
            onChange={(device) => change({ device })}
            error={faultOf('body.device', t('network:form.deviceWrong'))}
            clearable
          />
          <LimitedNumberInput
            label={t('network:routes.metric')}
            note={t('network:routes.metricNote')}
            limits={METRIC_LIMITS}
            value={draft.metric}
            onChange={(metric) => change({ metric })}
            wrapperClass={classes['number']}
          />
          {acceptCut.notice}
        </>
      )}
    </FormDialog>
  );
}

function firstDraft(edited: StaticRoute | undefined): StaticRouteChange {
  if (edited === undefined) return { enabled: true, destination: '', gateway: '', device: null, metric: STATIC_ROUTE_METRIC };
  const { enabled, destination, gateway, device, metric } = edited;
  return { enabled, destination, gateway, device, metric };
}
