import { useState, type SubmitEvent } from 'react';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Alert, Anchor, Button, Checkbox, Fieldset, Group, Radio, Stack } from '@mantine/core';
import {
  establishPreview,
  type EstablishPreview,
  type EstablishRequest,
  type FailoverState,
} from '@bascule/protocol/api/failover.ts';
import { FormFailure } from '../../shared/FormFailure.tsx';
import { Section } from '../../shared/Section.tsx';
import { LONG_TIMEOUT_MS } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { onPrimary } from '../../shared/appliance-header.ts';
import { apiPaths, pagePaths } from '../../shared/paths.ts';
import { loginPaths } from '../login-paths.ts';
import { EndpointFields } from './EndpointFields.tsx';
import { EstablishDialog } from './EstablishDialog.tsx';
import { EstablishPreviewPanel } from './EstablishPreviewPanel.tsx';
import { addressFaults, mayEstablish } from './failover-model.ts';
import classes from './failover.module.css';

const DEFAULT_PORT = 443;

/** 'Setup a Failover Relationship' (B33, B144-B150): both addresses, then a look at everything before anything is done. */
export function EstablishSection({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  const api = useApi();
  const [request, setRequest] = useState<EstablishRequest>(() => firstRequest(state));
  const [shown, setShown] = useState<{ request: EstablishRequest; preview: EstablishPreview }>();
  const [showsFaults, setShowsFaults] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const look = useMutation({
    mutationFn: () => api.post(apiPaths.failoverAction('preview'), establishPreview, request, LONG_TIMEOUT_MS),
    onSuccess: (preview) => setShown({ request, preview }),
  });
  const faults = addressFaults(request, state.sharedName);
  const isValid = Object.keys(faults).length === 0;
  const isCurrent = shown !== undefined && JSON.stringify(shown.request) === JSON.stringify(request);
  const change = (part: Partial<EstablishRequest>) => setRequest({ ...request, ...part });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setShowsFaults(true);
    if (isValid) look.mutate();
  };
  return (
    <Section title={t('failover:establish.title')} note={t('failover:establish.note', { shared: state.sharedName })}>
      <form onSubmit={submit} className={classes['form']} noValidate>
        <Stack gap="md">
          {state.self.role === 'read-only' && state.broken !== null && <OtherWay broken={state.broken} />}
          <KeyLine state={state} />
          <EndpointFields
            legend={t('failover:establish.backup')}
            note={t('failover:establish.backupNote')}
            value={request.backup}
            fault={showsFaults || faults.backup === 'shared' ? faults.backup : undefined}
            onChange={(backup) => change({ backup })}
          />
          <EndpointFields
            legend={t('failover:establish.primary')}
            note={t('failover:establish.primaryNote')}
            value={request.primary}
            fault={showsFaults || faults.primary === 'shared' ? faults.primary : undefined}
            onChange={(primary) => change({ primary })}
          />
          <Fieldset legend={t('failover:establish.how')}>
            <ModeChoice value={request.mode} onChange={(mode) => change({ mode })} />
            <Checkbox
              mt="sm"
              label={t('failover:establish.withCertificate', { shared: state.sharedName })}
              description={t('failover:establish.withCertificateNote')}
              checked={request.withCertificate}
              onChange={(event) => change({ withCertificate: event.currentTarget.checked })}
            />
            {!request.withCertificate && (
              <Alert color="red" role="alert" mt="sm" py="xs">
                {t('failover:establish.noCertificate', { shared: state.sharedName })}
              </Alert>
            )}
          </Fieldset>
          <FormFailure error={look.error} />
          <Group>
            <Button
              type="submit"
              variant={isCurrent ? 'default' : 'filled'}
              loading={look.isPending}
              disabled={!state.preSharedKey.isSet}
            >
              {t('failover:establish.check')}
            </Button>
            <Button
              disabled={!isCurrent || !mayEstablish(shown.preview) || state.busy !== null}
              onClick={() => setAsking(true)}
              aria-describedby="establish-why-not"
            >
              {t('failover:action.establish')}
            </Button>
            <span id="establish-why-not" className="b-quiet">
              {isCurrent
                ? mayEstablish(shown.preview)
                  ? ''
                  : t('failover:establish.isRed')
                : t('failover:establish.checkFirst')}
            </span>
          </Group>
        </Stack>
      </form>
      {shown !== undefined && <EstablishPreviewPanel preview={shown.preview} isCurrent={isCurrent} />}
      {isAsking && isCurrent && (
        <EstablishDialog request={shown.request} preview={shown.preview} state={state} onClose={() => setAsking(false)} />
      )}
    </Section>
  );
}

/** What is known: after a break the former addresses, otherwise how this page reached the appliance, unless that is the shared name; the other one is likely to have the same port. */
function firstRequest({ self, broken, sharedName, settings }: FailoverState): EstablishRequest {
  const { hostname, port } = window.location;
  const here = hostname.toLowerCase() === sharedName.toLowerCase() ? '' : hostname;
  const ownPort = port === '' ? DEFAULT_PORT : Number(port);
  return {
    backup: broken?.endpoint ?? { host: '', port: ownPort },
    primary: self.endpoint ?? { host: here, port: ownPort },
    withCertificate: true,
    mode: settings.mode,
  };
}

/** On the read-only side the form would turn the roles round: that is rarely what is wanted, so the other way comes first. */
function OtherWay({ broken }: { broken: NonNullable<FailoverState['broken']> }) {
  const { t } = useTranslation();
  const { host, port } = broken.endpoint;
  const href = onPrimary(
    `https://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`,
    pagePaths.failover,
  );
  return (
    <Alert color="red" role="note" py="xs">
      {t('failover:establish.otherWay', { peer: broken.peer })}{' '}
      {href !== undefined && (
        <Anchor href={href} inherit underline="always">
          {t('failover:establish.otherWayOpen', { peer: broken.peer })}
        </Anchor>
      )}
    </Alert>
  );
}

/** Both sides need the same key: whether there is one, and what to compare. */
function KeyLine({ state: { preSharedKey } }: { state: FailoverState }) {
  const { t } = useTranslation();
  const link = <Link to={loginPaths.preSharedKey}>{t('failover:toKey')}</Link>;
  if (!preSharedKey.isSet)
    return (
      <Alert color="yellow" role="status" py="xs">
        {t('failover:keyFirst')} {link}
      </Alert>
    );
  return (
    <p className={classes['line']}>
      {t('failover:establish.key')} <code>{preSharedKey.checkValue}</code> {link}
    </p>
  );
}

/** Asynchronous or synchronous, with what each means. */
export function ModeChoice({
  value,
  onChange,
}: {
  value: EstablishRequest['mode'];
  onChange: (mode: EstablishRequest['mode']) => void;
}) {
  const { t } = useTranslation();
  return (
    <Radio.Group label={t('failover:mode.label')} value={value} onChange={(mode) => onChange(mode === 'sync' ? 'sync' : 'async')}>
      {(['async', 'sync'] as const).map((mode) => (
        <Radio key={mode} value={mode} label={t(`failover:mode.${mode}`)} description={t(`failover:mode.${mode}Note`)} mt={6} />
      ))}
    </Radio.Group>
  );
}
