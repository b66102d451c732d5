import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Button, TextInput } from '@mantine/core';
import type { Endpoint, FailoverState, WitnessState } from '@bascule/protocol/api/failover.ts';
import { useConfirm } from '../../shared/ConfirmDialog.tsx';
import { FormDialog } from '../../shared/FormDialog.tsx';
import { Facts, Section, StateMark } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { formatInstant } from '../../shared/format.ts';
import { apiPaths } from '../../shared/paths.ts';
import { EndpointFields } from './EndpointFields.tsx';
import { formatSeconds } from './failover-model.ts';
import { useThenRefresh } from './failover-queries.ts';
import classes from './failover.module.css';

const DEFAULT_WITNESS_PORT = 7443;
const TONES = { connected: 'ok', unreachable: 'bad', refused: 'bad' } as const;

/** The witness: the third machine without which nobody steps up or down by itself. */
export function WitnessSection({ state }: { state: FailoverState }) {
  const { t } = useTranslation();
  const api = useApi();
  const thenRefresh = useThenRefresh();
  const [isAppointing, setAppointing] = useState(false);
  const { ask, dialog } = useConfirm();
  const { witness, settings } = state;
  const remove = () =>
    ask({
      title: t('failover:witness.removeTitle'),
      consequences: t(settings.automatic ? 'failover:witness.removeAutomatic' : 'failover:witness.removeNote'),
      confirm: t('failover:witness.remove'),
      dangerous: true,
      act: () => thenRefresh(api.delete(apiPaths.failoverWitness, anyAnswer)),
    });
  const actions = (
    <>
      <Button variant="default" onClick={() => setAppointing(true)}>
        {t(witness === null ? 'failover:witness.appoint' : 'failover:witness.replace')}
      </Button>
      {witness !== null && (
        <Button variant="default" onClick={remove}>
          {t('failover:witness.remove')}
        </Button>
      )}
    </>
  );
  return (
    <Section title={t('failover:witness.title')} note={t('failover:witness.note')} actions={actions}>
      {witness === null ? (
        <p className={classes['line']}>{t('failover:witness.none')}</p>
      ) : (
        <WitnessFacts witness={witness} isAutomatic={settings.automatic} />
      )}
      {isAppointing && <AppointDialog endpoint={witness?.endpoint} onClose={() => setAppointing(false)} />}
      {dialog}
    </Section>
  );
}

/** What the witness says; who may take over it knows only while automatic failover is on. */
function WitnessFacts({ witness, isAutomatic }: { witness: WitnessState; isAutomatic: boolean }) {
  const { t, i18n } = useTranslation();
  const left = witness.leaseLeftMs;
  return (
    <Facts
      rows={[
        [
          t('failover:witness.state'),
          <StateMark key="state" tone={TONES[witness.state]}>
            {t(`failover:witness.states.${witness.state}`)}
          </StateMark>,
        ],
        [t('failover:sides.address'), <code key="address">{`${witness.endpoint.host}:${witness.endpoint.port}`}</code>],
        [
          t('failover:witness.answered'),
          witness.lastAnswerAtMs === null ? t('shared:never') : formatInstant(witness.lastAnswerAtMs),
        ],
        [t('failover:witness.holder'), witness.holder ?? t('shared:none')],
        [
          t('failover:witness.lease'),
          <span key="lease" className={classes['tabular']}>
            {left === null
              ? '–'
              : t('failover:copy.inSeconds', { seconds: formatSeconds(Math.max(0, left) / 1000, i18n.language) })}
          </span>,
        ],
        [
          t('failover:witness.inSync'),
          <StateMark key="sync" tone={!isAutomatic ? 'off' : witness.peerInSync ? 'ok' : 'warn'}>
            {t(`failover:witness.inSync${!isAutomatic ? 'Off' : witness.peerInSync ? 'Yes' : 'No'}`)}
          </StateMark>,
        ],
      ]}
    />
  );
}

function AppointDialog({ endpoint: known, onClose }: { endpoint: Endpoint | undefined; onClose: () => void }) {
  const { t } = useTranslation();
  const api = useApi();
  const thenRefresh = useThenRefresh();
  const [endpoint, setEndpoint] = useState<Endpoint>(known ?? { host: '', port: DEFAULT_WITNESS_PORT });
  const [code, setCode] = useState('');
  const send = () => thenRefresh(api.put(apiPaths.failoverWitness, anyAnswer, { endpoint, code: code.trim() }));
  return (
    <FormDialog title={t('failover:witness.appoint')} confirm={t('failover:witness.appoint')} onSubmit={send} onClose={onClose}>
      {(faultOf) => (
        <>
          <p className={classes['line']}>{t('failover:witness.how')}</p>
          <EndpointFields
            legend={t('failover:witness.where')}
            value={endpoint}
            fault={
              faultOf('body.endpoint.host') !== undefined
                ? 'host'
                : faultOf('body.endpoint.port') !== undefined
                  ? 'port'
                  : undefined
            }
            onChange={setEndpoint}
          />
          <TextInput
            label={t('failover:witness.code')}
            description={t('failover:witness.codeNote')}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            error={faultOf('body.code', t('failover:witness.codeWrong'))}
            autoComplete="off"
            spellCheck={false}
            required
            withAsterisk={false}
          />
        </>
      )}
    </FormDialog>
  );
}
