import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Checkbox, Textarea } from '@mantine/core';
import { NETWORKS_MAX, type BoxSecurity } from '@bascule/protocol/api/security.ts';
import { UsersPage } from '../../account/UsersPage.tsx';
import { Section } from '../../shared/Section.tsx';
import { anyAnswer } from '../../shared/api-client.ts';
import { useApi } from '../../shared/api-context.tsx';
import { apiPaths } from '../../shared/paths.ts';
import { SettingsForm } from '../changes/SettingsForm.tsx';
import { useAcceptCut } from '../changes/use-accept-cut.tsx';
import { PasswordRulesForm } from './PasswordRulesForm.tsx';
import { WithSecurity } from './WithSecurity.tsx';
import { useRefreshSecurity } from './security-queries.ts';

const NETWORK_ROWS = 3;
const NETWORK_ROWS_MOST = 12;

/** /appliance > Users (B22): administrators, their rules, and from where /appliance answers. */
export function AdministratorsPage() {
  const { t } = useTranslation();
  return (
    <>
      <UsersPage />
      <WithSecurity>
        {(security) => (
          <>
            <Section title={t('security:passwords.title')} note={t('security:passwords.note')}>
              <PasswordRulesForm accounts={security.accounts} />
            </Section>
            <Section title={t('security:factor.title')} note={t('security:factor.note')}>
              <SecondFactorForm accounts={security.accounts} />
            </Section>
            <Section title={t('security:networks.title')} note={t('security:networks.note', { address: security.yourAddress })}>
              <NetworksForm security={security} />
            </Section>
          </>
        )}
      </WithSecurity>
    </>
  );
}

function SecondFactorForm({ accounts }: { accounts: BoxSecurity['accounts'] }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const [changed, setChanged] = useState<boolean>();
  const secondFactorRequired = changed ?? accounts.secondFactorRequired;
  const save = async () => {
    await api.put(apiPaths.boxSecurityPart('accounts'), anyAnswer, { ...accounts, secondFactorRequired });
    await refresh();
  };
  return (
    <SettingsForm
      isChanged={secondFactorRequired !== accounts.secondFactorRequired}
      onSave={save}
      onForget={() => setChanged(undefined)}
      saved={t('security:factor.saved')}
    >
      <Checkbox
        label={t('security:factor.required')}
        checked={secondFactorRequired}
        onChange={(event) => setChanged(event.currentTarget.checked)}
      />
    </SettingsForm>
  );
}

function NetworksForm({ security: { networks } }: { security: BoxSecurity }) {
  const { t } = useTranslation();
  const api = useApi();
  const refresh = useRefreshSecurity();
  const acceptCut = useAcceptCut();
  const [changed, setChanged] = useState<string>();
  const wanted = changed === undefined ? networks : changed.split(/[\s,;]+/).filter((text) => text !== '');
  const save = async () => {
    await acceptCut.send(() => api.put(apiPaths.boxSecurityPart('networks'), anyAnswer, { networks: wanted, ...acceptCut.body }));
    await refresh();
  };
  const forget = () => {
    setChanged(undefined);
    acceptCut.forget();
  };
  return (
    <SettingsForm
      isChanged={wanted.join() !== networks.join()}
      isValid={wanted.length <= NETWORKS_MAX}
      onSave={save}
      onForget={forget}
      saved={t('security:networks.saved')}
      notice={acceptCut.notice}
    >
      {(faultOf) => (
        <Textarea
          label={t('security:networks.list')}
          description={t('security:networks.listNote', { most: NETWORKS_MAX })}
          placeholder={'192.0.2.0/24\n2001:db8::/32'}
          value={changed ?? networks.join('\n')}
          onChange={(event) => setChanged(event.currentTarget.value)}
          error={faultOf('body.networks')}
          autosize
          minRows={NETWORK_ROWS}
          maxRows={NETWORK_ROWS_MOST}
          spellCheck={false}
        />
      )}
    </SettingsForm>
  );
}
